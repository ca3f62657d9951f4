//! What becomes of a token that its issuer has withdrawn? It counts no more, remembered or not, and its streams end.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail that way"
)]

mod world;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use wicketgate_core::exchange::step::Event;
use wicketgate_core::identity::footing::Standing;
use world::{Driven, Gate, ISSUER, NOW, RESOURCE, call, response};

fn gate(validates: bool) -> Gate {
    let rules = json!([{"id": "read", "allow": {"who": {"scopes": ["mcp:read"]}, "tools": ["search_*"]}}]);
    let mut configuration = world::configuration(&rules);
    let issuer = &mut configuration["issuers"][0];
    issuer["revocations"] = json!({"cluster": "auth", "path": "/v1/feed", "max_age": "60s"});
    if validates {
        issuer["validate"] = json!({"cluster": "auth", "path": "/v1/validate"});
    }
    Gate::new(&configuration)
}

/// A whole feed as of now that names these grants.
fn feed(gate: &Gate, grants: &[&str]) -> Value {
    let row = |grant: &&str| {
        let digest = Sha256::digest(format!("grant\0{grant}"));
        json!({"kind": "grant", "id": URL_SAFE_NO_PAD.encode(&digest[..16]), "until": NOW + 3600})
    };
    let rows: Vec<_> = grants.iter().map(row).collect();
    let now = gate.now.as_nanos() / 1_000_000_000;
    json!({"iss": ISSUER, "iat": now, "epoch": "e", "seq": 1, "since": 0, "revocations": rows})
}

fn hear(gate: &mut Gate, text: &str) -> bool {
    gate.memory.hear(0, &gate.guard.issuers[0], text.as_bytes(), gate.now).is_ok()
}

fn hears(gate: &mut Gate, grants: &[&str]) {
    let text = gate.jws("revocations+jwt", &feed(gate, grants));
    assert!(hear(gate, &text));
}

fn ask(gate: &mut Gate, token: &str) -> Driven {
    let bearer = format!("Bearer {token}");
    gate.post_raw(&[("authorization", &bearer)], call("search_x").to_string().as_bytes())
}

fn status(driven: &Driven) -> u16 {
    driven.status().unwrap_or(if driven.upstream.is_some() { 200 } else { 0 })
}

#[test]
fn a_withdrawn_grant_counts_no_more_remembered_or_not() {
    let mut gate = gate(false);
    let (token, other) = (gate.token(&json!({})), gate.token(&json!({"grant_id": "g2"})));
    assert_eq!(status(&ask(&mut gate, &token)), 503, "nothing was heard yet");
    hears(&mut gate, &[]);
    assert_eq!(status(&ask(&mut gate, &token)), 200);
    assert_eq!(ask(&mut gate, &token).tokens_remembered, [true]);
    hears(&mut gate, &["g1"]);
    for _ in 0..2 {
        let refused = ask(&mut gate, &token);
        assert_eq!(status(&refused), 401);
        assert_eq!(refused.decisions[0]["detail"], "withdrawn by its issuer");
    }
    assert_eq!(status(&ask(&mut gate, &other)), 200);
    gate.now = gate.now.plus(Duration::from_secs(61));
    assert_eq!(status(&ask(&mut gate, &other)), 503, "nothing was heard for too long");
    assert_eq!(status(&ask(&mut gate, &token)), 401, "what was heard stays true");
}

#[test]
fn an_issuer_that_can_be_asked_is_asked_while_nothing_is_heard() {
    let mut gate = gate(true);
    let token = gate.token(&json!({}));
    let mut driven = ask(&mut gate, &token);
    assert_eq!(driven.questions.last(), Some(&json!({"token": token, "resource": RESOURCE})));
    let active = json!({"active": true, "iss": ISSUER, "sub": "alice", "aud": RESOURCE, "client_id": "c1",
        "scope": "mcp:read", "grant_id": "g1", "iat": NOW, "exp": NOW + 600})
    .to_string();
    driven.feed(&mut gate, Event::Validated(Some(active.as_bytes())));
    assert!(driven.upstream.is_some() || driven.replies.is_empty(), "{:?}", driven.decisions);
    assert_eq!(ask(&mut gate, &token).questions, Vec::<Value>::new(), "its word is believed for a while");
    hears(&mut gate, &["g1"]);
    assert_eq!(status(&ask(&mut gate, &token)), 401);
}

#[test]
fn a_vouched_token_of_a_withdrawn_grant_is_refused() {
    let mut gate = gate(true);
    let token = gate.token(&json!({}));
    let mut driven = ask(&mut gate, &token);
    hears(&mut gate, &["g1"]);
    let active = json!({"active": true, "iss": ISSUER, "sub": "alice", "aud": RESOURCE, "client_id": "c1",
        "scope": "mcp:read", "grant_id": "g1", "iat": NOW, "exp": NOW + 600})
    .to_string();
    driven.feed(&mut gate, Event::Validated(Some(active.as_bytes())));
    assert_eq!(status(&driven), 401, "the feed is newer than the answer");
}

#[test]
fn a_stream_of_a_withdrawn_grant_has_no_footing() {
    let mut gate = gate(false);
    hears(&mut gate, &[]);
    let token = gate.token(&json!({}));
    let mut driven = ask(&mut gate, &token);
    let head = response(200, &[("content-type", "text/event-stream")]);
    driven.feed(&mut gate, Event::ResponseHead { head, end: false });
    let stands =
        |driven: &Driven, gate: &Gate| driven.exchange.footing().unwrap().stands(&gate.memory, gate.now);
    assert_eq!(stands(&driven, &gate), Standing::Firm);
    hears(&mut gate, &["g2"]);
    assert_eq!(stands(&driven, &gate), Standing::Firm);
    hears(&mut gate, &["g1"]);
    assert_eq!(stands(&driven, &gate), Standing::Gone);
}

#[test]
fn no_token_is_a_feed_and_no_feed_a_token() {
    let mut gate = gate(false);
    let said = feed(&gate, &[]);
    for typ in ["at+jwt", "JWT", "Revocations+JWT", ""] {
        let text = gate.jws(typ, &said);
        assert!(!hear(&mut gate, &text), "{typ}");
    }
    let good = gate.jws("revocations+jwt", &said);
    let forged = Gate::new(&world::configuration(&json!([]))).jws("revocations+jwt", &said);
    for text in [&forged, "", "a.b.c", &good[..good.len() - 4], &format!("{good}\n")] {
        assert!(!hear(&mut gate, text));
    }
    assert!(!hear(&mut gate, &String::from_utf8_lossy(&[0xff; 9])));
    assert!(hear(&mut gate, &good));
    let claims = json!({"iss": ISSUER, "sub": "alice", "aud": RESOURCE, "iat": NOW, "exp": NOW + 9, "scope": "mcp:read"});
    let posing = gate.jws("revocations+jwt", &claims);
    assert_eq!(status(&ask(&mut gate, &posing)), 401);
}
