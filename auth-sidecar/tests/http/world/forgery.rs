//! JWTs that somebody other than their issuer made, or that are no longer what the issuer made.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwt_simple::prelude::{ECDSAP256PublicKeyLike as _, ES256KeyPair, HS256Key, HeaderOptions, MACLike as _};
use rcgen::{PublicKeyData as _, SigningKey as _};
use serde_json::{Value, json};

use super::upstream::{Claims, Mock, bare, signed};

/// Makes one of the claims of an honest one with this `typ`.
pub(crate) type Forgery = fn(&Mock, &str, Claims) -> String;

/// All of them, whatever the `typ` that would be right.
pub(crate) const FORGERIES: [(&str, Forgery); 14] = [
    ("alg none", |_, typ, claims| by_hand(&json!({"alg": "none", "typ": typ}), &claims, "")),
    ("alg None", |mock, typ, claims| {
        by_hand(&json!({"alg": "None", "typ": typ, "kid": mock.kid}), &claims, "")
    }),
    ("none with a signature", |mock, typ, claims| {
        let signature = signature_of(&signed(&mock.pair, typ, claims.clone()));
        by_hand(&json!({"alg": "none", "typ": typ, "kid": mock.kid}), &claims, &signature)
    }),
    ("HS256 with the public key", |mock, typ, claims| {
        symmetric(mock, mock.public_jwk().to_string().as_bytes(), typ, claims)
    }),
    ("HS256 with the point", |mock, typ, claims| {
        symmetric(mock, &mock.pair.public_key().public_key().to_bytes_uncompressed(), typ, claims)
    }),
    ("another key under the same kid", |mock, typ, claims| {
        signed(&ES256KeyPair::generate().with_key_id(&mock.kid), typ, claims)
    }),
    ("an unknown kid", |mock, typ, claims| {
        let pair = ES256KeyPair::from_bytes(&mock.pair.to_bytes()).unwrap().with_key_id("k2");
        signed(&pair, typ, claims)
    }),
    ("a key that the token brings along", |_, typ, claims| {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let x = URL_SAFE_NO_PAD.encode(pair.der_bytes());
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": x});
        let unsigned = by_hand(&json!({"alg": "EdDSA", "typ": typ, "jwk": jwk}), &claims, "");
        let signature = pair.sign(unsigned.trim_end_matches('.').as_bytes()).unwrap();
        format!("{unsigned}{}", URL_SAFE_NO_PAD.encode(signature))
    }),
    ("an access token's typ", |mock, _, claims| signed(&mock.pair, "at+jwt", claims)),
    ("a logout token's typ", |mock, _, claims| signed(&mock.pair, "logout+jwt", claims)),
    ("a changed payload", |mock, typ, mut claims| {
        let jwt = signed(&mock.pair, typ, claims.clone());
        claims.set("sub", json!("u-2"));
        by_hand(&json!({"alg": "ES256", "typ": typ, "kid": mock.kid}), &claims, &signature_of(&jwt))
    }),
    ("no signature", |mock, typ, claims| {
        by_hand(&json!({"alg": "ES256", "typ": typ, "kid": mock.kid}), &claims, "")
    }),
    ("an empty token", |_, _, _| String::new()),
    ("five parts", |mock, typ, claims| format!("{}.x.y", signed(&mock.pair, typ, claims))),
];

fn symmetric(mock: &Mock, secret: &[u8], typ: &str, claims: Claims) -> String {
    let options = HeaderOptions { signature_type: Some(typ.to_owned()), ..HeaderOptions::default() };
    let key = HS256Key::from_bytes(secret).with_key_id(&mock.kid);
    key.authenticate_with_options(bare(claims), &options).unwrap()
}

fn by_hand(header: &Value, claims: &Claims, signature: &str) -> String {
    let part = |json: String| URL_SAFE_NO_PAD.encode(json);
    format!("{}.{}.{signature}", part(header.to_string()), part(serde_json::to_string(claims).unwrap()))
}

fn signature_of(jwt: &str) -> String {
    jwt.rsplit('.').next().unwrap().to_owned()
}
