//! What is a client? One that was configured, or one that registered itself (RFC 7591).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::jwk::{Algorithm, KeySource};
use super::openid::Preferences;
use super::redirect_uri;
use super::scope::ScopeSet;
use crate::clock::UnixTime;
use crate::secret::Digest;

/// How a client proves who it is at the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// Not at all: a public client, which PKCE protects.
    None,
    /// Its secret in the `Authorization` header (RFC 6749 section 2.3.1).
    ClientSecretBasic,
    /// Its secret in the body.
    ClientSecretPost,
    /// A JWT that it signed with a key of its own (RFC 7523 section 2.2).
    PrivateKeyJwt,
}

/// What a client may present at the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    /// A code from the authorization endpoint.
    AuthorizationCode,
    /// A refresh token.
    RefreshToken,
    /// Nothing but its own authentication (RFC 6749 section 4.4).
    ClientCredentials,
    /// A device code (RFC 8628).
    #[serde(rename = "urn:ietf:params:oauth:grant-type:device_code")]
    DeviceCode,
    /// An access token for another audience (RFC 8693); given by the operator only.
    #[serde(rename = "urn:ietf:params:oauth:grant-type:token-exchange")]
    TokenExchange,
    /// An identity assertion of somebody whom the operator trusts (RFC 7523 section 2.1, ID-JAG); given by the operator only.
    #[serde(rename = "urn:ietf:params:oauth:grant-type:jwt-bearer")]
    JwtBearer,
}

/// A client.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Client {
    /// `client_id`.
    pub id: String,
    /// What a consent page calls it: its own claim, not a fact.
    pub name: Option<String>,
    /// The one way in which it authenticates; every other is refused.
    pub auth_method: AuthMethod,
    /// Digest of its secret; none for a client that has no secret.
    pub secret: Option<Digest>,
    /// What its assertions are verified with.
    #[serde(default)]
    pub keys: Option<KeySource>,
    /// The one algorithm of its assertions, when it registered one.
    #[serde(default)]
    pub assertion_algorithm: Option<Algorithm>,
    /// Where answers may go.
    pub redirect_uris: Vec<String>,
    /// Where browsers may go once they are signed out.
    #[serde(default)]
    pub post_logout_redirect_uris: Vec<String>,
    /// What it may present at the token endpoint.
    pub grant_types: Vec<GrantType>,
    /// What it asks for when a request names no scope. Not a ceiling: an MCP client registers with the scopes of its
    /// first challenge and steps up later with the same registration; the user's consent is what decides.
    pub default_scope: Option<ScopeSet>,
    /// The most it may ask for; set by the operator only.
    pub scope_ceiling: Option<ScopeSet>,
    /// The resource servers it speaks for; set by the operator only.
    pub introspects: Vec<String>,
    /// How it wants its tokens and requests.
    #[serde(default)]
    pub preferences: Preferences,
    /// Digest of what counts in its metadata document, when its id is the URL of one.
    #[serde(default)]
    pub document: Option<Digest>,
    /// Present when it registered itself.
    pub dynamic: Option<DynamicRegistration>,
}

/// What a client said when it registered itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DynamicRegistration {
    /// `client_id_issued_at`.
    pub issued_at: UnixTime,
    /// The metadata as registered, to be echoed.
    pub metadata: Map<String, Value>,
    /// Digest of the token that reads, changes and deletes this registration (RFC 7592); none where nobody may.
    #[serde(default)]
    pub registration_token: Option<Digest>,
}

// === impl AuthMethod ===

impl AuthMethod {
    /// The methods we support, for the metadata document.
    pub const ALL: [Self; 4] =
        [Self::None, Self::ClientSecretBasic, Self::ClientSecretPost, Self::PrivateKeyJwt];

    /// The registered name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }

    /// Whether it rests on a secret that both sides know.
    #[must_use]
    pub fn is_shared_secret(self) -> bool {
        matches!(self, Self::ClientSecretBasic | Self::ClientSecretPost)
    }
}

// === impl GrantType ===

impl GrantType {
    /// The grants we support, where they are configured.
    pub const ALL: [Self; 6] = [
        Self::AuthorizationCode,
        Self::RefreshToken,
        Self::ClientCredentials,
        Self::DeviceCode,
        Self::TokenExchange,
        Self::JwtBearer,
    ];

    /// The registered name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::DeviceCode => "urn:ietf:params:oauth:grant-type:device_code",
            Self::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
            Self::JwtBearer => "urn:ietf:params:oauth:grant-type:jwt-bearer",
        }
    }
}

// === impl Client ===

impl Client {
    /// Whether it may present this at the token endpoint.
    #[must_use]
    pub fn may(&self, grant: GrantType) -> bool {
        self.grant_types.contains(&grant)
    }

    /// Whether answers may go to this URI.
    #[must_use]
    pub fn accepts_redirect(&self, presented: &str) -> bool {
        self.redirect_uris.iter().any(|registered| redirect_uri::matches(registered, presented))
    }

    /// Whether what was granted still goes to a place of this client's: its redirect URIs may have changed since. What
    /// was granted without a redirect does.
    #[must_use]
    pub fn still_accepts(&self, granted: &str) -> bool {
        granted.is_empty() || self.accepts_redirect(granted)
    }

    /// Whether this registration token may read, change and delete it.
    #[must_use]
    pub fn is_managed_with(&self, presented: &Digest) -> bool {
        let token = self.dynamic.as_ref().and_then(|dynamic| dynamic.registration_token);
        token.is_some_and(|token| token.matches(presented))
    }

    /// Whether an answer that goes there helps nobody but this client (RFC 8252 section 8.6): the URI is https, or the client
    /// authenticates, or one installation alone knows its id, having registered it. Else any program of the user's machine
    /// may have asked under an id that is published.
    #[must_use]
    pub fn is_assured(&self, redirect_uri: &str) -> bool {
        let is_its_own = self.dynamic.as_ref().is_some_and(|dynamic| dynamic.registration_token.is_some());
        redirect_uri::is_claimed(redirect_uri) || self.is_confidential() || is_its_own
    }

    /// Whether the operator made it. Every other is a stranger's, which anybody may register or publish, and as many as he likes.
    #[must_use]
    pub const fn is_operators(&self) -> bool {
        self.dynamic.is_none() && self.document.is_none()
    }

    /// Whether it can prove who it is.
    #[must_use]
    pub fn is_confidential(&self) -> bool {
        self.auth_method != AuthMethod::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_earlier_versions_are_read() {
        let earlier = r#"{"id": "c", "name": null, "auth_method": "none", "secret": null, "redirect_uris": [],
            "grant_types": ["authorization_code"], "default_scope": null, "scope_ceiling": null,
            "introspects": [], "dynamic": {"issued_at": 1, "metadata": {}}}"#;
        let client: Client = serde_json::from_str(earlier).unwrap();
        assert!(client.keys.is_none() && client.document.is_none());
        assert!(client.post_logout_redirect_uris.is_empty());
        assert!(!client.is_managed_with(&Digest::of("")), "it has no registration token");
    }
}
