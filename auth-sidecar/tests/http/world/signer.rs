//! A client's own key: what it publishes, and what it signs.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwt_simple::prelude::{
    ECDSAP256KeyPairLike as _, ES256KeyPair, Ed25519KeyPair, EdDSAKeyPairLike as _, JWTClaims,
    NoCustomClaims, PS256KeyPair, RS256KeyPair, RSAKeyPairLike as _,
};
use serde_json::{Value, json};

use super::ISSUER;
use crate::world::World;
use wicketgate_auth::clock::Clock as _;

pub(crate) const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A key of one algorithm.
pub(crate) enum Signer {
    Es256(ES256KeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(RS256KeyPair),
    Ps256(PS256KeyPair),
}

impl Signer {
    pub(crate) fn es256() -> Self {
        Self::Es256(ES256KeyPair::generate())
    }

    pub(crate) fn eddsa() -> Self {
        Self::EdDsa(Ed25519KeyPair::generate())
    }

    pub(crate) fn rsa() -> [Self; 2] {
        let pair = RS256KeyPair::generate(2048).unwrap();
        let same = PS256KeyPair::from_der(&pair.to_der().unwrap()).unwrap();
        [Self::Rs256(pair), Self::Ps256(same)]
    }

    /// The public key as a JWK.
    pub(crate) fn jwk(&self) -> Value {
        let text = match self {
            Self::Es256(pair) => pair.public_key().to_jwk(),
            Self::EdDsa(pair) => pair.public_key().to_jwk(),
            Self::Rs256(pair) => pair.public_key().to_jwk(),
            Self::Ps256(pair) => pair.public_key().to_jwk(),
        };
        serde_json::from_str(&text).unwrap()
    }

    pub(crate) fn jwks(&self) -> Value {
        json!({"keys": [self.jwk()]})
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        let claims: JWTClaims<NoCustomClaims> = serde_json::from_value(claims.clone()).unwrap();
        match self {
            Self::Es256(pair) => pair.sign(claims),
            Self::EdDsa(pair) => pair.sign(claims),
            Self::Rs256(pair) => pair.sign(claims),
            Self::Ps256(pair) => pair.sign(claims),
        }
        .unwrap()
    }

    /// A good assertion of a client, of which `change` may make another.
    pub(crate) fn assertion(&self, world: &World, id: &str, change: impl FnOnce(&mut Value)) -> String {
        let mut claims = claims(world, id);
        change(&mut claims);
        self.sign(&claims)
    }
}

pub(crate) fn claims(world: &World, id: &str) -> Value {
    let now = world.clock.now().0;
    let jti = URL_SAFE_NO_PAD.encode(ES256KeyPair::generate().to_bytes());
    json!({"iss": id, "sub": id, "aud": ISSUER, "iat": now, "exp": now + 60, "jti": jti})
}
