//! What do layers, addresses and rules that only tell make of a request, and what is written down of it?
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
use world::{Driven, Gate, call, configuration, list, response};

const SSE: (&str, &str) = ("content-type", "text/event-stream");
const JSON: (&str, &str) = ("content-type", "application/json");

fn with(keys: &Value) -> Value {
    let rules = json!([
        {"id": "all", "allow": {"who": "any", "tools": ["*"]}},
        {"id": "trial", "deny": {"who": "any", "tools": ["old_*"]}, "mode": "shadow"},
        {"id": "inside", "allow": {"who": {"addresses": ["10.0.0.0/8"]}, "prompts": ["*"]}},
    ]);
    let mut configuration = configuration(&rules);
    configuration["servers"][0]["origins"] = json!(["https://one.example", "https://two.example"]);
    for (key, value) in keys.as_object().unwrap() {
        configuration["servers"][0][key] = value.clone();
    }
    configuration
}

fn of_client(keys: &Value) -> Gate {
    let mut layer = keys.clone();
    layer["name"] = json!("c1");
    Gate::new(&with(&json!({"clients": [layer]})))
}

/// Status (200 where it went on), reason and rule.
fn told(driven: &Driven) -> (u16, String, Value) {
    let record = &driven.decisions[0];
    let status = driven.status().unwrap_or(200);
    assert_eq!(driven.upstream.is_some(), record["verdict"] == "allow", "{record}");
    (status, record["reason"].as_str().unwrap().to_owned(), record["rule"].clone())
}

fn denied(status: u16, reason: &str, rule: &str) -> (u16, String, Value) {
    (status, reason.to_owned(), json!(rule))
}

#[test]
fn the_keys_of_a_client_are_asked_on_the_way() {
    let mut gate = of_client(&json!({
        "allowed_tools": ["get_*"], "max_request_size": 200, "max_requests_per_minute": 2, "allowed_origins": ["https://one.example"]
    }));
    assert_eq!(
        told(&gate.post(&json!({}), &call("get_a"))),
        (200, "allowed".into(), json!("clients[c1].allowed_tools"))
    );
    let refused = gate.post(&json!({}), &call("put_a"));
    assert_eq!(told(&refused), denied(200, "not_allowed", "clients[c1].allowed_tools"));
    let large = call(&format!("get_{}", "a".repeat(200)));
    assert_eq!(
        told(&gate.post(&json!({}), &large)),
        denied(413, "too_large", "clients[c1].max_request_size")
    );
    assert_eq!(told(&gate.post(&json!({"client_id": "web"}), &large)).1, "allowed", "another client");

    let bearer = format!("Bearer {}", gate.token(&json!({})));
    for (origin, status) in [("https://two.example", 403), ("https://one.example", 200)] {
        let fields = [("authorization", bearer.as_str()), ("origin", origin)];
        let asked = gate.post_raw(&fields, call("get_a").to_string().as_bytes());
        assert_eq!(asked.status().unwrap_or(200), status, "{origin}");
        if status == 403 {
            assert_eq!(told(&asked), denied(403, "origin_refused", "clients[c1].allowed_origins"));
        }
    }
    let third = gate.post(&json!({}), &call("get_a"));
    assert_eq!(
        (told(&third).0, &third.decisions[0]["detail"]),
        (429, &json!("clients[c1].max_requests_per_minute"))
    );
}

#[test]
fn addresses_are_asked_before_anything_else() {
    let mut gate = Gate::new(&with(
        &json!({"addresses": {"allow": ["10.0.0.0/8", "2001:db8::/32"], "deny": ["10.9.0.0/16"]}}),
    ));
    for (source, passes) in [
        (Some("10.1.1.1"), true),
        (Some("::ffff:10.1.1.1"), true),
        (Some("2001:db8::1"), true),
        (Some("10.9.1.1"), false),
        (Some("192.0.2.1"), false),
        (None, false),
    ] {
        gate.source = source;
        let asked = gate.post(&json!({}), &call("get_a"));
        assert_eq!(asked.upstream.is_some(), passes, "{source:?}");
        if !passes {
            assert_eq!(
                (asked.status(), &asked.decisions[0]["reason"]),
                (Some(403), &json!("address_refused"))
            );
            assert!(asked.decisions[0]["principal"].is_null(), "before the token is looked at");
        }
    }
}

#[test]
fn a_rule_may_mean_an_address() {
    let prompt = json!({"jsonrpc": "2.0", "id": 1, "method": "prompts/get", "params": {"name": "p"}});
    let listed = json!({"jsonrpc": "2.0", "id": 1, "result": {"prompts": [{"name": "p"}]}}).to_string();
    let mut gate = Gate::new(&with(&json!({})));
    for (source, passes) in [(Some("10.1.1.1"), true), (Some("192.0.2.1"), false), (None, false)] {
        gate.source = source;
        assert_eq!(gate.post(&json!({}), &prompt).upstream.is_some(), passes, "{source:?}");
        let mut asked = gate.post(&json!({}), &list("prompts/list"));
        asked.respond(&mut gate, 200, &[JSON], listed.as_bytes());
        assert_eq!(String::from_utf8(asked.downstream).unwrap().contains("\"p\""), passes, "{source:?}");
    }
}

#[test]
fn what_only_tells_is_written_down_and_counted() {
    let mut gate = Gate::new(&with(&json!({})));
    let passed = gate.post(&json!({}), &call("old_a"));
    assert_eq!(told(&passed), (200, "allowed".into(), json!("all")));
    assert_eq!(passed.decisions[0]["shadow"], json!({"verdict": "would_deny", "rule": "trial"}));
    assert_eq!(passed.counts, ["allowed", "would_deny"]);
    let other = gate.post(&json!({}), &call("get_a"));
    assert_eq!((&other.decisions[0]["shadow"], other.counts), (&Value::Null, vec!["allowed"]));
}

/// A tool list as a server gives it, in both shapes of an answer.
fn tools(entries: &[(&str, Value)]) -> String {
    let tools: Vec<Value> = entries
        .iter()
        .map(|(name, hint)| json!({"name": name, "annotations": {"readOnlyHint": hint}}))
        .collect();
    json!({"jsonrpc": "2.0", "id": 1, "result": {"tools": tools}}).to_string()
}

fn seen(driven: Driven) -> Vec<String> {
    let text = String::from_utf8(driven.downstream).unwrap();
    let json: Value = serde_json::from_str(text.trim_start_matches("data: ").trim()).unwrap();
    json["result"]["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn the_sandbox_opens_what_was_listed_as_read_only() {
    for streamed in [false, true] {
        let mut gate = of_client(&json!({"sandbox_mode": true}));
        let listed = |gate: &mut Gate, client: &str, entries: &[(&str, Value)]| {
            let mut asked = gate.post(&json!({"client_id": client}), &list("tools/list"));
            let body = tools(entries);
            let (fields, body) = if streamed { (SSE, format!("data: {body}\n\n")) } else { (JSON, body) };
            asked.respond(gate, 200, &[fields], body.as_bytes());
            asked.finish(gate);
            seen(asked)
        };
        let goes_on = |gate: &mut Gate, client: &str, tool: &str| {
            let mut called = gate.post(&json!({"client_id": client}), &call(tool));
            called.finish(gate);
            called.upstream.is_some()
        };
        let unknown = gate.post(&json!({}), &call("read"));
        assert_eq!(
            told(&unknown),
            denied(200, "not_allowed", "clients[c1].sandbox_mode"),
            "nothing is known yet"
        );
        let all = [("read", json!(true)), ("write", json!(false)), ("odd", json!("true"))];
        assert_eq!(listed(&mut gate, "c1", &all), ["read"]);
        assert!(goes_on(&mut gate, "c1", "read"));
        assert!(!goes_on(&mut gate, "c1", "write"));
        assert!(goes_on(&mut gate, "web", "write"));
        // What anybody is told of it counts for everybody.
        assert_eq!(listed(&mut gate, "web", &[("read", json!(false))]), ["read"]);
        assert!(!goes_on(&mut gate, "c1", "read"));
        let twice = [("write", json!(false)), ("write", json!(true))];
        assert!(listed(&mut gate, "c1", &twice).is_empty(), "what stands twice is what it is at worst");
        assert!(!goes_on(&mut gate, "c1", "write"));
    }
}

#[test]
fn only_an_answer_to_a_list_says_what_a_tool_is() {
    let mut gate = of_client(&json!({"sandbox_mode": true}));
    let mut web = gate.post(&json!({"client_id": "web"}), &call("anything"));
    web.respond(&mut gate, 200, &[JSON], tools(&[("write", json!(true))]).as_bytes());
    assert!(gate.post(&json!({}), &call("write")).upstream.is_none());
}

#[test]
fn a_store_that_fails_keeps_the_sandbox_shut() {
    let mut gate = of_client(&json!({"sandbox_mode": true}));
    let mut asked = gate.post(&json!({}), &list("tools/list"));
    gate.store_fails = true;
    asked.respond(&mut gate, 200, &[JSON], tools(&[("read", json!(true))]).as_bytes());
    assert_eq!(asked.status(), Some(503), "{:?}", asked.downstream);
}

#[test]
fn nothing_that_a_server_asks_reaches_the_sandbox() {
    let event = |message: Value| format!("data: {message}\n\n");
    let ask = event(json!({"jsonrpc": "2.0", "id": 9, "method": "sampling/createMessage", "params": {}}));
    let result = event(json!({"jsonrpc": "2.0", "id": 1, "result": {"content": []}}));
    let progress = event(json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {}}));
    let stream = format!("{ask}{progress}{result}");
    let input =
        json!({"jsonrpc": "2.0", "id": 1, "result": {"resultType": "input_required", "inputRequests": {}}});
    let modern = |claims: Value, gate: &mut Gate| {
        let bearer = format!("Bearer {}", gate.token(&claims));
        let fields = [
            ("authorization", bearer.as_str()),
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", "read"),
        ];
        let mut message = call("read");
        message["params"]["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
        });
        gate.post_raw(&fields, message.to_string().as_bytes())
    };
    for (client, passes) in [("web", true), ("c1", false)] {
        let mut gate = of_client(&json!({"sandbox_mode": true}));
        let mut asked = gate.post(&json!({"client_id": client}), &list("tools/list"));
        asked.respond(&mut gate, 200, &[JSON], tools(&[("read", json!(true))]).as_bytes());
        let claims = json!({"client_id": client});
        for at in 0..2 {
            let mut called =
                if at == 0 { gate.post(&claims, &call("read")) } else { modern(claims.clone(), &mut gate) };
            assert!(called.upstream.is_some(), "{client}: {:?}", called.decisions);
            called.respond(&mut gate, 200, &[SSE], stream.as_bytes());
            let text = String::from_utf8(called.downstream).unwrap();
            assert_eq!(text.contains("sampling"), passes, "{client} {at}");
            assert!(text.contains("progress") && text.contains("content"), "{client} {at}");
        }
        let mut called = modern(claims, &mut gate);
        called.feed(&mut gate, Event::ResponseHead { head: response(200, &[JSON]), end: false });
        let bytes = input.to_string();
        called.feed(&mut gate, Event::ResponseBody { bytes: bytes.as_bytes(), size: bytes.len(), end: true });
        assert_eq!(called.status() == Some(502), !passes, "{client}: {:?}", called.replies);
    }
}

#[test]
fn who_has_no_credential_may_what_is_named_for_him() {
    let keys = json!({"name": "anonymous", "require_auth": false, "allowed_tools": ["get_a"]});
    let mut configuration = with(&json!({"clients": [keys]}));
    let open = json!({"id": "open", "delegable": {"who": "anonymous", "tools": ["get_*"]}});
    configuration["servers"][0]["rules"].as_array_mut().unwrap().push(open);
    let mut gate = Gate::new(&configuration);
    let anonymous = |gate: &mut Gate, tool| gate.post_raw(&[], call(tool).to_string().as_bytes());
    assert_eq!(
        told(&anonymous(&mut gate, "get_a")),
        (200, "allowed".into(), json!("clients[anonymous].allowed_tools"))
    );
    assert_eq!(told(&anonymous(&mut gate, "get_b")).1, "missing_credential");
    let mut closed = Gate::new(&with(&json!({})));
    assert_eq!(told(&anonymous(&mut closed, "get_a")).1, "missing_credential");
}
