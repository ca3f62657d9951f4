//! What becomes of a request on a server with a Rego policy? From the first header to the records.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail that way"
)]

mod rego;
mod world;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rego::{Compiled, compile, policy};
use serde_json::{Value, json};
use wicketgate_core::exchange::step::Event;
use world::{Gate, configuration, list, request};

/// A configuration with these rules and this policy.
fn gate(rules: &Value, rego: &str) -> Gate {
    let mut document = configuration(rules);
    document["servers"][0]["rego"] = compiled(rego);
    if rules == &json!([]) {
        document["servers"][0].as_object_mut().unwrap().remove("rules");
    }
    Gate::new(&document)
}

/// This policy as a configuration holds it.
fn compiled(rego: &str) -> Value {
    let Compiled::Yes(packed) = compile(&[policy(rego)]) else { panic!("refused: {rego}") };
    json!({
        "tool_labels": [{"names": ["write_*"], "labels": {"risk": "high"}}],
        "compiled": {
            "program": STANDARD.encode(&packed.program), "digest": packed.digest, "module": packed.module.as_str(),
            "visible": packed.visible, "arguments": packed.reads.arguments, "headers": packed.reads.headers,
            "source": packed.reads.source, "time": packed.reads.time,
        },
    })
}

fn call(tool: &str, arguments: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": tool, "arguments": arguments}})
}

const POLICY: &str = "default allow := false\nallow if {\n\tnot denied\n\tinput.arguments.n < 10\n}\n\
                      denied if startswith(input.arguments.path, \"/etc\")\n\
                      visible if input.tool.labels.risk != \"high\"\nvisible if not input.tool.labels.risk";

#[test]
fn rules_decide_first_and_rego_narrows() {
    let rules =
        json!([{"id": "readers", "allow": {"who": {"scopes": ["mcp:read"]}, "tools": ["get_*", "write_*"]}}]);
    let mut gate = gate(&rules, POLICY);
    let reader = json!({"scope": "mcp:read"});
    let mut judged = |claims: &Value, tool: &str, arguments: Value| {
        let driven = gate.post(claims, &call(tool, arguments));
        let record = driven.decisions[0].clone();
        (driven.upstream.is_some(), record)
    };
    let (passed, record) = judged(&reader, "get_note", json!({"n": 1}));
    assert!(passed);
    assert_eq!(
        (&record["rule"], &record["rego"]["verdict"]),
        (&json!("readers"), &json!("allow")),
        "{record}"
    );
    for (tool, arguments, why) in [
        ("get_note", json!({"n": 10}), "false"),
        ("get_note", json!({"n": 1, "path": "/etc/passwd"}), "false"),
        ("get_note", json!({}), "false"),
        ("write_note", json!({"n": 1}), "not visible"),
    ] {
        let (passed, record) = judged(&reader, tool, arguments);
        assert!(!passed, "{record}");
        assert_eq!((&record["rule"], &record["reason"]), (&json!("rego"), &json!("not_allowed")), "{record}");
        assert_eq!(record["rego"]["why"], json!(why), "{record}");
    }
    let (passed, record) = judged(&reader, "get_note", json!({"n": 1, "path": 5}));
    assert!(!passed);
    assert_eq!(
        (&record["reason"], &record["detail"]),
        (&json!("policy_failed"), &json!("an error inside the policy")),
        "{record}"
    );
    let (passed, record) = judged(&reader, "drop", json!({"n": 1}));
    assert!(!passed && record["rego"].is_null(), "no rule allows it, so Rego is not asked: {record}");
    let (passed, record) = judged(&json!({"scope": "other"}), "get_note", json!({"n": 1}));
    assert!(!passed && record["rego"].is_null(), "{record}");
    assert_eq!(record["reason"], "insufficient_scope");
}

#[test]
fn rego_alone_decides_about_whoever_is_known() {
    let mut gate = gate(&json!([]), POLICY);
    let driven = gate.post(&json!({}), &call("anything", json!({"n": 1})));
    assert!(driven.upstream.is_some());
    assert_eq!(driven.decisions[0]["rule"], "rego");
    let driven = gate.post(&json!({}), &list("tools/list"));
    assert!(driven.upstream.is_some(), "handshake and lists are not asked about");
    let driven = gate.post_raw(&[], call("anything", json!({"n": 1})).to_string().as_bytes());
    assert_eq!(driven.decisions[0]["reason"], "missing_credential");
}

#[test]
fn lists_hide_what_is_not_visible() {
    let mut gate = gate(&json!([]), POLICY);
    let mut driven = gate.post(&json!({}), &list("tools/list"));
    let tools = json!({"tools": [{"name": "get_note"}, {"name": "write_note"}, {"name": "other"}]});
    let answer = json!({"jsonrpc": "2.0", "id": 7, "result": tools}).to_string();
    driven.respond(&mut gate, 200, &[("content-type", "application/json")], answer.as_bytes());
    let seen: Value = serde_json::from_slice(&driven.downstream).unwrap();
    assert_eq!(seen["result"]["tools"], json!([{"name": "get_note"}, {"name": "other"}]));
}

#[test]
fn a_step_up_is_a_challenge_and_a_failure_reads_like_an_absence() {
    let rego = "allow := {\"allow\": true, \"reasons\": [\"writes\"], \"obligations\": {\"scopes\": [\"mcp:write\"]}}";
    let mut gate = gate(&json!([]), rego);
    let driven = gate.post(&json!({"scope": "mcp:read"}), &call("t", json!({})));
    assert_eq!(driven.status(), Some(403));
    assert!(driven.reply_header("www-authenticate").unwrap().contains("scope=\"mcp:write\""));
    assert_eq!(driven.decisions[0]["verdict"], "challenge");
    assert_eq!(driven.decisions[0]["rego"]["reasons"], json!(["writes"]));
    let driven = gate.post(&json!({"scope": "mcp:write"}), &call("t", json!({})));
    assert!(driven.upstream.is_some());
    let mut failing = self::gate(&json!([]), "allow if input.arguments.n + 1 > 0");
    let driven = failing.post(&json!({}), &call("t", json!({"n": "x"})));
    assert_eq!(driven.reply_json()["error"]["message"], "Unknown tool: t");
    assert_eq!(driven.counts, ["policy_failed"]);
}

/// A server whose policy obliges calls of `export` to something.
fn obliging() -> Gate {
    let policy = "allow := {\"allow\": true, \"obligations\": {\"redact\": [\"mails\"], \"limit\": [\"exports\"]}} if input.tool.name == \"export\"\nelse := true";
    let mut document = configuration(&json!([]));
    let server = &mut document["servers"][0];
    server["rego"] = compiled(policy);
    server["limits"] = json!({"obliged": [{"id": "exports", "rate": "1/h"}, {"id": "other", "rate": "1/h"}]});
    server["sessions"] = json!({"unknown": "adopt"});
    server["content"] = json!([
        {"id": "mails", "applies": {"obliged": true}, "detect": ["email"], "action": "mask"},
        {"id": "never", "applies": {"obliged": true}, "detect": ["phone"], "action": "block"},
    ]);
    server.as_object_mut().unwrap().remove("rules");
    Gate::new(&document)
}

const MAIL: &str = r#"{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"a@example.com, +49 30 901820"}]}}"#;

#[test]
fn a_call_is_answered_as_the_policy_obliges_and_spends_of_what_it_names() {
    let mut gate = obliging();
    let mut answered = |tool: &str, session: Option<&str>| {
        let token = format!("Bearer {}", gate.token(&json!({})));
        let mut fields = vec![("authorization", token.as_str())];
        fields.extend(session.map(|id| ("mcp-session-id", id)));
        let mut driven = gate.post_raw(&fields, call(tool, json!({})).to_string().as_bytes());
        if driven.upstream.is_some() {
            driven.respond(&mut gate, 200, &[("content-type", "application/json")], MAIL.as_bytes());
        }
        driven
    };
    let driven = answered("export", None);
    let masked = MAIL.replace("a@example.com", "[redacted:email]");
    assert_eq!(String::from_utf8_lossy(&driven.downstream), masked);
    let said = &driven.decisions[0]["rego"];
    assert_eq!((&said["redact"], &said["limit"]), (&json!(["mails"]), &json!(["exports"])), "{said}");
    let driven = answered("read", None);
    assert_eq!(String::from_utf8_lossy(&driven.downstream), MAIL, "obliged to nothing");
    assert!(driven.decisions[0]["rego"].get("redact").is_none());
    let driven = answered("export", None);
    assert_eq!(driven.status(), Some(429));
    assert_eq!(driven.decisions[0]["detail"], "obliged per principal: exports");
    assert!(answered("read", None).upstream.is_some(), "whoever is not obliged spends nothing of it");
    // There one may get the answer to the other's request.
    let driven = answered("read", Some("s"));
    assert_eq!(driven.status(), Some(502), "in a session every rule counts for every answer");
}

#[test]
fn an_obligation_holds_whichever_way_the_answer_comes() {
    let policy = "allow := {\"allow\": true, \"obligations\": {\"redact\": [\"mails\"]}} if input.tool.name == \"export\"\nelse := true";
    // Whether the server has a policy that may oblige anybody to a rule which is about others.
    for policy in [None, Some(policy)] {
        let mut document = configuration(&json!([{"id": "all", "allow": {"who": "any", "tools": ["*"]}}]));
        let server = &mut document["servers"][0];
        if let Some(policy) = policy {
            server["rego"] = compiled(policy);
        }
        server["sessions"] = json!({"unknown": "adopt"});
        server["content"] = json!([
            {"id": "mails", "applies": {"who": {"roles": ["x"]}}, "detect": ["email"], "action": "mask"},
        ]);
        let mut gate = Gate::new(&document);
        let bearer = format!("Bearer {}", gate.token(&json!({})));
        let fields = [("authorization", bearer.as_str()), ("mcp-session-id", "s")];
        let stream = format!("data: {MAIL}\n\n");
        let [json, events] = ["application/json", "text/event-stream"].map(|kind| [("content-type", kind)]);
        let mut seen = Vec::new();
        // The stream of the session, another call in it, the same call by itself, the result of a task.
        let mut driven = gate.begin();
        let head = request("GET", "/mcp", &[&fields[..], &[("accept", "text/event-stream")]].concat());
        driven.feed(&mut gate, Event::RequestHead { head, end: true });
        driven.respond(&mut gate, 200, &events, stream.as_bytes());
        seen.push(driven.downstream);
        let task = json!({"jsonrpc": "2.0", "id": 7, "method": "tasks/result", "params": {"taskId": "t"}});
        for (fields, message) in [
            (&fields[..], call("read", json!({}))),
            (&fields[..1], call("read", json!({}))),
            (&fields[..1], task),
        ] {
            let mut driven = gate.post_raw(fields, message.to_string().as_bytes());
            assert!(driven.upstream.is_some(), "{message}: {:?}", driven.decisions);
            driven.respond(&mut gate, 200, &json, MAIL.as_bytes());
            seen.push(driven.downstream);
        }
        let masked: Vec<bool> =
            seen.iter().map(|seen| String::from_utf8_lossy(seen).contains("[redacted:email]")).collect();
        assert_eq!(masked, if policy.is_some() { [true, true, false, true] } else { [false; 4] });
    }
}
