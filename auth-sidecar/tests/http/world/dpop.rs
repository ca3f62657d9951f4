//! A key that a client holds, and the proofs that it makes (RFC 9449 section 4.2).

use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RSA_PSS_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::ISSUER;

/// A key pair of a client.
pub(crate) struct Key {
    pub(crate) alg: &'static str,
    pub(crate) jwk: Value,
    pair: Pair,
}

enum Pair {
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

static COUNTER: AtomicU64 = AtomicU64::new(0);

impl Key {
    pub(crate) fn new(alg: &'static str) -> Self {
        let (pair, jwk) = match alg {
            "ES256" => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
                let point = pair.public_key().as_ref().to_vec();
                let jwk =
                    json!({"kty": "EC", "crv": "P-256", "x": b64(&point[1..33]), "y": b64(&point[33..])});
                (Pair::Ec(pair), jwk)
            }
            "EdDSA" => {
                let pair = Ed25519KeyPair::generate().unwrap();
                let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": b64(pair.public_key().as_ref())});
                (Pair::Ed(pair), jwk)
            }
            _ => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
                let der = pair.public_key().as_ref();
                let key = jwt_simple::prelude::RS256PublicKey::from_der(der).unwrap().to_components();
                (Pair::Rsa(pair), json!({"kty": "RSA", "n": b64(&key.n), "e": b64(&key.e)}))
            }
        };
        Self { alg, jwk, pair }
    }

    /// RFC 7638, over the members as they stand here: all are required ones, and serde_json sorts them.
    pub(crate) fn thumbprint(&self) -> String {
        b64(Sha256::digest(self.jwk.to_string()))
    }

    pub(crate) fn header(&self) -> Value {
        json!({"typ": "dpop+jwt", "alg": self.alg, "jwk": self.jwk})
    }

    /// Claims of a proof that was never made before.
    pub(crate) fn claims(path: &str, iat: u64) -> Value {
        let jti = format!("jti-{}", COUNTER.fetch_add(1, Ordering::Relaxed));
        json!({"jti": jti, "htm": "POST", "htu": format!("{ISSUER}{path}"), "iat": iat})
    }

    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
        let random = SystemRandom::new();
        let signature = match &self.pair {
            Pair::Ec(pair) => pair.sign(&random, signed.as_bytes()).unwrap().as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(signed.as_bytes()).as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let algorithm = if self.alg == "RS256" { &RSA_PKCS1_SHA256 } else { &RSA_PSS_SHA256 };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(algorithm, &random, signed.as_bytes(), &mut signature).unwrap();
                signature
            }
        };
        format!("{signed}.{}", b64(signature))
    }

    pub(crate) fn proof(&self, path: &str, iat: u64) -> String {
        self.sign(&self.header(), &Self::claims(path, iat))
    }
}

pub(crate) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
