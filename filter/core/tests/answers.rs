//! What of an upstream's answer reaches the client, lists aside? Notifications of what it may see, and no orders to it.
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
use world::{Driven, Fields, Gate, call, list, request, response};

const STREAM: (&str, &str) = ("content-type", "text/event-stream");
const JSON: (&str, &str) = ("content-type", "application/json");

fn gate() -> Gate {
    Gate::with_rules(&json!([
        {"id": "read", "allow": {
            "who": {"scopes": ["mcp:read"]}, "tools": ["search_*"], "resources": ["notes://note/*"],
            "methods": ["*"],
        }},
        {"id": "never", "deny": {"who": "any", "resources": ["notes://note/secret/*"]}},
    ]))
}

fn notified(method: &str, params: Value) -> String {
    let mut message = json!({"jsonrpc": "2.0", "method": method});
    message["params"] = params;
    format!("id: 1\ndata: {message}\n\n")
}

fn listening(gate: &mut Gate) -> Driven {
    let bearer = format!("Bearer {}", gate.token(&json!({})));
    let message = json!({
        "jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen",
        "params": {
            "notifications": {"resourceSubscriptions": ["notes://note/a"]},
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        },
    });
    let headers = [
        ("authorization", bearer.as_str()),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "subscriptions/listen"),
    ];
    let driven = gate.post_raw(&headers, message.to_string().as_bytes());
    assert!(driven.upstream.is_some(), "{:?}", driven.decisions);
    driven
}

fn legacy(gate: &mut Gate) -> Driven {
    let bearer = format!("Bearer {}", gate.token(&json!({})));
    let mut driven = gate.begin();
    let headers = [("authorization", bearer.as_str()), ("accept", "text/event-stream")];
    driven.feed(gate, Event::RequestHead { head: request("GET", "/mcp", &headers), end: true });
    driven
}

fn answered(gate: &mut Gate, message: &Value, headers: Fields<'_>) -> Driven {
    let mut driven = gate.post(&json!({}), message);
    driven.feed(gate, Event::ResponseHead { head: response(200, headers), end: false });
    driven
}

#[test]
fn who_listens_hears_of_what_may_be_seen_alone() {
    for listen in [listening, legacy] {
        let mut gate = gate();
        let mut driven = listen(&mut gate);
        driven.feed(&mut gate, Event::ResponseHead { head: response(200, &[STREAM]), end: false });
        let seen = [
            notified("notifications/resources/updated", json!({"uri": "notes://note/a"})),
            notified("notifications/progress", json!({"progressToken": 1, "progress": 2})),
            notified("notifications/tools/list_changed", json!({})),
        ];
        let hidden = [
            notified("notifications/resources/updated", json!({"uri": "notes://note/secret/a"})),
            notified("notifications/resources/updated", json!({"uri": "notes://note//secret/a"})),
            notified("notifications/resources/updated", json!({"uri": 7})),
            notified("notifications/tasks/status", json!({"taskId": "another's", "status": "working"})),
            notified("notifications/tasks", json!({"taskId": "another's"})),
            r#"data: {"params":{"uri":"notes://other"},"method":"notifications\u002fresources/updated"}"#
                .to_owned()
                + "\n\n",
        ];
        for (event, passes) in seen.iter().map(|e| (e, true)).chain(hidden.iter().map(|e| (e, false))) {
            driven.downstream.clear();
            let bytes = event.as_bytes();
            driven.feed(&mut gate, Event::ResponseBody { bytes, size: bytes.len(), end: false });
            let expected = if passes { event.as_str() } else { "" };
            assert_eq!(String::from_utf8_lossy(&driven.downstream), expected, "{event}");
        }
        driven.finish(&mut gate);
        assert_eq!(driven.completions[0]["removed"], hidden.len());
    }
}

#[test]
fn what_may_not_be_seen_is_withheld_where_it_cannot_be_left_out() {
    let hidden = json!({"method": "notifications/resources/updated", "params": {"uri": "file:///etc"}});
    let seen = json!({"jsonrpc": "2.0", "id": 1, "result": {}});
    for (body, passes) in
        [(json!([seen]), true), (json!([seen, hidden]), false), (hidden.clone(), false), (seen.clone(), true)]
    {
        let mut gate = gate();
        let mut driven = answered(&mut gate, &call("search_x"), &[JSON]);
        let body = body.to_string();
        driven.feed(&mut gate, Event::ResponseBody { bytes: body.as_bytes(), size: body.len(), end: true });
        assert_eq!(driven.status(), (!passes).then_some(502), "{body}");
    }
}

#[test]
fn where_to_log_in_is_not_for_an_upstream_to_say() {
    let mut gate = gate();
    let mut driven = gate.post(&json!({}), &call("search_x"));
    let challenge = ("www-authenticate", "Bearer resource_metadata=\"https://evil.example/\"");
    driven.feed(&mut gate, Event::ResponseHead { head: response(401, &[challenge]), end: true });
    assert_eq!(driven.removed_response_headers, ["www-authenticate"]);
}

#[test]
fn no_upstream_sends_clients_elsewhere_or_gives_them_cookies() {
    for (status, withheld) in [(300, true), (302, true), (307, true), (308, true), (304, false), (200, false)]
    {
        let mut gate = gate();
        let mut driven = gate.post(&json!({}), &call("search_x"));
        let headers = [
            ("location", "https://evil.example/mcp"),
            ("set-cookie", "__Host-session=1"),
            ("refresh", "0; url=https://evil.example/"),
            ("clear-site-data", "\"cookies\""),
        ];
        driven.feed(&mut gate, Event::ResponseHead { head: response(status, &headers), end: true });
        assert_eq!(driven.status(), withheld.then_some(502), "{status}");
        for header in ["set-cookie", "refresh", "clear-site-data"] {
            assert!(withheld || driven.removed_response_headers.contains(&header), "{status} {header}");
        }
    }
}

/// Whatever its status: browsers show the pages of errors, too.
#[test]
fn no_upstream_has_pages_that_run_in_our_origin() {
    let inert =
        [("content-security-policy", "sandbox; default-src 'none'"), ("x-content-type-options", "nosniff")];
    for (fields, end, shown) in [
        (&[("content-type", "text/html"), ("content-security-policy", "script-src *")][..], false, true),
        (&[("content-type", "image/svg+xml")], false, true),
        (&[("content-type", "application/problem+xml; charset=utf-8")], false, true),
        (&[("content-type", "application/json, text/html")], false, true),
        (&[], false, true),
        (&[("content-type", "text/html")], true, false),
        (&[JSON], false, false),
        (&[STREAM], false, false),
    ] {
        for status in [400, 500, 200] {
            let mut gate = gate();
            let mut driven = gate.post(&json!({}), &call("search_x"));
            driven.feed(&mut gate, Event::ResponseHead { head: response(status, fields), end });
            let said = driven.set_response_headers;
            // What is withheld has a head of our own.
            let expected: &[_] = if shown { &inert } else { &[] };
            assert!(driven.replies.len() == 1 || said == expected, "{fields:?} {status}: {said:?}");
        }
    }
}

#[test]
fn no_stream_answers_what_has_no_answer() {
    let mut gate = gate();
    let note = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    assert_eq!(answered(&mut gate, &note, &[STREAM]).status(), Some(502));
    assert_eq!(answered(&mut gate, &note, &[JSON]).status(), None);
}

#[test]
fn an_answer_that_some_client_would_read_is_read_here_or_withheld() {
    for media in [
        "application/jsonx",
        "application/json-seq",
        "x/y; text/event-stream",
        "text/event-stream+x",
        "Application/JSON+x",
    ] {
        for message in [list("tools/list"), call("search_x")] {
            let mut gate = gate();
            let driven = answered(&mut gate, &message, &[("content-type", media)]);
            assert_eq!(driven.status(), Some(502), "{media}");
        }
    }
    let mut gate = gate();
    let driven = answered(&mut gate, &call("search_x"), &[("content-type", "text/html")]);
    assert_eq!((driven.status(), driven.exchange.response_mode()), (None, ResponseMode::Pass));
}
