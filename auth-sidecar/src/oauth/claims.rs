//! What does an access token say? The claims of RFC 9068 and ours.

use serde::{Deserialize, Serialize};

use super::scope::ScopeSet;
use crate::clock::UnixTime;

/// The `typ` of an access token (RFC 9068 section 2.1): no other kind of JWT passes for one.
pub const TOKEN_TYPE: &str = "at+jwt";

/// What the gateway reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// The issuer.
    pub iss: String,
    /// The user.
    pub sub: String,
    /// The resource servers; a single one stands as a string.
    pub aud: Audience,
    /// Expires.
    pub exp: UnixTime,
    /// Issued.
    pub iat: UnixTime,
    /// Names this token.
    pub jti: String,
    /// The client it was issued to.
    pub client_id: String,
    /// What it allows; empty when nothing was granted by name.
    pub scope: ScopeSet,
    /// The grant it came from: revoked together.
    pub grant_id: String,
    /// When the user signed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<UnixTime>,
    /// The user's groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// The user's roles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// The user's organization.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub org: Option<String>,
}

/// `aud`: a string or an array (RFC 7519 section 4.1.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// One resource server.
    One(String),
    /// Several.
    Many(Vec<String>),
}

// === impl Audience ===

impl Audience {
    /// The audience of these resource servers.
    #[must_use]
    pub fn of(urls: Vec<String>) -> Self {
        match <[String; 1]>::try_from(urls) {
            Ok([one]) => Self::One(one),
            Err(urls) => Self::Many(urls),
        }
    }

    /// Whether `url` is in it.
    #[must_use]
    pub fn contains(&self, url: &str) -> bool {
        match self {
            Self::One(one) => one == url,
            Self::Many(many) => many.iter().any(|one| one == url),
        }
    }
}
