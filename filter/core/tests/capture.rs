//! What was said is written down where a rule asks for it, and only there: redacted, bounded, and of what reached the client.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail that way"
)]

mod world;

use serde_json::{Value, json};
use wicketgate_core::exchange::step::ResponseMode;
use world::{Driven, Gate, call, configuration, list};

const JSON: (&str, &str) = ("content-type", "application/json");
const EVENTS: (&str, &str) = ("content-type", "text/event-stream");
const SECRET: &str = "AKIAQ3EGRIVCJHX2LT5W";

/// `seen` and what `refuses` names are written down, `plain` is not.
fn gate() -> Gate {
    let any = |tools: Value| json!({"who": "any", "tools": tools});
    let mut document = configuration(&json!([
        {"id": "seen", "capture": "redacted", "allow": {"who": "any", "tools": ["seen"], "arguments": {"limit": {"max": 10}}}},
        {"id": "plain", "capture": "off", "allow": any(json!(["plain", "bad"]))},
        {"id": "refuses", "capture": "redacted", "deny": any(json!(["bad"]))},
    ]));
    document["servers"][0]["content"] = json!([
        {"id": "tickets", "applies": {"tools": ["other"]}, "keys": ["ticket"], "action": "flag"},
        {"id": "iban", "detect": ["iban"], "action": "block"},
    ]);
    document["servers"][0]["clients"] = json!([{"name": "layered", "rules": [
        {"id": "layer", "capture": "redacted", "allow": any(json!(["seen"]))},
    ]}]);
    Gate::new(&document)
}

fn said(gate: &mut Gate, tool: &str, arguments: &Value, fields: &[(&str, &str)], answer: &str) -> Driven {
    let mut message = call(tool);
    message["params"]["arguments"] = arguments.clone();
    let mut driven = gate.post(&json!({}), &message);
    if driven.upstream.is_some() {
        driven.respond(gate, 200, fields, answer.as_bytes());
    }
    driven.finish(gate);
    driven
}

#[test]
fn what_a_rule_asks_for_is_written_down_without_secrets_and_else_nothing() {
    let arguments = json!({"key": SECRET, "ticket": "T-1", "limit": 5});
    let result = json!({"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": format!("mail a@example.com {SECRET}")}]}}).to_string();
    let events = format!("data: {{\"method\":\"notifications/progress\"}}\n\ndata: {result}\n\n");
    let left = r#"{"content":[{"text":"mail [redacted:email] [redacted:credentials]","type":"text"}]}"#;
    for (fields, body) in [(JSON, &result), (EVENTS, &events)] {
        let mut gate = gate();
        let driven = said(&mut gate, "seen", &arguments, &[fields], body);
        let (decision, completion) = (&driven.decisions[0], &driven.completions[0]);
        assert_eq!(
            decision["arguments"], r#"{"key":"[redacted:credentials]","limit":5,"ticket":"[redacted:key]"}"#,
            "and what any rule of the server means"
        );
        assert_eq!(completion["answer"], left);
        assert!(!format!("{decision}{completion}").contains(SECRET));
        assert_eq!(driven.downstream, body.as_bytes(), "what is written down changes nothing");
        let silent = said(&mut gate, "plain", &arguments, &[fields], body);
        assert!(silent.decisions[0].get("arguments").is_none(), "{:?}", silent.decisions);
        assert!(silent.completions[0].get("answer").is_none(), "{:?}", silent.completions);
    }
}

#[test]
fn what_is_refused_is_written_down_too_and_what_did_not_pass_is_not() {
    let mut gate = gate();
    let refused = said(&mut gate, "bad", &json!({"path": "/etc"}), &[JSON], "");
    assert_eq!(refused.decisions[0]["arguments"], r#"{"path":"/etc"}"#);
    let too_many = said(&mut gate, "seen", &json!({"limit": 11}), &[JSON], "");
    assert_eq!(
        (&too_many.decisions[0]["reason"], &too_many.decisions[0]["arguments"]),
        (&json!("argument_refused"), &json!(r#"{"limit":11}"#))
    );
    let blocked = r#"{"jsonrpc":"2.0","id":1,"result":{"x":"to DE89370400440532013000"}}"#;
    for (fields, body) in [(JSON, blocked.to_owned()), (EVENTS, format!("data: {blocked}\n\n"))] {
        let driven = said(&mut gate, "seen", &json!({}), &[fields], &body);
        assert_eq!(driven.completions[0]["reason"], "unsafe_response");
        assert!(driven.completions[0].get("answer").is_none(), "{:?}", driven.completions);
    }
    let text = said(&mut gate, "seen", &json!({}), &[("content-type", "text/plain")], "{\"result\":1}");
    assert!(text.completions[0].get("answer").is_none(), "only what clients read as an answer");
}

#[test]
fn it_is_bounded_and_a_rule_of_a_layer_may_ask_for_it() {
    let mut gate = gate();
    let many: Vec<String> = (0..60).map(|at| format!("{at} {}", "x".repeat(200))).collect();
    let answer = json!({"id": 1, "result": {"structuredContent": many}}).to_string();
    let driven = said(&mut gate, "seen", &json!({"all": many}), &[JSON], &answer);
    for text in [&driven.decisions[0]["arguments"], &driven.completions[0]["answer"]] {
        let text = text.as_str().unwrap();
        assert!(text.len() <= 2048 && text.ends_with("[cut]"), "{}", text.len());
    }
    let mut message = call("seen");
    message["params"]["arguments"] = json!({"a": 1});
    let mut layered = gate.post(&json!({"client_id": "layered"}), &message);
    layered.finish(&mut gate);
    assert_eq!(layered.decisions[0]["arguments"], r#"{"a":1}"#, "{:?}", layered.decisions);
    let listed = gate.post(&json!({}), &list("tools/list"));
    assert!(listed.decisions[0].get("arguments").is_none());
    assert_ne!(listed.exchange.response_mode(), ResponseMode::Whole);
}
