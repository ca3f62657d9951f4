//! Keys as issuers publish them, and what they sign.

use jwt_simple::prelude::*;
use serde_json::{Value, json};

/// The public half, with its required members alone.
pub fn jwk(key: &ES256KeyPair) -> Value {
    let point = key.public_key().public_key().to_bytes_uncompressed();
    json!({"kty": "EC", "crv": "P-256", "x": b64(&point[1..33]), "y": b64(&point[33..65])})
}

/// A JWS of this header and these claims.
pub fn signed(key: &ES256KeyPair, head: &Value, claims: &Value) -> String {
    let text = format!("{}.{}", b64(head.to_string()), b64(claims.to_string()));
    let signature = sign(key, text.as_bytes());
    format!("{text}.{}", b64(signature))
}

pub fn b64(bytes: impl AsRef<[u8]>) -> String {
    Base64UrlSafeNoPadding::encode_to_string(bytes).unwrap()
}

/// ES256 over raw bytes; jwt-simple signs whole tokens only, so the key is used through its p256 form.
fn sign(key: &ES256KeyPair, message: &[u8]) -> Vec<u8> {
    use p256::ecdsa::signature::Signer;
    let secret = p256::ecdsa::SigningKey::from_slice(&key.to_bytes()).unwrap();
    let signature: p256::ecdsa::Signature = secret.sign(message);
    signature.to_bytes().to_vec()
}
