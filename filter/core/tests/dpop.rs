//! Tokens that are bound to a key (RFC 9449): good with a proof of this request, used once, and with nothing else.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail that way"
)]

mod world;

use std::time::Duration;

use jwt_simple::prelude::ES256KeyPair;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use wicketgate_core::exchange::step::Event;
use wicketgate_core::limits::used_proofs;
use world::{Driven, Gate, ISSUER, RESOURCE, b64, call};

/// A client with a key of its own.
struct Client {
    key: ES256KeyPair,
    made: u64,
}

impl Client {
    fn new() -> Self {
        Self { key: ES256KeyPair::generate(), made: 0 }
    }

    /// `cnf` of a token that is bound to the key.
    fn confirmation(&self) -> Value {
        json!({"cnf": {"jkt": b64(Sha256::digest(world::jwk(&self.key).to_string()))}})
    }

    /// One that was never made before.
    fn proof(&mut self, gate: &Gate, token: &str, change: impl FnOnce(&mut Value)) -> String {
        self.made += 1;
        let mut claims = json!({"jti": format!("proof {}", self.made), "htm": "POST", "htu": RESOURCE,
            "iat": gate.now.as_secs(), "ath": b64(Sha256::digest(token))});
        change(&mut claims);
        let head = json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": world::jwk(&self.key)});
        world::signed(&self.key, &head, &claims)
    }
}

fn rules() -> Value {
    json!([{"id": "read", "allow": {"who": {"scopes": ["mcp:read"]}, "tools": ["search_*"]}}])
}

/// A gate whose server says this of bound tokens.
fn gate(dpop: &Value) -> Gate {
    let mut configuration = world::configuration(&rules());
    configuration["servers"][0]["dpop"] = dpop.clone();
    configuration["issuers"][0]["validate"] = json!({"cluster": "auth", "path": "/v1/validate"});
    Gate::new(&configuration)
}

fn send(gate: &mut Gate, scheme: &str, token: &str, proofs: &[&str]) -> Driven {
    let authorization = format!("{scheme} {token}");
    let mut headers = vec![("authorization", authorization.as_str())];
    headers.extend(proofs.iter().map(|proof| ("dpop", *proof)));
    gate.post_raw(&headers, call("search_x").to_string().as_bytes())
}

/// A call with a proof that was never used.
fn shows(gate: &mut Gate, client: &mut Client, token: &str) -> Driven {
    let proof = client.proof(gate, token, |_| {});
    send(gate, "DPoP", token, &[&proof])
}

fn refusal(driven: &Driven) -> (Option<u16>, &str, &str) {
    assert!(driven.upstream.is_none());
    let text = |name: &str| driven.decisions[0][name].as_str().unwrap_or_default();
    (driven.status(), text("reason"), text("detail"))
}

#[test]
fn a_bound_token_passes_with_a_proof_of_each_request() {
    let (mut gate, mut client) = (gate(&json!({})), Client::new());
    let token = gate.token(&client.confirmation());
    for remembered in [false, true, true] {
        let driven = shows(&mut gate, &mut client, &token);
        assert!(driven.upstream.is_some(), "{:?}", driven.decisions);
        assert_eq!(driven.tokens_remembered, [remembered]);
        assert_eq!(driven.decisions[0]["principal"]["bound"], true);
        assert_eq!(driven.removed_request_headers, ["authorization", "dpop"]);
    }
    let bearer = gate.token(&json!({}));
    let driven = send(&mut gate, "Bearer", &bearer, &["what nobody reads"]);
    assert!(driven.upstream.is_some(), "{:?}", driven.decisions);
    assert_eq!(driven.decisions[0]["principal"]["bound"], false);
    assert_eq!(driven.removed_request_headers, ["authorization", "dpop"]);
}

#[test]
fn a_token_is_shown_as_it_was_issued_or_not_at_all() {
    for remembered in [false, true] {
        let (mut gate, mut client) = (gate(&json!({})), Client::new());
        let (bound, bearer) = (gate.token(&client.confirmation()), gate.token(&json!({})));
        if remembered {
            assert!(shows(&mut gate, &mut client, &bound).upstream.is_some());
            assert!(send(&mut gate, "Bearer", &bearer, &[]).upstream.is_some());
        }
        let proofs = [&bound, &bearer].map(|token| client.proof(&gate, token, |_| {}));
        let invalid = |what| (Some(401), "invalid_credential", what);
        let downgraded = send(&mut gate, "Bearer", &bound, &[&proofs[0]]);
        assert_eq!(refusal(&downgraded), invalid("a bound token presented as bearer"));
        let challenge = downgraded.reply_header("www-authenticate").unwrap();
        assert!(challenge.starts_with("DPoP error=\"invalid_token\""), "{challenge}");
        assert!(challenge.ends_with("algs=\"ES256 EdDSA PS256 RS256\""), "{challenge}");
        let upgraded = send(&mut gate, "DPoP", &bearer, &[&proofs[1]]);
        assert_eq!(refusal(&upgraded), invalid("a bearer token presented with a proof"));
        assert_eq!(upgraded.decisions[0]["principal"], Value::Null, "nobody has proved to be anybody");
        let certificate =
            gate.token(&json!({"cnf": {"x5t#S256": "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"}}));
        for scheme in ["Bearer", "DPoP"] {
            let refused = send(&mut gate, scheme, &certificate, &[&proofs[0]]);
            assert_eq!(refusal(&refused), invalid("bound in a way that is not known here"));
        }
        assert!(shows(&mut gate, &mut client, &bound).upstream.is_some(), "the owner is not held up");
    }
}

#[test]
fn a_proof_that_does_not_hold_is_refused_by_its_own_scheme() {
    let (mut gate, mut client) = (gate(&json!({})), Client::new());
    let token = gate.token(&client.confirmation());
    let mut stranger = Client::new();
    let made = |gate: &Gate, client: &mut Client, name: &'static str, value: Value| {
        client.proof(gate, &token, |claims| claims[name] = value)
    };
    let used = client.proof(&gate, &token, |_| {});
    assert!(send(&mut gate, "DPoP", &token, &[&used]).upstream.is_some());
    let good = client.proof(&gate, &token, |_| {});
    let other = client.proof(&gate, &token, |_| {});
    let ((text, _), (_, signature)) = (good.rsplit_once('.').unwrap(), other.rsplit_once('.').unwrap());
    let cases = [
        ("no DPoP header", vec![]),
        ("DPoP header repeated", vec![good.clone(), good.clone()]),
        ("proof by another key", vec![stranger.proof(&gate, &token, |_| {})]),
        ("proof used before", vec![used]),
        (
            "htu is not the URL of the server",
            vec![made(&gate, &mut client, "htu", json!("https://gate.example/other"))],
        ),
        ("htm is not the verb of the request", vec![made(&gate, &mut client, "htm", json!("GET"))]),
        ("proof too old", vec![made(&gate, &mut client, "iat", json!(gate.now.as_secs() - 60))]),
        ("ath is not that of the token", vec![made(&gate, &mut client, "ath", json!("x"))]),
        ("signature of the proof", vec![format!("{text}.{signature}")]),
    ];
    for (what, proofs) in cases {
        let proofs: Vec<&str> = proofs.iter().map(String::as_str).collect();
        let driven = send(&mut gate, "DPoP", &token, &proofs);
        assert_eq!(refusal(&driven), (Some(401), "invalid_proof", what));
        assert_eq!(driven.counts, ["invalid_proof"], "{what}");
        let challenge = driven.reply_header("www-authenticate").unwrap();
        let metadata = "resource_metadata=\"https://gate.example/.well-known/oauth-protected-resource/mcp\"";
        assert!(challenge.starts_with("DPoP error=\"invalid_dpop_proof\""), "{what}: {challenge}");
        assert!(challenge.contains(metadata) && challenge.contains("algs=\""), "{what}: {challenge}");
        assert_eq!(driven.replies[0].2, br#"{"error":"invalid_dpop_proof"}"#);
    }
    let anywhere = made(&gate, &mut client, "htu", json!("HTTPS://gate.example:443/mcp?x=1#y"));
    assert!(send(&mut gate, "DPoP", &token, &[&anywhere]).upstream.is_some(), "the same URL");
}

#[test]
fn a_token_that_its_issuer_vouches_for_is_bound_as_well() {
    let (mut gate, mut client) = (gate(&json!({})), Client::new());
    let mut answer = json!({"active": true, "token_type": "DPoP", "iss": ISSUER, "sub": "alice", "aud": RESOURCE,
        "exp": gate.now.as_secs() + 3600, "client_id": "c", "scope": "mcp:read"});
    answer["cnf"] = client.confirmation()["cnf"].clone();
    let answer = answer.to_string();
    let proof = client.proof(&gate, "opaque", |_| {});
    let mut driven = send(&mut gate, "DPoP", "opaque", &[&proof]);
    assert_eq!(driven.questions, [json!({"token": "opaque", "resource": RESOURCE})]);
    driven.feed(&mut gate, Event::Validated(Some(answer.as_bytes())));
    assert!(driven.upstream.is_some(), "{:?}", driven.decisions);
    assert_eq!(driven.decisions[0]["principal"]["bound"], true);
    let again = send(&mut gate, "DPoP", "opaque", &[&proof]);
    assert_eq!(refusal(&again), (Some(401), "invalid_proof", "proof used before"));
    assert!(shows(&mut gate, &mut client, "opaque").questions.is_empty(), "the token is remembered");
    let mut bearer = send(&mut gate, "Bearer", "another", &[]);
    bearer.feed(&mut gate, Event::Validated(Some(answer.as_bytes())));
    assert_eq!(refusal(&bearer).2, "a bound token presented as bearer");
}

#[test]
fn a_server_takes_the_tokens_that_it_says() {
    for (tokens, bearer, bound) in
        [("accepted", true, true), ("required", false, true), ("refused", true, false)]
    {
        let (mut gate, mut client) = (gate(&json!({"tokens": tokens})), Client::new());
        let token = gate.token(&json!({}));
        assert_eq!(send(&mut gate, "Bearer", &token, &[]).upstream.is_some(), bearer, "{tokens}");
        let token = gate.token(&client.confirmation());
        assert_eq!(shows(&mut gate, &mut client, &token).upstream.is_some(), bound, "{tokens}");
        assert!(send(&mut gate, "Bearer", &token, &[]).upstream.is_none(), "{tokens}");
        let asked = gate.post_raw(&[], call("search_x").to_string().as_bytes());
        let challenges = asked.replies[0].1.iter().filter(|(name, _)| name == "www-authenticate");
        let schemes: Vec<_> = challenges.map(|(_, value)| value.split(' ').next().unwrap()).collect();
        let expected: Vec<_> = [("Bearer", bearer), ("DPoP", bound)].into_iter().filter(|s| s.1).collect();
        assert_eq!(schemes, expected.iter().map(|s| s.0).collect::<Vec<_>>(), "{tokens}");
    }
}

#[test]
fn a_proof_lives_as_long_as_the_server_says() {
    let (mut gate, mut client) = (gate(&json!({"proof_age": "10s"})), Client::new());
    let token = gate.token(&client.confirmation());
    let proofs = [(); 2].map(|()| client.proof(&gate, &token, |_| {}));
    gate.now = gate.now.plus(Duration::from_secs(9));
    assert!(send(&mut gate, "DPoP", &token, &[&proofs[0]]).upstream.is_some());
    gate.now = gate.now.plus(Duration::from_secs(1));
    assert_eq!(refusal(&send(&mut gate, "DPoP", &token, &[&proofs[1]])).2, "proof too old");
}

#[test]
fn who_cannot_tell_whether_a_proof_was_used_denies() {
    let (mut gate, mut client) = (gate(&json!({})), Client::new());
    let token = gate.token(&client.confirmation());
    gate.proofs_fail = true;
    assert_eq!(refusal(&shows(&mut gate, &mut client, &token)), (Some(503), "unavailable", "proof store"));
    gate.proofs_fail = false;
    assert!(shows(&mut gate, &mut client, &token).upstream.is_some());
    for (key, bytes) in &mut gate.shared {
        if used_proofs::all_keys().any(|of_proofs| of_proofs == *key) {
            bytes.truncate(5);
        }
    }
    for key in used_proofs::all_keys() {
        gate.shared.entry(key).or_insert_with(|| b"of another".to_vec());
    }
    assert_eq!(refusal(&shows(&mut gate, &mut client, &token)), (Some(500), "internal", "proof store"));
}

/// Whoever has stolen a token, but not the key, costs few signatures and does not empty its owner's bucket.
#[test]
fn bad_proofs_are_paid_by_the_address_that_sends_them() {
    let mut configuration = world::configuration(&rules());
    configuration["servers"][0]["limits"] = json!({"flood": {"rate": "1/d", "burst": 200}, "streams": 500});
    let (mut gate, mut owner, mut thief) = (Gate::new(&configuration), Client::new(), Client::new());
    let token = gate.token(&owner.confirmation());
    for n in 0..60 {
        assert!(
            shows(&mut gate, &mut owner, &token).upstream.is_some(),
            "a good proof costs its address nothing: {n}"
        );
    }
    let mut seen = std::collections::BTreeMap::new();
    for _ in 0..80 {
        let driven = shows(&mut gate, &mut thief, &token);
        *seen.entry(refusal(&driven).2.to_owned()).or_insert(0) += 1;
    }
    let [judged, unjudged] = ["proof by another key", "unknown tokens of a source"].map(str::to_owned);
    assert_eq!(seen, [(judged, 50), (unjudged, 30)].into());
    gate.now = gate.now.plus(Duration::from_secs(1));
    let left = (0..100).take_while(|_| shows(&mut gate, &mut owner, &token).upstream.is_some()).count();
    assert_eq!(left, 90, "what was not judged took nothing of the owner's bucket");
}
