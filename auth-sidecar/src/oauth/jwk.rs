//! With which keys does a client sign? JWK sets (RFC 7517) that it registered or publishes, and what they verify.

use jwt_simple::prelude::{
    ECDSAP256PublicKeyLike as _, ES256PublicKey, Ed25519PublicKey, EdDSAPublicKeyLike as _, JWTClaims,
    NoCustomClaims, PS256PublicKey, RS256PublicKey, RSAPublicKeyLike as _, VerificationOptions,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Keys in one set: each may cost a signature check.
const MOST_KEYS: usize = 20;
/// Members that only private or symmetric keys have (RFC 7518 section 6).
const SECRET_MEMBERS: [&str; 8] = ["d", "k", "p", "q", "dp", "dq", "qi", "oth"];

/// Members that public keys of our algorithms have, and what says how they are used (RFC 7517 section 4).
const PUBLIC_MEMBERS: [&str; 9] = ["kty", "kid", "alg", "use", "crv", "x", "y", "n", "e"];

/// The algorithms of assertions. Symmetric ones and `none` are not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// ECDSA on P-256.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519 (RFC 8037).
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// RSASSA-PKCS1-v1_5.
    #[serde(rename = "RS256")]
    Rs256,
    /// RSASSA-PSS.
    #[serde(rename = "PS256")]
    Ps256,
}

/// Where the keys of a client are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeySource {
    /// `jwks`.
    Inline(KeySet),
    /// `jwks_uri`: an https URL.
    Uri(String),
}

/// A JWK set that holds nothing secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeySet(Value);

// === impl Algorithm ===

impl Algorithm {
    /// The algorithms we support, for the metadata document.
    pub const ALL: [Self; 4] = [Self::Es256, Self::EdDsa, Self::Rs256, Self::Ps256];

    /// The registered name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
        }
    }

    /// The algorithm of this name, if we support it.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }

    /// Whether `jwk` is a public key that this algorithm can use; the key's own `use`, `alg` and `key_ops` count.
    fn fits(self, jwk: &str) -> bool {
        match self {
            Self::Es256 => ES256PublicKey::from_jwk(jwk).is_ok(),
            Self::EdDsa => Ed25519PublicKey::from_jwk(jwk).is_ok(),
            Self::Rs256 => RS256PublicKey::from_jwk(jwk).is_ok(),
            Self::Ps256 => PS256PublicKey::from_jwk(jwk).is_ok(),
        }
    }

    fn verify(self, jwk: &str, jwt: &str, options: VerificationOptions) -> Option<JWTClaims<NoCustomClaims>> {
        let options = Some(options);
        match self {
            Self::Es256 => ES256PublicKey::from_jwk(jwk).ok()?.verify_token(jwt, options).ok(),
            Self::EdDsa => Ed25519PublicKey::from_jwk(jwk).ok()?.verify_token(jwt, options).ok(),
            Self::Rs256 => RS256PublicKey::from_jwk(jwk).ok()?.verify_token(jwt, options).ok(),
            Self::Ps256 => PS256PublicKey::from_jwk(jwk).ok()?.verify_token(jwt, options).ok(),
        }
    }
}

// === impl KeySet ===

impl KeySet {
    /// Reads a JWK set. Keys that we cannot use may be in it (RFC 7517 section 5); secret ones may not.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn admit(set: Value) -> Result<Self, &'static str> {
        let keys =
            set.get("keys").and_then(Value::as_array).ok_or("must be a JWK set: an object with `keys`")?;
        if keys.len() > MOST_KEYS {
            return Err("holds too many keys");
        }
        for key in keys {
            if !key.get("kty").is_some_and(Value::is_string) {
                return Err("holds something that is no key");
            }
            if SECRET_MEMBERS.iter().any(|member| key.get(member).is_some()) {
                return Err("holds a private or symmetric key");
            }
        }
        Ok(Self(set))
    }

    /// The set as it was given.
    #[must_use]
    pub fn as_value(&self) -> &Value {
        &self.0
    }

    /// The set with nothing in it but public keys: certificates and the like are left out.
    #[must_use]
    pub fn public_members(&self) -> Value {
        let public = |key: &Value| {
            let members =
                PUBLIC_MEMBERS.iter().filter_map(|name| Some(((*name).to_owned(), key.get(name)?.clone())));
            Value::Object(members.collect())
        };
        json!({"keys": self.keys().map(public).collect::<Vec<_>>()})
    }

    /// Whether it holds a key that this algorithm, or any of ours, can use.
    #[must_use]
    pub fn serves(&self, algorithm: Option<Algorithm>) -> bool {
        let texts: Vec<String> = self.keys().map(Value::to_string).collect();
        let mut wanted = Algorithm::ALL.into_iter().filter(|one| algorithm.is_none_or(|only| only == *one));
        wanted.any(|one| texts.iter().any(|jwk| one.fits(jwk)))
    }

    /// The claims of a JWT that a key of this set signed. `kid` narrows the choice; a key without one is tried too.
    #[must_use]
    pub fn verify(
        &self,
        jwt: &str,
        algorithm: Algorithm,
        kid: Option<&str>,
        options: &VerificationOptions,
    ) -> Option<JWTClaims<NoCustomClaims>> {
        let may_be_meant = |key: &&Value| match (kid, key.get("kid").and_then(Value::as_str)) {
            (Some(wanted), Some(its)) => wanted == its,
            _ => true,
        };
        let candidates = self.keys().filter(may_be_meant).map(Value::to_string);
        candidates.into_iter().find_map(|jwk| algorithm.verify(&jwk, jwt, options.clone()))
    }

    fn keys(&self) -> impl Iterator<Item = &Value> {
        self.0.get("keys").and_then(Value::as_array).into_iter().flatten()
    }
}
