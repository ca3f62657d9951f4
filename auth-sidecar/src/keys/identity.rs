//! How is a statement of who asks signed? With the key of access tokens, as another type, so that it passes for none.

use jwt_simple::prelude::{Audiences, Duration, JWTClaims};
use serde::{Deserialize, Serialize};

use super::{KeyError, Keys};
use crate::oauth::claims::{IDENTITY_TYPE, IdentityClaims};
use crate::oauth::scope::ScopeSet;

/// The claims that are not registered ones.
#[derive(Serialize, Deserialize)]
struct PrivateIdentityClaims {
    client_id: String,
    /// Left out where nothing was granted by name: an empty one is none (RFC 6749 section 3.3).
    #[serde(default, skip_serializing_if = "ScopeSet::is_empty")]
    scope: ScopeSet,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    groups: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    roles: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    org: Option<String>,
}

// === impl Keys ===

impl Keys {
    /// Signs who asks.
    ///
    /// # Errors
    /// [`KeyError::Signing`].
    pub fn sign_identity(&self, claims: IdentityClaims) -> Result<String, KeyError> {
        let claims = JWTClaims {
            issued_at: Some(Duration::from_secs(claims.iat.0)),
            expires_at: Some(Duration::from_secs(claims.exp.0)),
            invalid_before: None,
            issuer: Some(claims.iss),
            subject: Some(claims.sub),
            audiences: Some(Audiences::AsString(claims.aud)),
            jwt_id: Some(claims.jti),
            nonce: None,
            custom: PrivateIdentityClaims {
                client_id: claims.client_id,
                scope: claims.scope,
                groups: claims.groups,
                roles: claims.roles,
                org: claims.org,
            },
        };
        self.held().active(self.access_tokens)?.sign(IDENTITY_TYPE, claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_not_written() {
        let said = |scope| PrivateIdentityClaims {
            client_id: "c".into(),
            scope,
            groups: Vec::new(),
            roles: Vec::new(),
            org: None,
        };
        let nothing = serde_json::to_string(&said(ScopeSet::default())).unwrap();
        assert_eq!(nothing, r#"{"client_id":"c"}"#);
        let some = serde_json::to_string(&said(ScopeSet::parse("a b").unwrap())).unwrap();
        assert_eq!(some, r#"{"client_id":"c","scope":"a b"}"#);
    }
}
