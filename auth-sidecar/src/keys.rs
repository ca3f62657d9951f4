//! Who signs, and who can verify it? ES256 keys, kept sealed in the store and published as a JWK set.
//!
//! A key's life is next -> active -> retired (`store::records::KeyState`): all are published, the active one signs.
//! Nothing rotates them yet; a store that holds several is read correctly.

use std::collections::HashSet;

use jwt_simple::prelude::{
    Audiences, Duration, ECDSAP256KeyPairLike as _, ECDSAP256PublicKeyLike as _, ES256KeyPair,
    ES256PublicKey, HeaderOptions, JWTClaims, Token, VerificationOptions,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clock::UnixTime;
use crate::oauth::claims::{AccessClaims, Audience, TOKEN_TYPE};
use crate::oauth::scope::ScopeSet;
use crate::sealing::{SealingError, SealingKey};
use crate::store::records::{KeyState, StoredKey};
use crate::store::{Store, StoreError};

const ALGORITHM: &str = "ES256";

/// Longer than any token we issue; what is longer is not parsed.
const LONGEST_TOKEN: usize = 16 * 1024;

/// The keys in use.
pub struct Keys {
    active: ES256KeyPair,
    published: Vec<ES256PublicKey>,
    jwks: Value,
}

/// Why there are no keys to work with.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The stored keys were sealed under another data key.
    #[error("the signing keys of the store cannot be read: {0}")]
    Sealed(#[from] SealingError),
    /// A key is malformed, or none is active.
    #[error("the signing keys of the store are unusable: {0}")]
    Malformed(&'static str),
    /// Signing failed.
    #[error("a token could not be signed")]
    Signing,
}

/// The claims that are not registered ones.
#[derive(Serialize, Deserialize)]
struct PrivateClaims {
    client_id: String,
    scope: ScopeSet,
    grant_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    auth_time: Option<UnixTime>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    groups: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    roles: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    org: Option<String>,
}

// === impl Keys ===

impl Keys {
    /// Reads the keys of the store; makes the first one where there is none.
    ///
    /// # Errors
    /// [`KeyError`].
    pub async fn load(store: &dyn Store, data_key: &SealingKey, now: UnixTime) -> Result<Self, KeyError> {
        let mut stored = store.signing_keys().await?;
        if stored.is_empty() {
            stored = store.first_signing_key(generate(data_key, now)?).await?;
        }
        let mut active = None;
        let mut published = Vec::new();
        for record in &stored {
            let pair = open(record, data_key)?;
            published.push(pair.public_key().with_key_id(&record.kid));
            if record.state == KeyState::Active {
                active = Some(pair);
            }
        }
        let jwks = json!({ "keys": published.iter().map(public_jwk).collect::<Result<Vec<_>, _>>()? });
        Ok(Self { active: active.ok_or(KeyError::Malformed("none is active"))?, published, jwks })
    }

    /// The JWK set (RFC 7517 section 5), public keys only.
    #[must_use]
    pub fn jwks(&self) -> &Value {
        &self.jwks
    }

    /// Signs an access token.
    ///
    /// # Errors
    /// [`KeyError::Signing`].
    pub fn sign(&self, claims: AccessClaims) -> Result<String, KeyError> {
        let options =
            HeaderOptions { signature_type: Some(TOKEN_TYPE.to_owned()), ..HeaderOptions::default() };
        self.active.sign_with_options(to_jwt(claims), &options).map_err(|_| KeyError::Signing)
    }

    /// The claims of an access token that we signed and that has not expired; `None` for everything else. Whether its
    /// grant was revoked is for the caller to ask.
    #[must_use]
    pub fn verify(&self, token: &str, issuer: &str, now: UnixTime) -> Option<AccessClaims> {
        if token.len() > LONGEST_TOKEN {
            return None;
        }
        let metadata = Token::decode_metadata(token).ok()?;
        let kid = metadata.key_id()?;
        let key = self.published.iter().find(|key| key.key_id().as_deref() == Some(kid))?;
        let options = VerificationOptions {
            required_signature_type: Some(TOKEN_TYPE.to_owned()),
            allowed_issuers: Some(HashSet::from([issuer.to_owned()])),
            // Our own clock issued it: there is no skew to tolerate. The default would be 900 s.
            time_tolerance: Some(Duration::from_secs(0)),
            artificial_time: Some(Duration::from_secs(now.0)),
            ..VerificationOptions::default()
        };
        let claims = key.verify_token::<PrivateClaims>(token, Some(options)).ok()?;
        from_jwt(claims).filter(|claims| now < claims.exp)
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keys({} published)", self.published.len())
    }
}

fn generate(data_key: &SealingKey, now: UnixTime) -> Result<StoredKey, KeyError> {
    let pair = ES256KeyPair::generate();
    let kid = pair.jwk_thumbprint();
    let sealed = data_key.seal(&purpose(&kid), &pair.to_bytes())?;
    Ok(StoredKey { kid, algorithm: ALGORITHM.to_owned(), state: KeyState::Active, created_at: now, sealed })
}

fn open(record: &StoredKey, data_key: &SealingKey) -> Result<ES256KeyPair, KeyError> {
    if record.algorithm != ALGORITHM {
        return Err(KeyError::Malformed("an algorithm is unknown"));
    }
    let bytes = data_key.open(&purpose(&record.kid), &record.sealed)?;
    let pair = ES256KeyPair::from_bytes(&bytes).map_err(|_| KeyError::Malformed("a key cannot be parsed"))?;
    Ok(pair.with_key_id(&record.kid))
}

fn purpose(kid: &str) -> String {
    format!("signing key {kid}")
}

fn public_jwk(key: &ES256PublicKey) -> Result<Value, KeyError> {
    serde_json::from_str(&key.to_jwk()).map_err(|_| KeyError::Malformed("a key has no JWK"))
}

fn to_jwt(claims: AccessClaims) -> JWTClaims<PrivateClaims> {
    JWTClaims {
        issued_at: Some(Duration::from_secs(claims.iat.0)),
        expires_at: Some(Duration::from_secs(claims.exp.0)),
        invalid_before: None,
        issuer: Some(claims.iss),
        subject: Some(claims.sub),
        audiences: Some(match claims.aud {
            Audience::One(one) => Audiences::AsString(one),
            Audience::Many(many) => Audiences::AsSet(many.into_iter().collect()),
        }),
        jwt_id: Some(claims.jti),
        nonce: None,
        custom: PrivateClaims {
            client_id: claims.client_id,
            scope: claims.scope,
            grant_id: claims.grant_id,
            auth_time: claims.auth_time,
            groups: claims.groups,
            roles: claims.roles,
            org: claims.org,
        },
    }
}

/// `None` when a claim is missing that every token of ours has.
fn from_jwt(claims: JWTClaims<PrivateClaims>) -> Option<AccessClaims> {
    let aud = match claims.audiences? {
        Audiences::AsString(one) => Audience::One(one),
        Audiences::AsSet(many) => {
            let mut many: Vec<String> = many.into_iter().collect();
            many.sort_unstable();
            Audience::Many(many)
        }
    };
    Some(AccessClaims {
        iss: claims.issuer?,
        sub: claims.subject?,
        aud,
        exp: UnixTime(claims.expires_at?.as_secs()),
        iat: UnixTime(claims.issued_at?.as_secs()),
        jti: claims.jwt_id?,
        client_id: claims.custom.client_id,
        scope: claims.custom.scope,
        grant_id: claims.custom.grant_id,
        auth_time: claims.custom.auth_time,
        groups: claims.custom.groups,
        roles: claims.custom.roles,
        org: claims.custom.org,
    })
}
