//! Tokens that only their issuer can read: asked about once, believed for a while, refused without a second question.
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
use wicketgate_core::exchange::step::{Crowded, Event};
use world::{Driven, Gate, ISSUER, RESOURCE, call};

const BEARER: [(&str, &str); 1] = [("authorization", "Bearer opaque-token")];

fn gate() -> Gate {
    let rules = json!([{"id": "read", "allow": {"who": {"scopes": ["mcp:read"]}, "tools": ["search_*"]}}]);
    let mut configuration = world::configuration(&rules);
    configuration["issuers"][0]["validate"] =
        json!({"cluster": "auth", "path": "/v1/validate", "remember": "20s"});
    Gate::new(&configuration)
}

fn active(gate: &Gate) -> Value {
    json!({"active": true, "iss": ISSUER, "sub": "alice", "aud": RESOURCE, "exp": gate.now.as_secs() + 3600,
        "client_id": "c", "scope": "mcp:read"})
}

fn ask(gate: &mut Gate) -> Driven {
    gate.post_raw(&BEARER, call("search_x").to_string().as_bytes())
}

fn answered(gate: &mut Gate, answer: Option<&Value>) -> Driven {
    let mut driven = ask(gate);
    assert_eq!(driven.questions, [json!({"token": "opaque-token", "resource": RESOURCE})]);
    assert!(driven.upstream.is_none() && driven.replies.is_empty(), "nothing goes on before the answer");
    let bytes = answer.map(|a| a.to_string().into_bytes());
    driven.feed(gate, Event::Validated(bytes.as_deref()));
    driven
}

fn later(gate: &mut Gate, seconds: u64) {
    gate.now = gate.now.plus(Duration::from_secs(seconds));
}

#[test]
fn a_good_token_is_asked_about_once_in_a_while() {
    let mut gate = gate();
    let answer = active(&gate);
    let driven = answered(&mut gate, Some(&answer));
    assert!(driven.upstream.is_some());
    assert_eq!(driven.decisions[0]["principal"]["subject"], "alice");
    later(&mut gate, 19);
    let again = ask(&mut gate);
    assert!(again.upstream.is_some() && again.questions.is_empty(), "remembered");
    later(&mut gate, 1);
    assert_eq!(ask(&mut gate).questions.len(), 1, "asked again, though it lives for an hour");
}

#[test]
fn a_bad_token_is_refused_without_a_second_question() {
    let mut gate = gate();
    let refused = answered(&mut gate, Some(&json!({"active": false})));
    assert_eq!((refused.status(), refused.counts), (Some(401), vec!["invalid_credential"]));
    let again = ask(&mut gate);
    assert_eq!((again.status(), again.questions.len()), (Some(401), 0));
    later(&mut gate, 10);
    assert_eq!(ask(&mut gate).questions.len(), 1);
}

#[test]
fn a_token_for_somebody_else_is_refused() {
    let mut gate = gate();
    for (member, value) in
        [("aud", json!("https://other.example")), ("iss", json!("https://evil.example")), ("exp", json!(1))]
    {
        let mut answer = active(&gate);
        answer[member] = value;
        let refused = answered(&mut gate, Some(&answer));
        assert_eq!((refused.status(), refused.upstream.is_none()), (Some(401), true), "{member}");
        later(&mut gate, 11);
    }
}

#[test]
fn no_answer_is_503_and_nothing_is_remembered_of_it() {
    let mut gate = gate();
    for answer in [None, Some(json!({})), Some(json!({"active": "yes"}))] {
        let refused = answered(&mut gate, answer.as_ref());
        assert_eq!((refused.status(), refused.upstream.is_none()), (Some(503), true));
        assert_eq!(refused.counts, ["unavailable"]);
    }
}

#[test]
fn who_asks_about_a_token_is_an_address_until_it_is_known() {
    let mut gate = gate();
    let mut asker = |token: &str, source| {
        gate.source = Some(source);
        let authorization = format!("Bearer {token}");
        let message = call("search_x").to_string();
        let driven = gate.post_raw(&[("authorization", authorization.as_str())], message.as_bytes());
        assert_eq!(driven.questions.len(), 1);
        driven.exchange.asker()
    };
    let here = asker("one", "192.0.2.1");
    assert_eq!(here, asker("other", "192.0.2.1"));
    assert_ne!(here, asker("other", "192.0.2.2"));
}

#[test]
fn where_too_much_is_asked_already_a_token_may_be_shown_again() {
    let mut gate = gate();
    let mut driven = ask(&mut gate);
    driven.feed(&mut gate, Event::Crowded(Crowded::All));
    assert_eq!((driven.status(), driven.upstream.is_none()), (Some(503), true));
    assert_eq!(driven.decisions[0]["detail"], "room for questions");
    let answer = active(&gate);
    assert!(answered(&mut gate, Some(&answer)).upstream.is_some());
}

#[test]
fn a_flood_of_made_up_tokens_asks_no_more_than_its_address_may() {
    let mut gate = gate();
    let mut asked = 0;
    let mut limited = 0;
    for n in 0..150 {
        let bearer = format!("Bearer made-up-{n}");
        let driven = gate.post_raw(&[("authorization", &bearer)], call("search_x").to_string().as_bytes());
        asked += driven.questions.len();
        limited += usize::from(driven.status() == Some(429));
    }
    assert_eq!((asked, limited), (50, 100));
}

#[test]
fn good_tokens_cost_an_address_nothing() {
    let mut gate = gate();
    for n in 0..90 {
        gate.forget_keys();
        let keys = gate.keys();
        gate.memory.replace_keys(0, keys, gate.now, gate.now);
        let signed = gate.post(&json!({"sub": format!("s{n}")}), &call("search_x"));
        assert!(signed.upstream.is_some(), "{n}: {:?}", signed.decisions);
        let answer = active(&gate);
        assert!(answered(&mut gate, Some(&answer)).upstream.is_some(), "{n}");
    }
}

#[test]
fn a_flood_of_forged_signatures_is_not_checked_for_ever() {
    let mut gate = gate();
    let good = gate.token(&json!({}));
    let (text, _) = good.rsplit_once('.').unwrap();
    let mut seen = std::collections::BTreeMap::new();
    for n in 0..100_u8 {
        let forged = URL_SAFE_NO_PAD.encode([n.max(1); 64]);
        let bearer = format!("Bearer {text}.{forged}");
        let driven = gate.post_raw(&[("authorization", &bearer)], call("search_x").to_string().as_bytes());
        *seen.entry(driven.status().unwrap()).or_insert(0) += 1;
        if driven.status() == Some(429) {
            assert_eq!(driven.decisions[0]["detail"], "unknown tokens of a source");
        }
    }
    assert_eq!(seen, [(401, 51), (429, 49)].into(), "one of them twice, which costs nothing more");
}

#[test]
fn an_answer_that_nobody_waits_for_denies() {
    let mut gate = gate();
    let answer = active(&gate).to_string();
    let mut driven = gate.post_raw(&[], call("search_x").to_string().as_bytes());
    assert_eq!(driven.status(), Some(401));
    driven.feed(&mut gate, Event::Validated(Some(answer.as_bytes())));
    assert!(driven.upstream.is_none());
    let mut waits = ask(&mut gate);
    waits.feed(&mut gate, Event::KeysFetched);
    assert!(waits.upstream.is_none(), "keys are not what it waits for");
    assert_eq!((waits.questions.len(), waits.status()), (1, Some(500)), "nor are they a reason to ask again");
}

#[test]
fn without_such_a_call_only_jwts_are_tokens() {
    let rules = json!([{"id": "read", "allow": {"who": "any", "tools": ["*"]}}]);
    let mut gate = Gate::with_rules(&rules);
    let refused = ask(&mut gate);
    assert_eq!((refused.status(), refused.questions.len()), (Some(401), 0));
}
