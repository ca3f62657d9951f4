use base64::Engine as _;
use jwt_simple::prelude::*;
use serde_json::{Value, json};

use super::{KeySet, Pick};
use crate::identity::issuer::Algorithm;

fn ed(kid: &str) -> Value {
    serde_json::from_str(&Ed25519KeyPair::generate().with_key_id(kid).public_key().to_jwk()).unwrap()
}

fn ec(kid: &str) -> Value {
    serde_json::from_str(&ES256KeyPair::generate().with_key_id(kid).public_key().to_jwk()).unwrap()
}

/// A public RSA key of that many bits: any odd modulus will do, nobody signs with it.
fn rsa(bits: usize) -> Value {
    let mut n = vec![0xff; bits / 8];
    n[0] = 0x80;
    json!({"kty": "RSA", "kid": "r", "n": super::URL_SAFE_NO_PAD.encode(n), "e": "AQAB"})
}

fn parse(keys: &[Value]) -> KeySet {
    KeySet::parse(json!({"keys": keys}).to_string().as_bytes()).unwrap()
}

fn with(mut key: Value, name: &str, value: Value) -> Value {
    key.as_object_mut().unwrap().insert(name.into(), value);
    key
}

#[test]
fn keys_are_picked_by_kid_and_algorithm() {
    let set = parse(&[ed("a"), ec("a"), ec("b"), with(rsa(2048), "use", json!("sig"))]);
    let picks = |kid, algorithm| match set.pick(kid, algorithm) {
        Pick::One(key) => {
            assert_eq!(key.algorithm(), algorithm);
            "one"
        }
        Pick::Nothing => "nothing",
        Pick::Several => "several",
    };
    assert_eq!(picks(Some("a"), Algorithm::EdDsa), "one");
    assert_eq!(picks(Some("a"), Algorithm::Es256), "one");
    assert_eq!(picks(Some("a"), Algorithm::Rs256), "nothing");
    assert_eq!(picks(Some("A"), Algorithm::EdDsa), "nothing");
    assert_eq!(picks(Some(""), Algorithm::EdDsa), "nothing");
    assert_eq!(picks(None, Algorithm::EdDsa), "one");
    assert_eq!(picks(None, Algorithm::Es256), "several");
    // An RSA key without alg serves both.
    assert_eq!((picks(Some("r"), Algorithm::Rs256), picks(Some("r"), Algorithm::Ps256)), ("one", "one"));
    assert_eq!(set.len(), 5);
}

#[test]
fn one_name_for_two_keys_names_neither() {
    let set = parse(&[ec("a"), ec("a"), ec("b")]);
    assert!(matches!(set.pick(Some("a"), Algorithm::Es256), Pick::Several));
    assert!(matches!(set.pick(Some("b"), Algorithm::Es256), Pick::One(_)));
}

#[test]
fn keys_that_cannot_serve_are_skipped_and_the_rest_stays() {
    let unusable = [
        json!({"kty": "oct", "k": "c2VjcmV0", "kid": "x"}),
        with(ec("x"), "use", json!("enc")),
        with(ec("x"), "use", json!(1)),
        with(ec("x"), "key_ops", json!(["sign"])),
        with(ec("x"), "key_ops", json!("verify")),
        with(ec("x"), "alg", json!("ES384")),
        with(ec("x"), "alg", json!("none")),
        with(ec("x"), "alg", json!("EdDSA")),
        with(ec("x"), "alg", Value::Null),
        with(ec("x"), "crv", json!("P-384")),
        with(ec("x"), "kty", json!("RSA")),
        with(ec("x"), "x", json!("AAAA")),
        with(ec("x"), "y", ec("y")["y"].clone()),
        with(ec("x"), "y", json!(1)),
        with(ec("x"), "kid", json!(7)),
        with(ec("x"), "kid", json!("k".repeat(257))),
        with(ec("x"), "d", json!("AAAA")),
        with(ed("x"), "crv", json!("X25519")),
        with(ed("x"), "x", json!(super::URL_SAFE_NO_PAD.encode([0; 32]))),
        rsa(1024),
        rsa(2040),
        rsa(8192),
        with(rsa(2048), "e", json!("AQ")),
        with(rsa(2048), "e", json!("Aw")),
        with(rsa(2048), "n", json!("")),
        with(rsa(2048), "alg", json!("RS512")),
        json!({}),
        json!("x"),
        Value::Null,
    ];
    for key in unusable {
        let set = parse(&[key.clone(), ed("good")]);
        assert_eq!(set.len(), 1, "{key}");
        assert!(matches!(set.pick(Some("good"), Algorithm::EdDsa), Pick::One(_)));
    }
    let chain = with(ec("x"), "x5c", json!(["A".repeat(20_000)]));
    assert_eq!(parse(&[chain, with(ec("y"), "key_ops", json!(["verify"]))]).len(), 2);
}

#[test]
fn a_document_that_is_no_key_set_is_an_error() {
    for bad in [
        "",
        "{}",
        "[]",
        r#"{"keys":{}}"#,
        r#"{"keys":null}"#,
        r#"{"keys":[],"keys":[]}"#,
        "<html>",
        r#"{"keys":[{"kty":"EC","kty":"RSA"}]}"#,
        r#"{"keys":[]} {}"#,
    ] {
        assert!(KeySet::parse(bad.as_bytes()).is_err(), "{bad}");
    }
    assert!(KeySet::parse(r#"{"keys":[]}"#.as_bytes()).unwrap().is_empty(), "all keys may be withdrawn");
    let many: Vec<Value> = (0..65).map(|_| json!({})).collect();
    assert!(KeySet::parse(json!({"keys": many}).to_string().as_bytes()).is_err());
    let large = format!(r#"{{"keys":[],"x":"{}"}}"#, "x".repeat(KeySet::MAX_BYTES));
    assert!(KeySet::parse(large.as_bytes()).is_err());
}

#[test]
fn a_key_is_known_by_its_material() {
    let (a, b) = (ec("a"), ec("a"));
    let mark = |set: &KeySet| match set.pick(Some("a"), Algorithm::Es256) {
        Pick::One(key) => key.mark(),
        _ => unreachable!(),
    };
    let (first, second) = (parse(std::slice::from_ref(&a)), parse(&[b]));
    assert!(first.has(mark(&first)) && !second.has(mark(&first)));
    assert!(parse(&[ed("e"), a]).has(mark(&first)));
}

#[test]
fn the_host_gets_the_keys_it_can_use() {
    let key = ES256KeyPair::generate();
    let set = parse(&[serde_json::from_str(&key.public_key().to_jwk()).unwrap(), ed("e"), rsa(2048)]);
    let der = |algorithm| match set.pick(None, algorithm) {
        Pick::One(key) => key.spki_der().map(<[u8]>::to_vec),
        _ => unreachable!(),
    };
    assert_eq!(der(Algorithm::Es256), Some(key.public_key().to_der().unwrap()));
    // SEQUENCE { SEQUENCE { rsaEncryption, NULL }, BIT STRING }: a SubjectPublicKeyInfo, not a bare RSAPublicKey.
    let spki = der(Algorithm::Rs256).unwrap();
    assert_eq!(spki[4..19], [0x30, 0x0d, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0]);
    assert_eq!(der(Algorithm::EdDsa), None);
}
