//! What do tokens say? Access tokens: the claims of RFC 9068 and ours. ID tokens: those of OpenID Connect Core 2.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256, Sha512};

use super::algorithm::SigningAlgorithm;
use super::scope::ScopeSet;
use crate::clock::UnixTime;

/// The `typ` of an access token (RFC 9068 section 2.1): no other kind of JWT passes for one.
pub const TOKEN_TYPE: &str = "at+jwt";

/// The `typ` of a statement of who asks, for a server behind a gateway. Nothing else passes for one, and it for nothing else.
pub const IDENTITY_TYPE: &str = "wicketgate-identity+jwt";

/// The `typ` of an ID token.
pub const ID_TOKEN_TYPE: &str = "JWT";

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
    /// What it allows; empty, and then left out (RFC 6749 section 3.3), when nothing was granted by name.
    #[serde(default, skip_serializing_if = "ScopeSet::is_empty")]
    pub scope: ScopeSet,
    /// The grant it came from: revoked together.
    pub grant_id: String,
    /// The client that the grant was given to, where another one got this token in exchange: withdrawn together, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant_client_id: Option<String>,
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
    /// The key that whoever presents the token must prove to hold (RFC 7800).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
}

/// `cnf` of a token that is bound to a key (RFC 9449 section 6.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// RFC 7638 thumbprint of the key.
    pub jkt: String,
}

/// What the client reads (OpenID Connect Core 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdClaims {
    /// The issuer.
    pub iss: String,
    /// The user.
    pub sub: String,
    /// The client.
    pub aud: String,
    /// Expires.
    pub exp: UnixTime,
    /// Issued.
    pub iat: UnixTime,
    /// When the user signed in.
    pub auth_time: UnixTime,
    /// `nonce` of the authorization request, if it had one.
    pub nonce: Option<String>,
    /// Ties the ID token to the access token beside it.
    pub at_hash: String,
}

/// What a server behind a gateway reads: who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityClaims {
    /// The issuer: ourselves, whoever issued the token.
    pub iss: String,
    /// The user; of another issuer's tokens its name, `#` and the user there.
    pub sub: String,
    /// The server.
    pub aud: String,
    /// Expires.
    pub exp: UnixTime,
    /// Issued.
    pub iat: UnixTime,
    /// Names this statement.
    pub jti: String,
    /// The client that acts for the user.
    pub client_id: String,
    /// What the token allows.
    pub scope: ScopeSet,
    /// The user's groups.
    pub groups: Vec<String>,
    /// The user's roles.
    pub roles: Vec<String>,
    /// The user's organization.
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

/// `grant_client_id`: the grant's client, where a token of the grant is another one's.
#[must_use]
pub fn grant_client_id(grants: &str, tokens: &str) -> Option<String> {
    (grants != tokens).then(|| grants.to_owned())
}

/// `at_hash` (OpenID Connect Core 3.1.3.6): the left half of the hash that belongs to the ID token's algorithm. Ed25519
/// has SHA-512 inside.
#[must_use]
pub fn at_hash(algorithm: SigningAlgorithm, access_token: &str) -> String {
    let half = match algorithm {
        SigningAlgorithm::Es256 | SigningAlgorithm::Rs256 => {
            Sha256::digest(access_token).iter().take(16).copied().collect::<Vec<u8>>()
        }
        SigningAlgorithm::EdDsa => Sha512::digest(access_token).iter().take(32).copied().collect(),
    };
    URL_SAFE_NO_PAD.encode(half)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of OpenID Connect Core, appendix A.3 (response_type=id_token token, RS256).
    #[test]
    fn at_hash_is_that_of_the_specification() {
        let token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
        assert_eq!(at_hash(SigningAlgorithm::Rs256, token), "77QmUPtjPfzWtF2AnpK9RQ");
        assert_eq!(at_hash(SigningAlgorithm::Es256, token), "77QmUPtjPfzWtF2AnpK9RQ");
        assert_eq!(at_hash(SigningAlgorithm::EdDsa, token).len(), 43);
    }
}
