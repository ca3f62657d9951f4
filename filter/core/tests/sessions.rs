//! Whose session is it? Bound to the principal for whom `initialize` made it; to everybody else it does not exist.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail that way"
)]

mod world;

use serde_json::{Value, json};
use wicketgate_core::exchange::step::Event;
use world::{Driven, Fields, Gate, call, request};

const OWN: &str = "the session of another principal";
const UNKNOWN: &str = "a session that was not begun here";

fn gate(sessions: &Value) -> Gate {
    let mut configuration = world::configuration(&json!([
        {"id": "read", "allow": {"who": {"scopes": ["mcp:read"]}, "tools": ["search_*"]}},
        {"id": "open", "allow": {"who": "anonymous", "tools": ["search_open"]}},
    ]));
    configuration["servers"][0]["sessions"] = sessions.clone();
    configuration["servers"][0]["limits"] = json!({"tools": [{"names": ["*"], "rate": "1/d", "burst": 3}]});
    Gate::new(&configuration)
}

fn initialize() -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}})
}

/// Somebody with these claims (null: nobody known) sends `message` (null: none) with this verb in this session.
fn send(gate: &mut Gate, claims: &Value, verb: &str, session: Option<&str>, message: &Value) -> Driven {
    let bearer = format!("Bearer {}", gate.token(if claims.is_null() { &EMPTY } else { claims }));
    let mut headers: Vec<(&str, &str)> = vec![];
    headers.extend((!claims.is_null()).then_some(("authorization", bearer.as_str())));
    headers.extend(session.map(|id| ("mcp-session-id", id)));
    if verb == "POST" {
        return gate.post_raw(&headers, message.to_string().as_bytes());
    }
    headers.push(("accept", "text/event-stream"));
    let mut driven = gate.begin();
    driven.feed(gate, Event::RequestHead { head: request(verb, "/mcp", &headers), end: true });
    driven
}

static EMPTY: std::sync::LazyLock<Value> = std::sync::LazyLock::new(|| json!({}));

/// Somebody begins a session that the upstream calls `id`; what the client then knows of it.
fn begin(gate: &mut Gate, claims: &Value, id: &str) -> Driven {
    let mut driven = send(gate, claims, "POST", None, &initialize());
    let head: Fields<'_> = &[("content-type", "application/json"), ("mcp-session-id", id)];
    driven.respond(gate, 200, head, b"{}");
    driven
}

fn passes(gate: &mut Gate, claims: &Value, session: &str) -> bool {
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    ["POST", "GET"].into_iter().all(|verb| send(gate, claims, verb, Some(session), &ping).upstream.is_some())
}

/// All verbs are refused with the same words, and nothing goes upstream.
fn refused(gate: &mut Gate, claims: &Value, session: &str, detail: &str) {
    for verb in ["POST", "GET", "DELETE"] {
        let mut driven = send(gate, claims, verb, Some(session), &call("search_open"));
        driven.finish(gate);
        assert!(driven.upstream.is_none(), "{verb}");
        assert_eq!(driven.status(), Some(404), "{verb}");
        assert_eq!(driven.reply_json()["error"], json!({"code": -31006, "message": "Session not found"}));
        assert_eq!(
            (&driven.decisions[0]["reason"], &driven.decisions[0]["detail"]),
            (&json!("unknown_session"), &json!(detail))
        );
        if verb == "POST" {
            assert_eq!(driven.reply_json()["id"], 1, "clients wait for their id");
        }
    }
}

#[test]
fn a_session_is_its_principals_alone() {
    let mut gate = gate(&json!({}));
    let made = begin(&mut gate, &json!({}), "s1");
    assert!(!made.removed_response_headers.contains(&"mcp-session-id") && made.replies.is_empty());
    assert!(passes(&mut gate, &json!({}), "s1"));
    assert!(
        passes(&mut gate, &json!({"jti": "j2", "scope": "mcp:read mcp:write"}), "s1"),
        "a newer token of his"
    );
    for other in [json!({"sub": "bob"}), json!({"client_id": "c2"}), Value::Null] {
        refused(&mut gate, &other, "s1", OWN);
    }
    refused(&mut gate, &json!({}), "s2", UNKNOWN);
    // Nothing was spent on what was refused: there are three calls, and none was made.
    for left in [true, true, true, false] {
        let called = send(&mut gate, &json!({}), "POST", Some("s1"), &call("search_open"));
        assert_eq!(called.upstream.is_some(), left);
    }
}

#[test]
fn an_end_is_the_end_only_when_the_upstream_agrees() {
    let mut gate = gate(&json!({}));
    begin(&mut gate, &json!({}), "s1");
    for (status, known) in [(405, true), (500, true), (204, false)] {
        let mut ended = send(&mut gate, &json!({}), "DELETE", Some("s1"), &Value::Null);
        ended.respond(&mut gate, status, &[], b"");
        assert_eq!(passes(&mut gate, &json!({}), "s1"), known, "{status}");
    }
    refused(&mut gate, &json!({}), "s1", UNKNOWN);
    assert!(begin(&mut gate, &json!({"sub": "bob"}), "s1").replies.is_empty(), "and the id is free again");
}

#[test]
fn an_id_that_is_anothers_is_not_handed_out_twice() {
    let mut gate = gate(&json!({}));
    begin(&mut gate, &json!({}), "s1");
    let mut stolen = begin(&mut gate, &json!({"sub": "bob"}), "s1");
    stolen.finish(&mut gate);
    assert_eq!(stolen.status(), Some(502));
    assert!(stolen.downstream.is_empty());
    assert_eq!(stolen.completions[0]["reason"], "unsafe_response");
    assert!(passes(&mut gate, &json!({}), "s1"));
}

#[test]
fn only_a_good_initialize_binds() {
    let mut gate = gate(&json!({}));
    for (message, status) in [(initialize(), 400), (call("search_x"), 200)] {
        let mut driven = send(&mut gate, &json!({}), "POST", None, &message);
        let head: Fields<'_> = &[("content-type", "application/json"), ("mcp-session-id", "s1")];
        driven.respond(&mut gate, status, head, b"{}");
        assert!(driven.removed_response_headers.contains(&"mcp-session-id"));
        refused(&mut gate, &json!({}), "s1", UNKNOWN);
    }
    let mut malformed = send(&mut gate, &json!({}), "POST", None, &initialize());
    malformed.respond(
        &mut gate,
        200,
        &[("content-type", "application/json"), ("mcp-session-id", "a b")],
        b"{}",
    );
    assert!(malformed.removed_response_headers.contains(&"mcp-session-id"), "it could not come back");
}

#[test]
fn what_is_unknown_is_adopted_where_the_policy_says_so_once() {
    let mut gate = gate(&json!({"unknown": "adopt"}));
    assert!(passes(&mut gate, &json!({}), "from-elsewhere"));
    refused(&mut gate, &json!({"sub": "bob"}), "from-elsewhere", OWN);
    let refused_tool = send(&mut gate, &json!({"sub": "eve"}), "POST", Some("x"), &call("hidden"));
    assert!(refused_tool.upstream.is_none());
    assert!(passes(&mut gate, &json!({}), "x"), "a call that is denied adopts nothing");
}

#[test]
fn a_stream_is_resumed_in_ones_own_session_alone() {
    let mut gate = gate(&json!({}));
    begin(&mut gate, &json!({}), "s1");
    for (claims, session, status) in [
        (json!({}), Some("s1"), None),
        (json!({"sub": "bob"}), Some("s1"), Some(404)),
        (json!({}), None, Some(400)),
    ] {
        let bearer = format!("Bearer {}", gate.token(&claims));
        let mut headers =
            vec![("authorization", bearer.as_str()), ("accept", "text/event-stream"), ("last-event-id", "7")];
        headers.extend(session.map(|id| ("mcp-session-id", id)));
        let mut driven = gate.begin();
        driven.feed(&mut gate, Event::RequestHead { head: request("GET", "/mcp", &headers), end: true });
        assert_eq!((driven.status(), driven.upstream.is_some()), (status, status.is_none()), "{session:?}");
        assert!(!driven.removed_request_headers.contains(&"last-event-id".to_owned()));
    }
    let bearer = format!("Bearer {}", gate.token(&json!({})));
    let headers = [("authorization", bearer.as_str()), ("last-event-id", "7")];
    let posted = gate.post_raw(&headers, call("search_x").to_string().as_bytes());
    assert!(posted.upstream.is_some());
    assert!(posted.removed_request_headers.contains(&"last-event-id".to_owned()), "a POST resumes nothing");
}

#[test]
fn anonymous_sessions_are_the_addresss() {
    let mut gate = gate(&json!({}));
    begin(&mut gate, &Value::Null, "s1");
    assert!(passes(&mut gate, &Value::Null, "s1"));
    refused(&mut gate, &json!({}), "s1", OWN);
    let mut driven = gate.begin();
    let headers: Fields<'_> = &[("accept", "text/event-stream"), ("mcp-session-id", "s1")];
    let head = wicketgate_core::head::RequestHead {
        source: Some("10.0.0.2".into()),
        ..request("GET", "/mcp", headers)
    };
    driven.feed(&mut gate, Event::RequestHead { head, end: true });
    assert_eq!(driven.status(), Some(404), "another address");
}

#[test]
fn a_store_that_fails_denies() {
    let mut gate = gate(&json!({}));
    begin(&mut gate, &json!({}), "s1");
    let mut beginning = send(&mut gate, &json!({"sub": "bob"}), "POST", None, &initialize());
    gate.store_fails = true;
    beginning.respond(
        &mut gate,
        200,
        &[("content-type", "application/json"), ("mcp-session-id", "s2")],
        b"{}",
    );
    assert_eq!(beginning.status(), Some(503), "bound before the client hears of it");
    assert!(beginning.downstream.is_empty());
    gate.store_fails = false;
    gate.owners_fail = true;
    let unknown = send(&mut gate, &json!({}), "GET", Some("s1"), &Value::Null);
    assert_eq!((unknown.status(), unknown.upstream.is_some()), (Some(503), false), "nobody says whose it is");
    gate.owners_fail = false;
    for bytes in gate.shared.values_mut() {
        bytes.push(0);
    }
    gate.shared.retain(|key, _| key.contains("sessions"));
    let denied = send(&mut gate, &json!({}), "GET", Some("s1"), &Value::Null);
    assert_eq!((denied.status(), denied.upstream.is_some()), (Some(500), false), "invariant 3");
}

#[test]
fn the_stateless_revision_knows_no_sessions() {
    let mut gate = gate(&json!({}));
    begin(&mut gate, &json!({}), "s1");
    let token = format!("Bearer {}", gate.token(&json!({"sub": "bob"})));
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "search_x", "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}}});
    for id in ["s1", "not \u{7f} an id"] {
        let headers = [
            ("authorization", token.as_str()),
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-session-id", id),
            ("mcp-method", "tools/call"),
            ("mcp-name", "search_x"),
        ];
        let mut driven = gate.post_raw(&headers, message.to_string().as_bytes());
        assert!(driven.upstream.is_some(), "{id}");
        assert!(
            driven.removed_request_headers.contains(&"mcp-session-id".to_owned()),
            "the upstream sees none"
        );
        driven.respond(
            &mut gate,
            200,
            &[("content-type", "application/json"), ("mcp-session-id", id)],
            b"{}",
        );
        assert!(driven.removed_response_headers.contains(&"mcp-session-id"), "nor does the client");
    }
}
