//! How does a key of each algorithm sign, verify, and lie in the store? One typed key each, so that no key can be used
//! with an algorithm that is not its own.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwt_simple::prelude::{
    ECDSAP256PublicKeyLike as _, ES256KeyPair, ES256PublicKey, Ed25519KeyPair, Ed25519PublicKey,
    EdDSAKeyPairLike as _, EdDSAPublicKeyLike as _, HeaderOptions, JWTClaims, RS256PublicKey,
    RSAPublicKeyLike as _, VerificationOptions,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::KeyError;
use crate::oauth::algorithm::SigningAlgorithm;

/// A key pair and its name.
pub(super) struct Pair {
    kid: String,
    secret: Secret,
    public: Public,
}

enum Secret {
    /// A tenth of the time that the pure one takes: this is most of what a refresh costs.
    Es256(EcdsaKeyPair),
    EdDsa(Box<Ed25519KeyPair>),
    /// Private-key work of RSA is for aws-lc alone: the pure one is open to timing attacks (RUSTSEC-2023-0071).
    Rs256(Box<RsaKeyPair>),
}

enum Public {
    Es256(ES256PublicKey),
    EdDsa(Ed25519PublicKey),
    Rs256(Box<RS256PublicKey>),
}

// === impl Pair ===

impl Pair {
    /// A fresh pair; the second value is its private key, to be sealed.
    pub(super) fn generate(algorithm: SigningAlgorithm) -> Result<(Self, Zeroizing<Vec<u8>>), KeyError> {
        let bytes = match algorithm {
            SigningAlgorithm::Es256 => ES256KeyPair::generate().to_bytes(),
            SigningAlgorithm::EdDsa => Ed25519KeyPair::generate().to_bytes(),
            SigningAlgorithm::Rs256 => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError::Generation)?;
                pair.as_der().map_err(|_| KeyError::Generation)?.as_ref().to_vec()
            }
        };
        let bytes = Zeroizing::new(bytes);
        Ok((Self::from_bytes(algorithm, &bytes)?, bytes))
    }

    /// A pair from its private key.
    pub(super) fn from_bytes(algorithm: SigningAlgorithm, bytes: &[u8]) -> Result<Self, KeyError> {
        let malformed = || KeyError::Malformed("a key cannot be parsed");
        let (secret, public) = match algorithm {
            SigningAlgorithm::Es256 => {
                let public = ES256KeyPair::from_bytes(bytes).map_err(|_| malformed())?.public_key();
                let point = public.public_key().to_bytes_uncompressed();
                let kind = &ECDSA_P256_SHA256_FIXED_SIGNING;
                let pair = EcdsaKeyPair::from_private_key_and_public_key(kind, bytes, &point);
                (Secret::Es256(pair.map_err(|_| malformed())?), Public::Es256(public))
            }
            SigningAlgorithm::EdDsa => {
                let pair = Ed25519KeyPair::from_bytes(bytes).map_err(|_| malformed())?;
                let public = Public::EdDsa(pair.public_key());
                (Secret::EdDsa(Box::new(pair)), public)
            }
            SigningAlgorithm::Rs256 => {
                let pair = RsaKeyPair::from_pkcs8(bytes).map_err(|_| malformed())?;
                let public = RS256PublicKey::from_der(pair.public_key().as_ref()).map_err(|_| malformed())?;
                (Secret::Rs256(Box::new(pair)), Public::Rs256(Box::new(public)))
            }
        };
        let kid = public.thumbprint();
        Ok(Self { secret: secret.with_kid(&kid), public: public.with_kid(&kid), kid })
    }

    /// RFC 7638 thumbprint.
    pub(super) fn kid(&self) -> &str {
        &self.kid
    }

    /// The public key (RFC 7517), with `alg`, `use` and `kid`.
    pub(super) fn jwk(&self) -> Result<Value, KeyError> {
        let text = match &self.public {
            Public::Es256(key) => key.to_jwk(),
            Public::EdDsa(key) => key.to_jwk(),
            Public::Rs256(key) => key.to_jwk(),
        };
        serde_json::from_str(&text).map_err(|_| KeyError::Malformed("a key has no JWK"))
    }

    /// Signs a JWT of this type.
    pub(super) fn sign<C: Serialize + DeserializeOwned>(
        &self,
        typ: &str,
        claims: JWTClaims<C>,
    ) -> Result<String, KeyError> {
        let options = HeaderOptions { signature_type: Some(typ.to_owned()), ..HeaderOptions::default() };
        match &self.secret {
            Secret::Es256(pair) => compact(SigningAlgorithm::Es256, &self.kid, typ, &claims, |signed| {
                let signature = pair.sign(&SystemRandom::new(), signed).map_err(|_| KeyError::Signing)?;
                Ok(signature.as_ref().to_vec())
            }),
            Secret::EdDsa(pair) => pair.sign_with_options(claims, &options).map_err(|_| KeyError::Signing),
            Secret::Rs256(pair) => compact(SigningAlgorithm::Rs256, &self.kid, typ, &claims, |signed| {
                let mut signature = vec![0; pair.public_modulus_len()];
                let signing = pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed, &mut signature);
                signing.map(|()| signature).map_err(|_| KeyError::Signing)
            }),
        }
    }

    /// The claims of a JWT that this key signed.
    pub(super) fn verify<C: DeserializeOwned>(
        &self,
        token: &str,
        options: VerificationOptions,
    ) -> Option<JWTClaims<C>> {
        match &self.public {
            Public::Es256(key) => key.verify_token(token, Some(options)).ok(),
            Public::EdDsa(key) => key.verify_token(token, Some(options)).ok(),
            Public::Rs256(key) => key.verify_token(token, Some(options)).ok(),
        }
    }
}

// === impl Secret ===

impl Secret {
    fn with_kid(self, kid: &str) -> Self {
        match self {
            Self::EdDsa(pair) => Self::EdDsa(Box::new(pair.with_key_id(kid))),
            other => other,
        }
    }
}

// === impl Public ===

impl Public {
    fn with_kid(self, kid: &str) -> Self {
        match self {
            Self::Es256(key) => Self::Es256(key.with_key_id(kid)),
            Self::EdDsa(key) => Self::EdDsa(key.with_key_id(kid)),
            Self::Rs256(key) => Self::Rs256(Box::new(key.with_key_id(kid))),
        }
    }

    fn thumbprint(&self) -> String {
        match self {
            Self::Es256(key) => key.jwk_thumbprint(),
            Self::EdDsa(key) => key.jwk_thumbprint(),
            Self::Rs256(key) => key.jwk_thumbprint(),
        }
    }
}

/// JWS compact serialization (RFC 7515 section 7.1), by hand because jwt-simple would sign with its own keys.
fn compact<C: Serialize>(
    algorithm: SigningAlgorithm,
    kid: &str,
    typ: &str,
    claims: &JWTClaims<C>,
    sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, KeyError>,
) -> Result<String, KeyError> {
    let header = json!({"alg": algorithm.as_str(), "kid": kid, "typ": typ});
    let claims = serde_json::to_vec(claims).map_err(|_| KeyError::Signing)?;
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims));
    let signature = sign(signed.as_bytes())?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}
