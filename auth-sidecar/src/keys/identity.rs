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
