//! What do content rules do in an exchange? Answers that are held and streams, requests, records, what cannot be read.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail that way"
)]

mod world;

use serde_json::{Value, json};
use wicketgate_core::exchange::step::{Event, ResponseMode};
use world::{Driven, Gate, call, configuration, request};

const JSON: (&str, &str) = ("content-type", "application/json");
const STREAM: (&str, &str) = ("content-type", "text/event-stream");
const MAIL: &str =
    r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"to a@example.com"}]}}"#;

fn gate(content: &Value) -> Gate {
    let rules =
        json!([{"id": "all", "allow": {"who": {"scopes": ["mcp:read"]}, "tools": ["*"], "methods": ["*"]}}]);
    let mut document = configuration(&rules);
    document["servers"][0]["content"] = content.clone();
    document["servers"][0]["sessions"] = json!({"unknown": "adopt"});
    Gate::new(&document)
}

/// The answer to a call, after everything.
fn answered(gate: &mut Gate, fields: &[(&str, &str)], body: &str) -> Driven {
    let mut driven = gate.post(&json!({}), &call("t"));
    driven.respond(gate, 200, fields, body.as_bytes());
    driven.finish(gate);
    driven
}

fn downstream(driven: &Driven) -> String {
    String::from_utf8(driven.downstream.clone()).unwrap()
}

#[test]
fn answers_are_read_as_json_as_events_and_as_text() {
    let content = json!([{"id": "mail", "detect": ["email"], "action": "mask"}]);
    for (fields, body) in [
        (JSON, MAIL.to_owned()),
        (STREAM, format!("id: 1\ndata: {MAIL}\n\n")),
        (("content-type", "text/plain; charset=utf-8"), "to a@example.com".to_owned()),
    ] {
        let mut gate = gate(&content);
        let driven = answered(&mut gate, &[fields, ("content-length", "99")], &body);
        assert_eq!(downstream(&driven), body.replace("a@example.com", "[redacted:email]"), "{fields:?}");
        assert_eq!(driven.contents, [("email", "mask", 1)]);
        assert!(driven.removed_response_headers.contains(&"content-length"), "{fields:?}");
        let found = json!([{"rule": "mail", "found": "email", "action": "mask", "count": 1}]);
        assert_eq!(driven.completions[0]["content"], found);
        assert!(driven.decisions[0].get("content").is_none());
    }
}

#[test]
fn what_is_blocked_is_withheld_and_says_by_which_rule() {
    let content = json!([{"id": "mail", "detect": ["email"], "action": "block"}]);
    let mut gate = gate(&content);
    let driven = answered(&mut gate, &[JSON], MAIL);
    assert_eq!((driven.status(), driven.reply_json()["error"]["code"].clone()), (Some(502), json!(-32603)));
    assert_eq!(driven.completions[0]["reason"], "unsafe_response");
    assert_eq!(driven.completions[0]["content"][0]["action"], "block");
    assert_eq!(driven.contents, [("email", "block", 1)]);
}

#[test]
fn what_cannot_be_read_is_withheld() {
    let content = json!([{"id": "mail", "detect": ["email"], "action": "mask"}]);
    for (fields, body) in [
        (&[("content-type", "application/octet-stream")][..], "a@example.com"),
        (&[("content-type", "text/html"), ("content-encoding", "gzip")], "a@example.com"),
        (&[("content-type", "text/html; charset=utf-16")], "a@example.com"),
        (&[("content-type", "text/html; charset*=us-ascii''utf-7")], "a@example.com"),
        (&[JSON, ("content-encoding", "br")], MAIL),
        (&[JSON], "{\"result\":"),
    ] {
        let driven = answered(&mut gate(&content), fields, body);
        assert_eq!(driven.status(), Some(502), "{fields:?}");
    }
    // Without a rule that counts, nobody has to read it.
    let none = json!([{"id": "mail", "in": ["requests"], "detect": ["email"], "action": "block"}]);
    let driven = answered(&mut gate(&none), &[("content-type", "application/octet-stream")], "a@example.com");
    assert_eq!((driven.status(), driven.exchange.response_mode()), (None, ResponseMode::Pass));
}

#[test]
fn a_request_that_holds_what_a_rule_blocks_goes_no_further() {
    let content = json!([
        {"id": "sent", "in": ["requests"], "applies": {"tools": ["a*"]}, "detect": ["email"], "action": "block"},
        {"id": "roles", "in": ["requests"], "applies": {"who": {"roles": ["x"]}}, "detect": ["email"], "action": "block"},
        {"id": "seen", "in": ["requests"], "detect": ["email"], "action": "flag"},
    ]);
    let ask = |tool: &str, text: &str| json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": {"x": text}}});
    // A tool, an argument, claims; the rule that blocks it.
    for (tool, text, claims, rule) in [
        ("a1", "x", json!({}), None),
        ("a1", "m@example.com", json!({}), Some("sent: email")),
        ("b", "m@example.com", json!({}), None),
        ("b", "m@example.com", json!({"roles": ["x"]}), Some("roles: email")),
    ] {
        let mut gate = gate(&content);
        let driven = gate.post(&claims, &ask(tool, text));
        assert_eq!(driven.upstream.is_some(), rule.is_none(), "{tool} {text} {claims}");
        let decision = &driven.decisions[0];
        assert_eq!(decision["detail"], rule.map_or(Value::Null, Value::from));
        match rule {
            Some(_) => {
                assert_eq!(
                    (driven.status(), driven.reply_json()["error"]["code"].clone()),
                    (Some(200), json!(-32602))
                );
                assert_eq!(
                    (&decision["reason"], &decision["verdict"]),
                    (&json!("content_refused"), &json!("deny"))
                );
            }
            None if text == "x" => assert!(decision.get("content").is_none()),
            None => assert_eq!(decision["content"][0]["rule"], "seen"),
        }
        assert!(!decision.to_string().contains("m@example"));
    }
}

#[test]
fn a_rule_about_addresses_counts_for_who_asks_from_there() {
    let near = json!({"who": {"addresses": ["10.0.0.0/8"], "roles": ["x"]}});
    let content = json!([
        {"id": "sent", "in": ["requests"], "applies": {"who": {"addresses": ["192.0.2.0/24"]}}, "detect": ["email"], "action": "block"},
        {"id": "shown", "applies": near, "detect": ["email"], "action": "mask"},
    ]);
    let ask = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "t", "arguments": {"x": "m@example.com"}}});
    // An address, the caller's roles; whether the request goes on, and whether something is left out of its answer.
    for (source, roles, passes, masked) in [
        (Some("192.0.2.7"), json!([]), false, false),
        (Some("10.1.2.3"), json!(["x"]), true, true),
        (Some("10.1.2.3"), json!([]), true, false),
        (Some("198.51.100.1"), json!(["x"]), true, false),
        (None, json!(["x"]), true, false),
    ] {
        let mut gate = gate(&content);
        gate.source = source;
        let mut driven = gate.post(&json!({"roles": roles}), &ask);
        assert_eq!(driven.upstream.is_some(), passes, "{source:?}");
        if passes {
            driven.respond(&mut gate, 200, &[JSON], MAIL.as_bytes());
            assert_eq!(downstream(&driven).contains("[redacted:email]"), masked, "{source:?} {roles}");
        }
    }
}

#[test]
fn a_request_is_nobody_elses_in_a_session_too() {
    let content = json!([{"id": "sent", "in": ["requests"], "applies": {"tools": ["a*"]}, "detect": ["email"], "action": "block"}]);
    let mut gate = gate(&content);
    let bearer = format!("Bearer {}", gate.token(&json!({})));
    let fields = [("authorization", bearer.as_str()), ("mcp-session-id", "s")];
    for (tool, passes) in [("a1", false), ("b", true)] {
        let ask = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": {"x": "m@example.com"}}});
        let driven = gate.post_raw(&fields, ask.to_string().as_bytes());
        assert_eq!(driven.upstream.is_some(), passes, "{tool}");
    }
    // What answers a server's own request may be for any tool.
    let answer =
        json!({"jsonrpc": "2.0", "id": 1, "result": {"content": {"type": "text", "text": "m@example.com"}}});
    assert!(gate.post_raw(&fields, answer.to_string().as_bytes()).upstream.is_none());
}

#[test]
fn marks_of_values_need_the_store() {
    let content = json!([{"id": "mail", "detect": ["email"], "action": "hash"}]);
    let mut sound = gate(&content);
    let first = downstream(&answered(&mut sound, &[JSON], MAIL));
    assert!(first.contains("[redacted:email:") && first == downstream(&answered(&mut sound, &[JSON], MAIL)));
    let mut gate = gate(&content);
    gate.salt_fails = true;
    let driven = gate.post(&json!({}), &call("t"));
    assert_eq!((driven.status(), driven.upstream.is_some()), (Some(503), false));
}

#[test]
fn the_stream_of_a_session_is_read_by_every_rule() {
    let content =
        json!([{"id": "mail", "applies": {"tools": ["other"]}, "detect": ["email"], "action": "mask"}]);
    let mut gate = gate(&content);
    let bearer = format!("Bearer {}", gate.token(&json!({})));
    let mut driven = gate.begin();
    let fields = [("authorization", bearer.as_str()), ("accept", "text/event-stream")];
    driven.feed(&mut gate, Event::RequestHead { head: request("GET", "/mcp", &fields), end: true });
    let note = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"a@example.com"}}"#;
    driven.respond(&mut gate, 200, &[STREAM], format!("data: {note}\n\n").as_bytes());
    assert!(downstream(&driven).contains("[redacted:email]"), "{}", downstream(&driven));
    // The call of another tool, alone and in a session.
    let token = gate.token(&json!({}));
    for (session, masked) in [(false, false), (true, true)] {
        let bearer = format!("Bearer {token}");
        let mut fields = vec![("authorization", bearer.as_str()), ("mcp-protocol-version", "2025-11-25")];
        if session {
            fields.push(("mcp-session-id", "s"));
        }
        let mut driven = gate.post_raw(&fields, call("t").to_string().as_bytes());
        driven.respond(&mut gate, 200, &[JSON], MAIL.as_bytes());
        assert_eq!(downstream(&driven).contains("[redacted:email]"), masked);
    }
}
