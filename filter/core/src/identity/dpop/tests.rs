//! Proofs of all kinds for one request with one token. Keys are made up; what is wrong is one thing each.

use base64::Engine as _;
use jwt_simple::prelude::{Ed25519KeyPair, EdDSAKeyPairLike as _, RS256KeyPair};
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use proptest::prelude::*;
use rsa::pkcs8::DecodePrivateKey as _;
use rsa::signature::SignatureEncoding as _;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::identity::issuer::Algorithm;

const NOW: u64 = 1_900_000_000;
const TOKEN: &str = "the.bound.token";
const HTU: &str = "https://gate.example/mcp";

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn now() -> Timestamp {
    Timestamp::from_secs(NOW)
}

/// Signs the text of a proof.
type Sign = Box<dyn Fn(&[u8]) -> Vec<u8>>;

/// A client's key.
struct Holder {
    algorithm: &'static str,
    jwk: Value,
    sign: Sign,
}

impl Holder {
    fn es256(seed: u8) -> Self {
        let key = SigningKey::from_slice(&[seed; 32]).unwrap();
        let point = key.verifying_key().to_sec1_point(false);
        let jwk =
            json!({"kty": "EC", "crv": "P-256", "x": b64(point.x().unwrap()), "y": b64(point.y().unwrap())});
        let sign: Sign = Box::new(move |text| {
            let signature: Signature = key.sign(text);
            signature.to_bytes().to_vec()
        });
        Self { algorithm: "ES256", jwk, sign }
    }

    fn eddsa() -> Self {
        let key = Ed25519KeyPair::generate();
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": b64(key.public_key().to_bytes())});
        let sign: Sign = Box::new(move |text| key.key_pair().as_ref().sk.sign(text, None).as_ref().to_vec());
        Self { algorithm: "EdDSA", jwk, sign }
    }

    fn rs256() -> Self {
        let key = RS256KeyPair::generate(2048).unwrap();
        let parts = key.public_key().to_components();
        let jwk = json!({"kty": "RSA", "n": b64(parts.n), "e": b64(parts.e)});
        let key = rsa::RsaPrivateKey::from_pkcs8_der(&key.to_der().unwrap()).unwrap();
        let key = rsa::pkcs1v15::SigningKey::<Sha256>::new(key);
        let sign: Sign = Box::new(move |text| rsa::signature::Signer::sign(&key, text).to_vec());
        Self { algorithm: "RS256", jwk, sign }
    }

    /// All members are required ones, and `serde_json` sorts them.
    fn thumbprint(&self) -> Thumbprint {
        Thumbprint(Sha256::digest(self.jwk.to_string()).into())
    }

    fn header(&self) -> Value {
        json!({"typ": "dpop+jwt", "alg": self.algorithm, "jwk": self.jwk})
    }

    fn proof(&self, header: &Value, claims: &Value) -> String {
        let text = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
        let signature = (self.sign)(text.as_bytes());
        format!("{text}.{}", b64(signature))
    }

    fn judge(&self, proof: &str) -> Result<Shown, &'static str> {
        self.judge_at(proof, now())
    }

    fn judge_at(&self, proof: &str, now: Timestamp) -> Result<Shown, &'static str> {
        let expected = Expected {
            method: "POST",
            is_target: &|uri| uri == HTU,
            token: TOKEN,
            key: self.thumbprint(),
            max_age: Duration::from_secs(60),
        };
        Proof::new(proof).verify(&expected, &HostSignatures::NONE, now)
    }
}

fn claims() -> Value {
    json!({"jti": "one", "htm": "POST", "htu": HTU, "iat": NOW, "ath": b64(Sha256::digest(TOKEN))})
}

/// `value` with one member put in place of another; null removes it.
fn with(mut value: Value, name: &str, member: Value) -> Value {
    let members = value.as_object_mut().unwrap();
    match member {
        Value::Null => drop(members.remove(name)),
        member => drop(members.insert(name.to_owned(), member)),
    }
    value
}

#[test]
fn the_thumbprint_is_that_of_rfc_7638() {
    let jwk = json!({"kty": "RSA", "alg": "RS256", "kid": "2011-04-29", "e": "AQAB",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"});
    let thumbprint = Thumbprint::of(jwk.as_object().unwrap()).unwrap();
    assert_eq!(Some(thumbprint), Thumbprint::parse("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"));
    assert_eq!(thumbprint.bytes().len(), 32);
    // A value cannot pretend to be two members.
    let two = json!({"kty": "EC", "crv": "P-256", "x": "a\",\"y\":\"b", "y": ""});
    assert_eq!(Thumbprint::of(two.as_object().unwrap()), None);
}

#[test]
fn a_proof_of_each_kind_of_key_holds_for_its_request_alone() {
    let holders = [Holder::es256(1), Holder::eddsa(), Holder::rs256()];
    let proofs: Vec<_> = holders.iter().map(|holder| holder.proof(&holder.header(), &claims())).collect();
    for (holder, proof) in holders.iter().zip(&proofs) {
        let until = Timestamp::from_secs(NOW + 60);
        let shown = Shown { key: holder.thumbprint(), id: "one".into(), until };
        assert_eq!(holder.judge(proof), Ok(shown), "{}", holder.algorithm);
        for other in proofs.iter().filter(|other| *other != proof) {
            assert_eq!(holder.judge(other), Err("proof by another key"), "{}", holder.algorithm);
            let (text, _) = proof.rsplit_once('.').unwrap();
            let (_, signature) = other.rsplit_once('.').unwrap();
            assert_eq!(holder.judge(&format!("{text}.{signature}")), Err("signature of the proof"));
        }
    }
    let mut named: Vec<_> = Algorithm::ALL.map(Algorithm::as_str).to_vec();
    named.sort_unstable();
    assert_eq!(ALGORITHMS, named.join(" "));
}

/// What a lying proof says otherwise: a member of the header, of the key in it, or of the claims.
enum Lie {
    Header(&'static str, Value),
    Key(&'static str, Value),
    Claim(&'static str, Value),
}

#[test]
fn a_proof_that_lies_once_is_refused() {
    use Lie::{Claim, Header, Key};
    let holder = Holder::es256(1);
    let other = Holder::es256(2);
    let cases = [
        ("typ JWT", "typ is not that of a proof", Header("typ", json!("JWT"))),
        ("typ of a token", "typ is not that of a proof", Header("typ", json!("at+jwt"))),
        ("typ in another case", "typ is not that of a proof", Header("typ", json!("DPoP+jwt"))),
        ("no typ", "typ is not that of a proof", Header("typ", Value::Null)),
        ("alg none", "alg is not supported", Header("alg", json!("none"))),
        ("alg HS256", "alg is not supported", Header("alg", json!("HS256"))),
        ("alg ES384", "alg is not supported", Header("alg", json!("ES384"))),
        ("no alg", "alg is not supported", Header("alg", Value::Null)),
        ("alg of another key", "jwk is not a public key of its alg", Header("alg", json!("EdDSA"))),
        ("crit", "crit in header", Header("crit", json!(["b64"]))),
        ("no jwk", "proof without a jwk", Header("jwk", Value::Null)),
        ("kid for jwk", "proof without a jwk", Header("jwk", json!("k1"))),
        ("another's key", "proof by another key", Header("jwk", other.jwk)),
        ("another curve", "proof by another key", Key("crv", json!("P-384"))),
        ("no coordinate", "proof by another key", Key("y", Value::Null)),
        ("a symmetric key", "proof by another key", Key("kty", json!("oct"))),
        ("a private key", "jwk is not a public key of its alg", Key("d", json!("AA"))),
        ("a secret", "jwk is not a public key of its alg", Key("k", json!("AA"))),
        ("a prime", "jwk is not a public key of its alg", Key("p", json!("AA"))),
        ("a key to encrypt", "jwk is not a public key of its alg", Key("use", json!("enc"))),
        ("a key to wrap", "jwk is not a public key of its alg", Key("key_ops", json!(["wrapKey"]))),
        ("a key of another alg", "jwk is not a public key of its alg", Key("alg", json!("RS256"))),
        ("htm GET", "htm is not the verb of the request", Claim("htm", json!("GET"))),
        ("htm in another case", "htm is not the verb of the request", Claim("htm", json!("post"))),
        ("no htm", "htm is not the verb of the request", Claim("htm", Value::Null)),
        (
            "htu of the issuer",
            "htu is not the URL of the server",
            Claim("htu", json!("https://a.example/token")),
        ),
        ("htu a list", "htu is not the URL of the server", Claim("htu", json!([HTU]))),
        ("no htu", "htu is not the URL of the server", Claim("htu", Value::Null)),
        (
            "ath of another token",
            "ath is not that of the token",
            Claim("ath", json!(b64(Sha256::digest("x")))),
        ),
        ("ath the token", "ath is not that of the token", Claim("ath", json!(TOKEN))),
        ("no ath", "ath is not that of the token", Claim("ath", Value::Null)),
        ("no jti", "jti missing, empty or too long", Claim("jti", Value::Null)),
        ("jti empty", "jti missing, empty or too long", Claim("jti", json!(""))),
        ("jti a number", "jti missing, empty or too long", Claim("jti", json!(1))),
        ("jti too long", "jti missing, empty or too long", Claim("jti", json!("j".repeat(513)))),
        ("no iat", "proof without iat", Claim("iat", Value::Null)),
        ("iat a text", "iat is not a number", Claim("iat", json!(NOW.to_string()))),
        ("iat too old", "proof too old", Claim("iat", json!(NOW - 60))),
        ("iat ahead", "proof made in the future", Claim("iat", json!(NOW + 31))),
        ("iat a little further", "proof made in the future", Claim("iat", json!(NOW as f64 + 30.5))),
        ("nbf ahead", "proof made in the future", Claim("nbf", json!(NOW + 31))),
        ("expired", "proof expired", Claim("exp", json!(NOW))),
    ];
    for (what, reason, lie) in cases {
        let (header, claims) = match lie {
            Header(name, value) => (with(holder.header(), name, value), claims()),
            Key(name, value) => {
                let jwk = with(holder.jwk.clone(), name, value);
                (with(holder.header(), "jwk", jwk), claims())
            }
            Claim(name, value) => (holder.header(), with(claims(), name, value)),
        };
        assert_eq!(holder.judge(&holder.proof(&header, &claims)), Err(reason), "{what}");
    }
}

#[test]
fn what_a_proof_may_say_besides_does_no_harm() {
    let holder = Holder::es256(1);
    let key = with(with(holder.jwk.clone(), "kid", json!("k")), "use", json!("sig"));
    let header = with(with(holder.header(), "jwk", key), "jku", json!("https://evil.example"));
    let more = with(with(claims(), "nonce", json!("n")), "exp", json!(NOW + 1));
    for claims in
        [more, with(claims(), "iat", json!(NOW + 30)), with(claims(), "jti", json!("j".repeat(512)))]
    {
        assert!(holder.judge(&holder.proof(&header, &claims)).is_ok(), "{claims}");
    }
    // To the second, and until it is too old for everybody.
    let proof = holder.proof(&holder.header(), &with(claims(), "iat", json!(NOW as f64 + 0.9)));
    assert!(holder.judge_at(&proof, Timestamp::from_secs(NOW + 59)).is_ok());
    assert_eq!(holder.judge_at(&proof, Timestamp::from_secs(NOW + 60)), Err("proof too old"));
    assert_eq!(holder.judge_at(&proof, Timestamp::from_secs(NOW - 30)), Err("proof made in the future"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// House invariant 7; and nothing but the whole proof is enough.
    #[test]
    fn a_changed_proof_is_refused_without_showing_it(at in any::<prop::sample::Index>(), byte in "[A-Za-z0-9_.-]") {
        let holder = Holder::es256(1);
        let good = holder.proof(&holder.header(), &claims());
        let at = at.index(good.len());
        let mut changed = good.clone();
        changed.replace_range(at..=at, &byte);
        prop_assert_eq!(holder.judge(&changed).is_ok(), changed == good);
        let shown = format!("{:?}", Proof::new(&good));
        prop_assert!(!shown.contains(&good[..20]));
    }

    #[test]
    fn no_input_panics(text in "\\PC{0,80}", parts in prop::collection::vec("[A-Za-z0-9_=-]{0,40}", 1..6)) {
        let holder = Holder::es256(1);
        prop_assert!(holder.judge(&text).is_err() && holder.judge(&parts.join(".")).is_err());
    }
}
