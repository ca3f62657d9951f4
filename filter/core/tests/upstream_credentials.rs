//! What becomes of a request whose server gets something in place of the token? It waits for that at last, and without it goes nowhere.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail that way"
)]

mod world;

use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use wicketgate_core::config;
use wicketgate_core::exchange::step::{Crowded, Event};
use wicketgate_core::identity::revocations;
use world::{Driven, Gate, ISSUER, RESOURCE, call, configuration};

const AUDIENCE: &str = "https://crm.internal";

fn rules() -> Value {
    json!([{"id": "read", "allow": {"who": {"scopes": ["mcp:read"]}, "tools": ["search_*"]}}])
}

fn gate_with(credential: &Value, more: &Value) -> Gate {
    let mut document = configuration(&rules());
    document["issuers"][0]["revocations"] = json!({"cluster": "auth", "path": "/v1/feed"});
    let server = document["servers"][0].as_object_mut().unwrap();
    server.insert("credential".to_owned(), credential.clone());
    server.extend(more.as_object().unwrap().clone());
    let mut gate = Gate::new(&document);
    hear(&mut gate, &json!([]));
    gate
}

fn exchanged() -> Value {
    json!({"exchanged": {"cluster": "auth", "path": "/v1/exchange", "audience": AUDIENCE, "scopes": ["crm:read"]}})
}

fn gate() -> Gate {
    gate_with(&exchanged(), &json!({}))
}

/// All that the issuer has withdrawn, of which one more was heard each time.
fn hear(gate: &mut Gate, rows: &Value) {
    let claims = json!({"iss": ISSUER, "iat": gate.now.as_secs(), "epoch": "e", "seq": 1, "since": 0, "revocations": rows});
    let feed = gate.jws(revocations::TYPE, &claims);
    let issuer = gate.guard.issuers[0].clone();
    gate.memory.hear(0, &issuer, feed.as_bytes(), gate.now).unwrap();
}

fn given(credential: &str) -> String {
    json!({"active": true, "credential": credential, "expires_in": 300}).to_string()
}

/// A call that waits for its answer.
fn waiting(gate: &mut Gate, claims: &Value) -> Driven {
    let driven = gate.post(claims, &call("search_x"));
    assert_eq!(driven.credential_questions.len(), 1, "{:?}", driven.decisions);
    assert!(driven.upstream.is_none() && driven.replies.is_empty(), "nothing goes on before the answer");
    driven
}

fn answered(gate: &mut Gate, mut driven: Driven, answer: Option<&str>) -> Driven {
    driven.feed(gate, Event::CredentialGiven(answer.map(str::as_bytes)));
    driven
}

#[test]
fn a_request_waits_for_what_its_server_gets_and_shows_that_alone() {
    let mut gate = gate();
    let driven = waiting(&mut gate, &json!({}));
    let token = gate.token(&json!({}));
    let question = driven.credential_questions[0].clone();
    let claims = |token: &str| token.split('.').nth(1).map(str::to_owned);
    assert_eq!(claims(question["token"].as_str().unwrap()), claims(&token));
    assert_eq!(
        (&question["resource"], &question["audience"], &question["scope"]),
        (&json!(RESOURCE), &json!(AUDIENCE), &json!("crm:read"))
    );
    let driven = answered(&mut gate, driven, Some(&given("abc")));
    assert!(driven.upstream.is_some());
    assert_eq!(driven.set_request_headers, [("authorization".to_owned(), "Bearer abc".to_owned())]);
    assert_eq!(driven.removed_request_headers, ["authorization"]);
    let record = &driven.decisions[0];
    assert_eq!((&record["verdict"], &record["credential"]), (&json!("allow"), &json!("exchanged")));
    assert!(!record.to_string().contains("abc"), "{record}");
}

#[test]
fn without_an_answer_nothing_goes_on() {
    for (answer, status, reason) in [
        (None, 503, "unavailable"),
        (Some("{}"), 503, "unavailable"),
        (Some(r#"{"active": true, "credential": "a\r\nb", "expires_in": 9}"#), 503, "unavailable"),
        (Some(r#"{"active": false}"#), 401, "invalid_credential"),
    ] {
        let mut gate = gate();
        let driven = waiting(&mut gate, &json!({}));
        let driven = answered(&mut gate, driven, answer);
        assert!(driven.upstream.is_none() && driven.set_request_headers.is_empty(), "{answer:?}");
        assert_eq!((driven.status(), driven.counts.as_slice()), (Some(status), &[reason][..]), "{answer:?}");
        let record = &driven.decisions[0];
        assert_eq!((&record["reason"], &record["credential"]), (&json!(reason), &Value::Null), "{record}");
        assert!(record["detail"].is_string(), "{record}");
        // A failure is not remembered.
        waiting(&mut gate, &json!({}));
    }
}

#[test]
fn where_too_much_is_asked_already_nothing_goes_on() {
    let mut gate = gate();
    let mut driven = waiting(&mut gate, &json!({}));
    driven.feed(&mut gate, Event::Crowded(Crowded::Own));
    assert_eq!((driven.status(), driven.upstream.is_none()), (Some(503), true));
    assert_eq!(driven.decisions[0]["detail"], "room for more questions of one caller");
    waiting(&mut gate, &json!({}));
}

#[test]
fn a_token_that_allows_nothing_there_is_told_what_would() {
    let rules = json!([
        {"id": "read", "allow": {"who": {"scopes": ["mcp:read"]}, "tools": ["search_*"]}},
        {"id": "write", "allow": {"who": {"scopes": ["mcp:write"]}, "tools": ["write_*"]}},
    ]);
    let mut gate = gate_with(&exchanged(), &json!({"rules": rules}));
    let driven = waiting(&mut gate, &json!({"scope": "mcp:read unnamed"}));
    let answer = r#"{"active": true, "error": "insufficient_scope", "scope": "crm:read crm:list"}"#;
    let driven = answered(&mut gate, driven, Some(answer));
    assert!(driven.upstream.is_none() && driven.set_request_headers.is_empty());
    assert_eq!(driven.status(), Some(403));
    let challenge = driven.reply_header("www-authenticate").unwrap();
    assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
    assert!(
        challenge.contains("scope=\"crm:list crm:read mcp:read\""),
        "what it had and needs stays: {challenge}"
    );
    let needed = json!(["crm:list", "crm:read", "mcp:read"]);
    let error = &driven.reply_json()["error"];
    assert_eq!((&error["code"], &error["data"]["required_scopes"]), (&json!(-31003), &needed));
    let record = &driven.decisions[0];
    assert_eq!(
        (&record["verdict"], &record["reason"]),
        (&json!("challenge"), &json!("upstream_scope")),
        "{record}"
    );
    // It is not remembered either.
    waiting(&mut gate, &json!({"scope": "mcp:read unnamed"}));
}

#[test]
fn it_is_remembered_for_the_very_token_and_no_longer_than_both() {
    let mut gate = gate();
    let bearer = format!("Bearer {}", gate.token(&json!({})));
    let send = |gate: &mut Gate| {
        gate.post_raw(&[("authorization", &bearer)], call("search_x").to_string().as_bytes())
    };
    let driven = send(&mut gate);
    answered(&mut gate, driven, Some(&given("abc")));
    let again = send(&mut gate);
    assert!(again.upstream.is_some() && again.credential_questions.is_empty());
    assert_eq!(again.set_request_headers, [("authorization".to_owned(), "Bearer abc".to_owned())]);
    // Another token of the same principal may allow less: nothing is said of it yet.
    waiting(&mut gate, &json!({"jti": "j2"}));
    gate.now = gate.now.plus(Duration::from_secs(294));
    hear(&mut gate, &json!([]));
    assert!(send(&mut gate).credential_questions.is_empty());
    gate.now = gate.now.plus(Duration::from_secs(1));
    assert_eq!(send(&mut gate).credential_questions.len(), 1, "too old to be sent on its way");
}

#[test]
fn it_goes_with_the_grant() {
    let mut gate = gate();
    let bearer = format!("Bearer {}", gate.token(&json!({})));
    let send = |gate: &mut Gate| {
        gate.post_raw(&[("authorization", &bearer)], call("search_x").to_string().as_bytes())
    };
    let driven = send(&mut gate);
    answered(&mut gate, driven, Some(&given("abc")));
    let id = world::b64(&sha256(b"grant\0g1")[..16]);
    let until = gate.now.as_secs() + 900;
    hear(&mut gate, &json!([{"kind": "grant", "id": id, "until": until}]));
    let refused = send(&mut gate);
    assert_eq!((refused.status(), refused.set_request_headers.len()), (Some(401), 0));
    // Even if it were let in again.
    hear(&mut gate, &json!([]));
    assert_eq!(send(&mut gate).credential_questions.len(), 1, "it was forgotten, not only passed over");
}

#[test]
fn it_is_asked_for_last_of_all() {
    let limits = json!({"limits": {"principal": {"rate": "1/h"}}});
    let mut gate = gate_with(&exchanged(), &limits);
    let refused = gate.post(&json!({}), &call("drop"));
    assert!(refused.credential_questions.is_empty() && refused.upstream.is_none(), "no rule allows it");
    waiting(&mut gate, &json!({}));
    let limited = gate.post(&json!({}), &call("search_x"));
    assert_eq!((limited.status(), limited.credential_questions.len()), (Some(429), 0));
}

#[test]
fn an_identity_stands_in_a_header_of_ours() {
    let identity = json!({"signed_identity": {"cluster": "auth", "path": "/v1/identity"}});
    let mut gate = gate_with(&identity, &json!({}));
    let driven = waiting(&mut gate, &json!({}));
    assert_eq!(driven.credential_questions[0]["audience"], RESOURCE);
    let driven = answered(&mut gate, driven, Some(&given("a.b.c")));
    assert_eq!(driven.set_request_headers, [("x-wicketgate-identity".to_owned(), "a.b.c".to_owned())]);
    assert_eq!(driven.decisions[0]["credential"], "signed_identity");
}

#[test]
fn an_answer_that_nobody_waits_for_denies() {
    let mut gate = gate();
    let mut driven = gate.post(&json!({}), &call("drop"));
    driven.feed(&mut gate, Event::CredentialGiven(Some(given("abc").as_bytes())));
    assert!(driven.upstream.is_none());
    let mut waits = waiting(&mut gate, &json!({}));
    waits.feed(&mut gate, Event::PolicyAnswered(Some(br#"{"result": true}"#)));
    assert!(waits.upstream.is_none() && waits.set_request_headers.is_empty());
    assert_eq!(waits.status(), Some(500));
}

#[test]
fn a_secret_of_envoys_needs_no_question_and_its_place_is_kept_free() {
    let mut gate = gate_with(&json!({"static": {"header": "x-api-key"}}), &json!({}));
    let bearer = format!("Bearer {}", gate.token(&json!({})));
    let said = [("authorization", bearer.as_str()), ("X-Api-Key", "mine"), ("x_api_key", "mine")];
    let driven = gate.post_raw(&said, call("search_x").to_string().as_bytes());
    assert!(driven.upstream.is_some() && driven.credential_questions.is_empty());
    assert_eq!(driven.removed_request_headers, ["X-Api-Key", "authorization", "x_api_key"]);
    assert_eq!(driven.decisions[0]["credential"], "static");
    for name in ["x-api-key", "X_API_KEY"] {
        assert!(driven.exchange.is_feigned(name, &gate.guard), "{name}, as a trailer");
    }
    assert!(!driven.exchange.is_feigned("x-other", &gate.guard));
}

#[test]
fn where_envoy_has_no_secret_the_answer_is_not_a_reason_to_log_in() {
    let mut gate = gate_with(&json!({"static": {}}), &json!({}));
    for (by_host, status) in [(true, Some(503)), (false, None)] {
        let mut driven = gate.post(&json!({}), &call("search_x"));
        let head = world::response(401, &[("content-type", "text/plain")]);
        let head = wicketgate_core::head::ResponseHead { by_host, ..head };
        driven.feed(&mut gate, Event::ResponseHead { head, end: false });
        assert_eq!(driven.status(), status, "{by_host}");
    }
}

#[test]
fn where_it_could_not_be_put_in_or_is_about_nobody_it_is_refused() {
    let mut document = configuration(&json!([{"id": "all", "allow": {"who": "anonymous", "tools": ["*"]}}]));
    document["servers"][0]["credential"] = exchanged();
    document["hold_headers"] = json!(false);
    let errors = config::compile(document.to_string().as_bytes()).unwrap_err();
    let said: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "servers[0].credential: a rule means `anonymous`, of whom the server could not be told anything",
            "servers[0].credential: needs `hold_headers: true`: else headers have gone on before it is there",
        ]
    );
    document["servers"][0]["credential"] = json!({"static": {}});
    assert!(config::compile(document.to_string().as_bytes()).is_ok(), "a secret of Envoy's is for everybody");
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).to_vec()
}
