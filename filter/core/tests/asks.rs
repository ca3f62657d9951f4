//! What may a server ask of the client? As requests of its own, within results, and in errors that name URLs to visit.
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
use world::{Driven, Gate, call, request, response};

const JSON: (&str, &str) = ("content-type", "application/json");
const EVENTS: (&str, &str) = ("content-type", "text/event-stream");

fn gate(asks: &Value) -> Gate {
    let rules = json!([{"id": "read", "allow": {"who": {"scopes": ["mcp:read"]}, "tools": ["*"]}}]);
    let mut configuration = world::configuration(&rules);
    if !asks.is_null() {
        configuration["servers"][0]["asks"] = asks.clone();
    }
    Gate::new(&configuration)
}

fn modern(gate: &mut Gate) -> Driven {
    let bearer = format!("Bearer {}", gate.token(&json!({})));
    let mut message = call("book");
    message["params"]["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let fields = [
        ("authorization", bearer.as_str()),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "book"),
    ];
    gate.post_raw(&fields, message.to_string().as_bytes())
}

fn sampling() -> Value {
    json!({"method": "sampling/createMessage", "params": {"messages": [], "maxTokens": 9}})
}

fn form(properties: Value, message: &str) -> Value {
    let mut schema = json!({"type": "object"});
    schema["properties"] = properties;
    json!({"method": "elicitation/create", "params": {"mode": "form", "message": message, "requestedSchema": schema}})
}

fn url(url: &str) -> Value {
    json!({"method": "elicitation/create", "params": {"mode": "url", "elicitationId": "e", "message": "Go", "url": url}})
}

/// What the client reads of a modern answer that asks for these things.
fn result(gate: &mut Gate, asks: &[Value]) -> (Driven, Value) {
    let mut requests = serde_json::Map::new();
    for (at, ask) in asks.iter().enumerate() {
        requests.insert(format!("k{at}"), ask.clone());
    }
    let answer = json!({"jsonrpc": "2.0", "id": 1, "result":
        {"resultType": "input_required", "inputRequests": requests, "requestState": "s"}});
    let mut driven = modern(gate);
    driven.respond(gate, 200, &[JSON], answer.to_string().as_bytes());
    driven.finish(gate);
    let read = serde_json::from_slice(&driven.downstream).unwrap();
    (driven, read)
}

/// What a gate does with one thing that is asked for in a modern answer: the word of its record.
fn fate(policy: Value, ask: &Value) -> Option<(&'static str, &'static str)> {
    let mut gate = gate(&policy);
    let (driven, read) = result(&mut gate, std::slice::from_ref(ask));
    match driven.found.as_slice() {
        [] => {
            assert_eq!(read["result"]["inputRequests"]["k0"], *ask);
            None
        }
        [(done, why, 1)] => {
            assert_eq!(driven.completions[0]["found"], json!([{"why": why, "done": done}]));
            match *done {
                "refused" => assert_eq!((&read["error"]["code"], &read["id"]), (&json!(-32603), &json!(1))),
                _ => assert_eq!(read["result"]["inputRequests"], json!({})),
            }
            Some((done, why))
        }
        more => panic!("{more:?}"),
    }
}

#[test]
fn without_a_word_everything_may_be_asked_and_nothing_is_read() {
    let mut gate = gate(&Value::Null);
    let mut driven = modern(&mut gate);
    driven.feed(&mut gate, Event::ResponseHead { head: response(200, &[JSON]), end: false });
    assert_eq!(driven.exchange.response_mode(), ResponseMode::Pass);
}

#[test]
fn each_kind_has_a_gate_of_its_own() {
    let name = form(json!({"name": {"type": "string"}}), "Who?");
    let password = form(json!({"password": {"type": "string"}}), "Who?");
    let roots = json!({"method": "roots/list"});
    let away = url("https://evil.example/x");
    let home = url("https://login.example.com/x");
    let hosts = json!({"elicitation": {"url_hosts": ["login.example.com"]}});
    for (policy, ask, done) in [
        (json!({"sampling": "deny"}), sampling(), Some(("refused", "sampling"))),
        (json!({"sampling": "strip"}), sampling(), Some(("stripped", "sampling"))),
        (json!({"sampling": "deny"}), roots.clone(), None),
        (json!({"roots": "strip"}), roots, Some(("stripped", "roots"))),
        (json!({"elicitation": {"form": "deny"}}), name.clone(), Some(("refused", "form"))),
        (json!({"elicitation": {"form": "strip"}}), home.clone(), None),
        (json!({}), name, None),
        (json!({}), password.clone(), Some(("refused", "sensitive_form"))),
        (
            json!({"elicitation": {"sensitive_fields": "strip"}}),
            password.clone(),
            Some(("stripped", "sensitive_form")),
        ),
        (json!({"elicitation": {"sensitive_fields": "allow"}}), password, None),
        (json!({"elicitation": {"url": "deny"}}), home.clone(), Some(("refused", "url"))),
        (hosts.clone(), home, None),
        (hosts.clone(), away, Some(("refused", "url"))),
        (hosts.clone(), url("https://login.example.com@evil.example"), Some(("refused", "url"))),
        (hosts, json!({"method": "elicitation/create", "params": {"mode": "url"}}), Some(("refused", "url"))),
        (
            json!({}),
            json!({"method": "elicitation/create", "params": {"mode": "x"}}),
            Some(("refused", "other")),
        ),
        (
            json!({}),
            json!({"method": "elicitation/create", "params": {"url": "https://x.example"}}),
            Some(("refused", "other")),
        ),
        (json!({}), json!({"method": "elicitation/invent"}), Some(("refused", "other"))),
        (json!({}), json!(7), Some(("refused", "other"))),
    ] {
        assert_eq!(fate(policy.clone(), &ask), done, "{policy} {ask}");
    }
}

#[test]
fn a_password_is_known_by_its_field_and_by_the_words_around_it() {
    let text = |more: Value| {
        let mut field = json!({"type": "string"});
        field.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"answer": field})
    };
    for (properties, message, sensitive) in [
        (json!({"apiKey": {"type": "string"}}), "Who?", true),
        (text(json!({"title": "Your PIN"})), "Who?", true),
        (text(json!({"description": "The password of the account"})), "Who?", true),
        (text(json!({"format": "password"})), "Who?", true),
        (text(json!({})), "Enter your GitHub password", true),
        (json!({"answer": {}}), "Enter your GitHub password", true),
        (text(json!({"enum": ["yes", "no"]})), "Reset the password of alice?", false),
        (json!({"sure": {"type": "boolean"}}), "Reset the password of alice?", false),
        (text(json!({"format": "email"})), "Your address", false),
    ] {
        let ask = form(properties, message);
        let expected = sensitive.then_some(("refused", "sensitive_form"));
        assert_eq!(fate(json!({}), &ask), expected, "{ask}");
    }
}

#[test]
fn of_several_one_is_taken_out_and_the_others_keep_their_bytes() {
    let mut gate = gate(&json!({"sampling": "strip"}));
    let answer = r#"{"jsonrpc":"2.0","id":1,"result":{"inputRequests":{"a":{"method":"sampling/createMessage"}, "\u0062" : {"method": "roots/list", "n": 1.0}},"resultType":"input_required","requestState":"s"}}"#;
    let mut driven = modern(&mut gate);
    driven.respond(&mut gate, 200, &[JSON], answer.as_bytes());
    assert_eq!(
        String::from_utf8(driven.downstream).unwrap(),
        r#"{"jsonrpc":"2.0","id":1,"result":{"inputRequests":{"\u0062":{"method": "roots/list", "n": 1.0}},"resultType":"input_required","requestState":"s"}}"#
    );
    let (driven, read) = result(
        &mut self::gate(&json!({"roots": "deny", "sampling": "strip"})),
        &[sampling(), json!({"method": "roots/list"})],
    );
    assert_eq!(read["error"]["code"], -32603, "one that is denied is enough");
    assert_eq!(driven.found, [("refused", "roots", 1), ("stripped", "sampling", 1)]);
}

/// What the client reads of a legacy stream in which the server asks, then goes on. On a GET stream nothing was asked of it.
fn streamed(gate: &mut Gate, posted: bool, ask: &Value) -> (Driven, String) {
    let mut driven = if posted {
        gate.post(&json!({}), &call("book"))
    } else {
        let bearer = format!("Bearer {}", gate.token(&json!({})));
        let mut driven = gate.begin();
        let fields = [("authorization", bearer.as_str()), ("accept", "text/event-stream")];
        driven.feed(gate, Event::RequestHead { head: request("GET", "/mcp", &fields), end: true });
        driven
    };
    let mut message = json!({"jsonrpc": "2.0", "id": 77});
    message.as_object_mut().unwrap().extend(ask.as_object().unwrap().clone());
    let stream =
        format!("id: 1\ndata: {message}\n\ndata: {{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{{}}}}\n\n");
    driven.respond(gate, 200, &[EVENTS], stream.as_bytes());
    driven.finish(gate);
    let text = String::from_utf8(driven.downstream.clone()).unwrap();
    (driven, text)
}

#[test]
fn before_the_modern_era_a_request_of_the_server_does_not_reach_the_client() {
    let rest = "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n";
    let error = "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32603,\"message\":\"The server asks for something that it may not ask for\"}}\n\n";
    for (policy, posted, left) in [
        (json!({"sampling": "strip"}), true, rest),
        (json!({"sampling": "deny"}), true, error),
        // Nobody waits for an answer there.
        (json!({"sampling": "strip"}), false, rest),
        (json!({"sampling": "deny"}), false, rest),
    ] {
        let (driven, text) = streamed(&mut gate(&policy), posted, &sampling());
        assert_eq!(text, left, "{policy} {posted}");
        assert_eq!(driven.completions[0]["found"][0]["why"], "sampling");
    }
    let (_, text) = streamed(&mut gate(&json!({"roots": "deny"})), true, &sampling());
    assert!(text.contains("sampling/createMessage") && text.ends_with(rest), "{text}");
    let (driven, _) =
        streamed(&mut gate(&json!({})), true, &form(json!({"password": {"type": "string"}}), "x"));
    assert_eq!(driven.found, [("refused", "sensitive_form", 1)]);
}

#[test]
fn a_stream_whose_request_was_answered_by_us_ends_soon() {
    let mut gate = gate(&json!({"sampling": "deny"}));
    let mut driven = gate.post(&json!({}), &call("book"));
    let mut message = sampling();
    message["id"] = json!(7);
    driven.feed(&mut gate, Event::ResponseHead { head: response(200, &[EVENTS]), end: false });
    let token_ends = driven.exchange.deadline(&gate.guard).unwrap();
    assert!(token_ends > gate.now);
    let event = format!("data: {message}\n\n");
    driven.feed(&mut gate, Event::ResponseBody { bytes: event.as_bytes(), size: event.len(), end: false });
    assert!(driven.exchange.deadline(&gate.guard).unwrap() <= gate.now);
    driven.feed(&mut gate, Event::Expired);
    driven.finish(&mut gate);
    assert_eq!((driven.resets, &driven.completions[0]["reason"]), (1, &json!("unsafe_response")));
}

#[test]
fn a_request_of_the_server_is_no_answer_of_json() {
    let mut gate = gate(&json!({"sampling": "strip"}));
    let mut message = sampling();
    message["id"] = json!(7);
    let mut driven = gate.post(&json!({}), &call("book"));
    driven.respond(&mut gate, 200, &[JSON], message.to_string().as_bytes());
    assert_eq!(driven.status(), Some(502));
    assert_eq!(driven.found, [("stripped", "sampling", 1)], "and it is counted");
}

#[test]
fn an_error_that_sends_people_elsewhere_is_gated_too() {
    let error = |url: &str| {
        json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -32042, "message": "URL elicitation required",
               "data": {"elicitations": [{"mode": "url", "elicitationId": "e", "url": url, "message": "Go"}]}}})
    };
    for (url, passes) in [("https://login.example.com/a", true), ("https://evil.example/a", false)] {
        let mut gate = gate(&json!({"elicitation": {"url_hosts": ["login.example.com"]}}));
        let mut driven = gate.post(&json!({}), &call("book"));
        driven.respond(&mut gate, 200, &[JSON], error(url).to_string().as_bytes());
        let read: Value = serde_json::from_slice(&driven.downstream).unwrap();
        assert_eq!(read["error"]["code"], if passes { -32042 } else { -32603 }, "{url}");
    }
}
