//! Tokens of all kinds against one ring. Ed25519 signs raw text, so that any header and payload can be made; the other
//! algorithms sign through the library.

use std::sync::OnceLock;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwt_simple::prelude::*;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Expected, Fault, Verified, verify};
use crate::callout::Destination;
use crate::denial::Denial;
use crate::identity::issuer::{Algorithm, ClaimNames, Issuer, JwksSource, TokenType};
use crate::identity::jwks::KeySet;
use crate::identity::key_ring::KeyRing;
use crate::time::Timestamp;

const ISSUER: &str = "http://127.0.0.1:8080";
const AUDIENCE: &str = "http://127.0.0.1:8080/mcp";
const NOW: u64 = 1_790_000_000;
const TYPED: &str = r#"{"alg":"EdDSA","typ":"at+jwt","kid":"ed"}"#;

mod malicious;

/// The world of a test: one issuer that publishes an Ed25519, a P-256 and an RSA key.
struct World {
    ed: Ed25519KeyPair,
    ec: ES256KeyPair,
    rsa: RS256KeyPair,
    issuers: Vec<Issuer>,
    ring: KeyRing,
}

fn issuer(name: &str) -> Issuer {
    Issuer {
        validate: None,
        revocations: None,
        issuer: name.into(),
        algorithms: Algorithm::ALL.to_vec(),
        skew: Duration::from_secs(30),
        jwks: JwksSource {
            at: Destination {
                cluster: "auth".into(),
                authority: "auth".into(),
                path: "/v1/jwks".into(),
                timeout: Duration::from_secs(5),
            },
            refresh: Duration::from_secs(300),
            max_stale: Duration::from_secs(3600),
        },
        claims: ClaimNames::default(),
        token_type: TokenType::AccessToken,
    }
}

impl World {
    fn shared() -> &'static Self {
        static WORLD: OnceLock<World> = OnceLock::new();
        WORLD.get_or_init(Self::new)
    }

    fn new() -> Self {
        let ed = Ed25519KeyPair::generate().with_key_id("ed");
        let ec = ES256KeyPair::generate().with_key_id("ec");
        let rsa = RS256KeyPair::generate(2048).unwrap().with_key_id("rsa");
        let mut rsa_jwk: Value = serde_json::from_str(&rsa.public_key().to_jwk()).unwrap();
        rsa_jwk.as_object_mut().unwrap().remove("alg");
        let keys =
            format!(r#"{{"keys":[{},{},{rsa_jwk}]}}"#, ed.public_key().to_jwk(), ec.public_key().to_jwk());
        let issuers = vec![issuer("https://other.example"), issuer(ISSUER)];
        let mut ring = KeyRing::new(&issuers);
        ring.set(
            1,
            KeySet::parse(keys.as_bytes()).unwrap(),
            Timestamp::from_secs(NOW),
            Timestamp::from_secs(NOW),
        );
        Self { ed, ec, rsa, issuers, ring }
    }

    fn verify(&self, token: &str) -> Result<Verified, Fault> {
        self.verify_at(token, NOW)
    }

    fn verify_at(&self, token: &str, now: u64) -> Result<Verified, Fault> {
        let expected = Expected { issuers: &self.issuers, accepted: &[0, 1], audience: AUDIENCE };
        verify(token, &expected, &self.ring, Timestamp::from_secs(now))
    }

    fn sign(&self, header: &str, payload: &str) -> String {
        raw(&self.ed, header, payload)
    }
}

fn raw(key: &Ed25519KeyPair, header: &str, payload: &str) -> String {
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = key.key_pair().as_ref().sk.sign(text.as_bytes(), None);
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
}

fn claims() -> Value {
    json!({"iss": ISSUER, "sub": "alice", "aud": AUDIENCE, "exp": NOW + 600, "iat": NOW, "jti": "j1",
        "client_id": "cli", "scope": "mcp:write mcp:read", "groups": ["eng"], "roles": ["operator"], "org": "acme",
        "grant_id": "g1", "auth_time": NOW})
}

/// The usual claims with one put in place of another; `null` removes it.
fn with(name: &str, value: Value) -> String {
    let mut claims = claims();
    match value {
        Value::Null => claims.as_object_mut().unwrap().remove(name),
        value => claims.as_object_mut().unwrap().insert(name.into(), value),
    };
    claims.to_string()
}

fn library_claims() -> JWTClaims<NoCustomClaims> {
    let at = |secs| Some(UnixTimeStamp::from_secs(secs));
    let mut claims = Claims::create(jwt_simple::prelude::Duration::from_secs(600));
    (claims.issued_at, claims.invalid_before, claims.expires_at) = (at(NOW), None, at(NOW + 600));
    claims.with_issuer(ISSUER).with_subject("alice").with_audience(AUDIENCE)
}

fn at_jwt() -> HeaderOptions {
    HeaderOptions { signature_type: Some("at+jwt".into()), ..HeaderOptions::default() }
}

#[test]
fn an_access_token_gives_its_identity() {
    let world = World::shared();
    let verified = world.verify(&world.sign(TYPED, &claims().to_string())).unwrap();
    assert_eq!(verified.issuer, 1);
    let identity = verified.identity;
    assert_eq!((identity.issuer.as_str(), identity.subject.as_str()), (ISSUER, "alice"));
    assert_eq!(identity.client.as_deref(), Some("cli"));
    assert_eq!(identity.scopes, ["mcp:read", "mcp:write"]);
    assert_eq!((&identity.groups, &identity.roles), (&vec!["eng".to_owned()], &vec!["operator".to_owned()]));
    assert_eq!((identity.organization.as_deref(), identity.grant.as_deref()), (Some("acme"), Some("g1")));
    assert_eq!(identity.expires, Timestamp::from_secs(NOW + 600));
}

#[test]
fn each_algorithm_verifies_and_is_bound_to_its_key() {
    let world = World::shared();
    let ps = PS256KeyPair::from_der(&world.rsa.to_der().unwrap()).unwrap().with_key_id("rsa");
    let tokens = [
        world.ed.sign_with_options(library_claims(), &at_jwt()).unwrap(),
        world.ec.sign_with_options(library_claims(), &at_jwt()).unwrap(),
        world.rsa.sign_with_options(library_claims(), &at_jwt()).unwrap(),
        ps.sign_with_options(library_claims(), &at_jwt()).unwrap(),
    ];
    for token in &tokens {
        assert!(world.verify(token).is_ok(), "{:?}", world.verify(token));
        let (text, _) = token.rsplit_once('.').unwrap();
        let (_, other) = tokens.iter().find(|t| *t != token).unwrap().rsplit_once('.').unwrap();
        assert_eq!(world.verify(&format!("{text}.{other}")), Err(Fault::Invalid("signature")));
    }
}

#[test]
fn leeway_is_granted_to_the_second_and_never_above_a_minute() {
    let world = World::shared();
    let token = world.sign(TYPED, &with("nbf", json!(NOW)));
    for (now, good) in [(NOW - 31, false), (NOW - 30, true), (NOW + 629, true), (NOW + 630, false)] {
        assert_eq!(world.verify_at(&token, now).is_ok(), good, "{now}");
    }
    let mut lax = World { ring: world.ring.clone(), ..World::new() };
    lax.issuers[1].skew = Duration::from_secs(86_400);
    assert!(matches!(lax.verify_at(&token, NOW + 660), Err(Fault::Invalid("expired"))));
    assert!(lax.verify_at(&token, NOW + 659).is_ok());
    // Fractions round so that they never lengthen a life.
    let fraction = world.sign(TYPED, &with("exp", json!(NOW as f64 + 0.9)));
    assert!(world.verify_at(&fraction, NOW + 29).is_ok() && world.verify_at(&fraction, NOW + 30).is_err());
}

#[test]
fn issuers_algorithms_and_types_are_those_configured() {
    let mut world = World::new();
    let token = world.sign(TYPED, &claims().to_string());
    let expected = |accepted| Expected { issuers: &world.issuers, accepted, audience: AUDIENCE };
    let now = Timestamp::from_secs(NOW);
    assert!(verify(&token, &expected(&[1]), &world.ring, now).is_ok());
    for accepted in [&[0][..], &[], &[7]] {
        assert_eq!(
            verify(&token, &expected(accepted), &world.ring, now),
            Err(Fault::Invalid("iss is not accepted here"))
        );
    }
    let plain: Vec<String> = [r#"{"alg":"EdDSA","kid":"ed"}"#, r#"{"alg":"EdDSA","typ":"JWT","kid":"ed"}"#]
        .iter()
        .map(|header| world.sign(header, &claims().to_string()))
        .collect();
    let other = world.sign(r#"{"alg":"EdDSA","typ":"logout+jwt","kid":"ed"}"#, &claims().to_string());
    let qualified =
        world.sign(r#"{"alg":"EdDSA","typ":"Application/AT+JWT","kid":"ed"}"#, &claims().to_string());
    assert!(plain.iter().all(|t| world.verify(t).is_err()) && world.verify(&qualified).is_ok());
    world.issuers[1].token_type = TokenType::PlainJwt;
    assert!(plain.iter().all(|t| world.verify(t).is_ok()) && world.verify(&token).is_ok());
    assert!(world.verify(&other).is_err());
    world.issuers[1].algorithms = vec![Algorithm::Es256];
    assert_eq!(world.verify(&token), Err(Fault::Invalid("alg is not of this issuer")));
}

#[test]
fn keys_are_asked_for_only_when_everything_else_holds() {
    let mut world = World::new();
    let token = world.sign(TYPED, &claims().to_string());
    let unknown = world.sign(r#"{"alg":"EdDSA","typ":"at+jwt","kid":"next"}"#, &claims().to_string());
    assert!(matches!(world.verify(&unknown), Err(Fault::Invalid(_))), "just fetched: it does not exist");
    assert_eq!(world.verify_at(&unknown, NOW + 10), Err(Fault::NeedKeys { issuer: 1 }));
    world.ring = KeyRing::new(&world.issuers);
    assert_eq!(world.verify(&token), Err(Fault::NeedKeys { issuer: 1 }));
    assert!(matches!(world.verify(&world.sign(TYPED, &with("aud", json!("x")))), Err(Fault::Invalid(_))));
    assert_eq!(Denial::from(Fault::NeedKeys { issuer: 1 }), Denial::Unavailable("signing keys"));
    assert_eq!(Denial::from(Fault::Invalid("x")), Denial::InvalidCredential("x"));
}

#[test]
fn an_audience_list_and_foreign_headers_do_no_harm() {
    let world = World::shared();
    let header =
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"ed","jku":"https://evil.example","x5t":"a","x5c":["AAAA"]}"#;
    assert!(world.verify(&world.sign(header, &with("aud", json!(["x", AUDIENCE])))).is_ok());
    let without_kid = r#"{"alg":"EdDSA","typ":"at+jwt"}"#;
    assert!(
        world.verify(&world.sign(without_kid, &claims().to_string())).is_ok(),
        "the set has one such key"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// House invariant 7; and nothing but the whole signature is enough.
    #[test]
    fn a_changed_token_is_refused_without_showing_it(secret in "[A-Za-z0-9]{24,40}", at in any::<proptest::sample::Index>(),
            byte in "[A-Za-z0-9_.-]") {
        let world = World::shared();
        let token = world.sign(TYPED, &with("jti", json!(secret)));
        let verified = world.verify(&token).unwrap();
        let shown = format!("{verified:?}");
        prop_assert!(!shown.contains(&secret) && !shown.contains(&token));
        let at = at.index(token.len());
        let mut changed = token.clone();
        changed.replace_range(at..=at, &byte);
        if changed != token {
            let fault = world.verify(&changed).unwrap_err();
            let shown = format!("{fault:?} {:?}", Denial::from(fault));
            prop_assert!(!shown.contains(&secret) && !shown.contains(&changed));
        }
    }

    #[test]
    fn no_input_panics(token in "\\PC{0,80}", parts in proptest::collection::vec("[A-Za-z0-9_=-]{0,40}", 1..6)) {
        let world = World::shared();
        prop_assert!(world.verify(&token).is_err());
        prop_assert!(world.verify(&parts.join(".")).is_err());
    }
}
