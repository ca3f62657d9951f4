//! From a request's bytes to the upstream or to the refusal: what becomes of arguments, of defaults, and of schemas.
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
use world::{Driven, Gate, configuration, list, request};

/// A server with these `tools`; `demo` may call what begins with `t` with a `limit` up to 10, and `write` with more scopes.
fn gate(tools: &Value) -> Gate {
    let mut document = configuration(&json!([
        {"id": "some", "allow": {"who": {"scopes": ["mcp:read"]}, "tools": ["t*"], "arguments": {"limit": {"max": 10}}}},
        {"id": "more", "allow": {"who": {"scopes": ["mcp:write"]}, "tools": ["write"], "arguments": {"limit": {"max": 10}}}},
        {"id": "never", "deny": {"who": "any", "tools": ["*"], "arguments": {"mode": {"one_of": ["raw"]}}}},
    ]));
    document["servers"][0]["tools"] = tools.clone();
    Gate::new(&document)
}

fn call(gate: &mut Gate, tool: &str, arguments: &Value) -> Driven {
    let mut message = world::call(tool);
    message["params"]["arguments"] = arguments.clone();
    gate.post(&json!({}), &message)
}

/// Has the caller list tools, as a JSON answer.
fn listed(gate: &mut Gate, tools: &Value) -> Driven {
    let mut driven = gate.post(&json!({}), &list("tools/list"));
    let answer = json!({"jsonrpc": "2.0", "id": 1, "result": {"tools": tools}}).to_string();
    driven.respond(gate, 200, &[("content-type", "application/json")], answer.as_bytes());
    driven
}

#[test]
fn a_refused_argument_is_named_and_its_value_never_is() {
    let mut gate = gate(&json!({}));
    let mut refused = call(&mut gate, "t1", &json!({"limit": 999_777}));
    assert_eq!((refused.status(), refused.upstream.is_some()), (Some(200), false));
    let error = &refused.reply_json()["error"];
    assert_eq!(error["code"], -32602);
    assert_eq!(error["message"], "Argument not allowed: limit (max)");
    assert_eq!(error["data"], json!({"argument": "limit", "constraint": "max"}));
    refused.finish(&mut gate);
    let (decision, completion) = (&refused.decisions[0], &refused.completions[0]);
    assert_eq!(
        (&decision["reason"], &decision["detail"]),
        (&json!("argument_refused"), &json!("limit: max"))
    );
    assert_eq!(decision["rule"], "some");
    assert!(!format!("{decision}{completion}{}", refused.reply_json()).contains("999777"));
    for good in [json!({"limit": 10}), json!({}), json!({"other": 1})] {
        assert!(call(&mut gate, "t1", &good).upstream.is_some(), "{good}");
    }
    let denied = call(&mut gate, "t1", &json!({"mode": "raw"}));
    assert_eq!(denied.reply_json()["error"]["data"], json!({"argument": "mode", "constraint": "one_of"}));
    assert_eq!(denied.decisions[0]["rule"], "never");
}

#[test]
fn arguments_tell_nothing_of_tools_that_are_not_ones_own() {
    let mut gate = gate(&json!({"input_schema": "strict"}));
    listed(
        &mut gate,
        &json!([{"name": "hidden", "inputSchema": {"type": "object"}}, {"name": "t1", "inputSchema": {}}]),
    );
    let plain = call(&mut gate, "hidden", &json!({})).reply_json();
    assert_eq!(plain["error"]["message"], "Unknown tool: hidden");
    for arguments in [json!({"limit": 999}), json!({"mode": "raw"}), json!({"LIMIT": 1})] {
        assert_eq!(call(&mut gate, "hidden", &arguments).reply_json(), plain, "{arguments}");
    }
    let challenged = call(&mut gate, "write", &json!({"limit": 1}));
    assert_eq!(challenged.status(), Some(403));
    let refused = call(&mut gate, "write", &json!({"limit": 11}));
    assert_eq!(refused.decisions[0]["reason"], "argument_refused", "no scope would help");
}

#[test]
fn a_body_that_comes_before_its_caller_is_known_is_judged_all_the_same() {
    for (limit, passes) in [(10, true), (11, false)] {
        let mut gate = gate(&json!({"defaults": [{"tools": "t1", "arguments": {"sort": "date"}}]}));
        gate.forget_keys();
        let mut message = world::call("t1");
        let pad = "x".repeat(30_000);
        message["params"]["arguments"] = json!({"limit": limit, "pad": pad});
        let mut driven = gate.post(&json!({}), &message);
        assert!(driven.upstream.is_none() && driven.replies.is_empty(), "it waits for keys");
        assert!(gate.held.bytes() > 30_000, "what it keeps counts");
        let keys = gate.keys();
        gate.memory.replace_keys(0, keys, gate.now, gate.now);
        driven.feed(&mut gate, Event::KeysFetched);
        assert_eq!(driven.upstream.is_some(), passes, "{limit}");
        if let Some(body) = &driven.upstream {
            let sent: Value = serde_json::from_slice(body).unwrap();
            assert_eq!(sent["params"]["arguments"], json!({"sort": "date", "limit": 10, "pad": pad}));
        }
        drop(driven);
        assert_eq!(gate.held.bytes(), 0);
    }
}

#[test]
fn defaults_are_put_in_before_anything_is_judged_and_nothing_else_changes() {
    let defaults = json!({"defaults": [{"tools": ["t*"], "arguments": {"limit": 5, "mode": "plain"}}]});
    for (body, sent) in [
        (r#"{"arguments":{},"name":"t1"}"#, r#"{"arguments":{"limit":5,"mode":"plain"},"name":"t1"}"#),
        (r#"{"name":"t1", "x": 1}"#, r#"{"name":"t1","arguments":{"limit":5,"mode":"plain"}, "x": 1}"#),
        (
            r#"{"name":"t1","arguments":{ "limit" : 7 }}"#,
            r#"{"name":"t1","arguments":{"mode":"plain", "limit" : 7 }}"#,
        ),
        (
            r#"{"name":"t1","arguments":{"limit":7,"mode":"x"}}"#,
            r#"{"name":"t1","arguments":{"limit":7,"mode":"x"}}"#,
        ),
        (r#"{"name":"t1","arguments":null}"#, r#"{"name":"t1","arguments":null}"#),
    ] {
        let mut gate = gate(&defaults);
        let token = gate.token(&json!({}));
        let whole =
            |params: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
        let driven = gate.post_raw(&[("authorization", &format!("Bearer {token}"))], whole(body).as_bytes());
        assert_eq!(driven.upstream.map(|b| String::from_utf8(b).unwrap()), Some(whole(sent)), "{body}");
    }
    // A default that a rule denies is denied like any other argument.
    let mut gate = gate(&json!({"defaults": [{"tools": "t1", "arguments": {"limit": 11}}]}));
    assert_eq!(call(&mut gate, "t1", &json!({})).decisions[0]["detail"], "limit: max");
    assert!(call(&mut gate, "t2", &json!({})).upstream.is_some(), "of other tools nothing is filled in");
    // What is filled in must fit, too.
    let mut document = configuration(&json!([{"id": "r", "allow": {"who": "any", "tools": ["*"]}}]));
    document["servers"][0]["tools"] =
        json!({"defaults": [{"tools": "*", "arguments": {"a": "x".repeat(200)}}]});
    document["servers"][0]["limits"] = json!({"request_bytes": 200});
    assert_eq!(call(&mut Gate::new(&document), "t", &json!({})).decisions[0]["reason"], "too_large");
}

#[test]
fn a_pin_refuses_every_other_value_and_rewrites_none() {
    let rules = json!([{"id": "r", "allow": {"who": "any", "tools": ["*"], "arguments": {"tenant": {"pin": "acme"}}}}]);
    let mut gate = Gate::with_rules(&rules);
    for (arguments, passes) in [
        (json!({"tenant": "acme"}), true),
        (json!({"tenant": "other"}), false),
        (json!({}), false),
        (json!({"tenant": "acme", "Tenant": "other"}), false),
    ] {
        let driven = call(&mut gate, "t", &arguments);
        assert_eq!(driven.upstream.is_some(), passes, "{arguments}");
        if let Some(sent) = &driven.upstream {
            assert_eq!(serde_json::from_slice::<Value>(sent).unwrap()["params"]["arguments"], arguments);
        }
    }
}

const SCHEMA: &str =
    r#"{"type":"object","properties":{"q":{"type":"string"}},"required":["q"],"additionalProperties":false}"#;

#[test]
fn arguments_are_held_against_the_schema_that_was_listed_last() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let odd = json!({"type": "object", "unevaluatedProperties": false});
    for (mode, unseen, partly, unusable) in [("check", true, true, true), ("strict", false, false, false)] {
        let mut gate = gate(&json!({"input_schema": mode}));
        assert_eq!(
            call(&mut gate, "t1", &json!({"q": "x"})).upstream.is_some(),
            unseen,
            "{mode}: not seen yet"
        );
        let answer = listed(
            &mut gate,
            &json!([{"name": "t1", "inputSchema": schema}, {"name": "t2", "inputSchema": odd}, {"name": "t3", "inputSchema": []}, {"name": "t4"}]),
        );
        assert!(answer.downstream.ends_with(b"}]}}"), "what was read passes as it came");
        for (tool, arguments, passes, said) in [
            ("t1", json!({"q": "x"}), true, "met"),
            ("t1", json!({"q": 1}), false, "unmet"),
            ("t1", json!({}), false, "unmet"),
            ("t1", json!({"q": "x", "z": 1}), false, "unmet"),
            ("t2", json!({"q": "x"}), partly, "partly"),
            ("t3", json!({}), unusable, "unusable"),
            ("t4", json!({}), unusable, "unusable"),
            ("t5", json!({}), unseen, "unseen"),
        ] {
            let driven = call(&mut gate, tool, &arguments);
            assert_eq!(driven.upstream.is_some(), passes, "{mode} {tool} {arguments}");
            assert_eq!(
                (driven.schemas.as_slice(), &driven.decisions[0]["input_schema"]),
                (&[said][..], &json!(said))
            );
        }
        let refused = call(&mut gate, "t1", &json!({"q": "x", "secret": "s3cret"}));
        assert_eq!(
            refused.reply_json()["error"]["data"],
            json!({"argument": "", "constraint": "additionalProperties"})
        );
        assert_eq!(refused.decisions[0]["detail"], "input schema: additionalProperties");
        // A new list counts at once, in a stream of events too.
        let mut driven = gate.post(&json!({}), &list("tools/list"));
        let answer =
            json!({"id": 1, "result": {"tools": [{"name": "t1", "inputSchema": {"required": ["n"]}}]}});
        let stream = format!("data: {answer}\n\n");
        driven.respond(&mut gate, 200, &[("content-type", "text/event-stream")], stream.as_bytes());
        assert!(call(&mut gate, "t1", &json!({"n": 1})).upstream.is_some(), "{mode}");
        assert!(call(&mut gate, "t1", &json!({"q": "x"})).upstream.is_none(), "{mode}");
    }
    let mut off = gate(&json!({}));
    listed(&mut off, &json!([{"name": "t1", "inputSchema": schema}]));
    let driven = call(&mut off, "t1", &json!({"q": 1}));
    assert!(
        driven.upstream.is_some()
            && driven.schemas.is_empty()
            && driven.decisions[0]["input_schema"].is_null()
    );
}

#[test]
fn a_schema_is_learnt_of_lists_alone() {
    for media in ["application/json", "text/event-stream"] {
        let mut gate = gate(&json!({"input_schema": "strict"}));
        listed(&mut gate, &json!([{"name": "t1", "inputSchema": {"required": ["n"]}}]));
        let mut driven = call(&mut gate, "t1", &json!({"n": 1}));
        let forged = json!({"id": 1, "result": {"tools": [{"name": "t1", "inputSchema": {}}]}}).to_string();
        let body = if media == "text/event-stream" { format!("data: {forged}\n\n") } else { forged };
        driven.respond(&mut gate, 200, &[("content-type", media)], body.as_bytes());
        assert!(call(&mut gate, "t1", &json!({"q": "x"})).upstream.is_none(), "{media}");
    }
}

#[test]
fn structured_content_is_flagged_or_withheld() {
    let tools = json!([{"name": "t1", "inputSchema": {}, "outputSchema": {"properties": {"n": {"type": "integer"}}, "required": ["n"]}}]);
    let conforming = json!({"content": [], "structuredContent": {"n": 1}});
    let violating = json!({"content": [], "structuredContent": {"n": "s3cret"}});
    let modern = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "t1")];
    for (mode, era, media) in [
        ("flag", "legacy", "application/json"),
        ("block", "legacy", "application/json"),
        ("block", "modern", "application/json"),
        ("block", "modern", "text/event-stream"),
        ("flag", "modern", "text/event-stream"),
    ] {
        for (result, said) in
            [(&conforming, "conforms"), (&violating, "violates"), (&json!({"content": []}), "violates")]
        {
            let mut gate = gate(&json!({"output_schema": mode}));
            listed(&mut gate, &tools);
            let mut message = world::call("t1");
            let token = format!("Bearer {}", gate.token(&json!({})));
            let mut fields = vec![("authorization", token.as_str())];
            if era == "modern" {
                message["params"]["_meta"] = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28"});
                fields.extend(modern);
            }
            let mut driven = gate.post_raw(&fields, message.to_string().as_bytes());
            assert!(driven.upstream.is_some(), "{:?}", driven.replies);
            let answer = json!({"jsonrpc": "2.0", "id": 1, "result": result}).to_string();
            let body = if media.starts_with("text") { format!("data: {answer}\n\n") } else { answer };
            driven.respond(&mut gate, 200, &[("content-type", media)], body.as_bytes());
            driven.finish(&mut gate);
            let withheld = mode == "block" && said == "violates";
            let what = format!("{mode} {era} {media} {result}");
            assert_eq!(driven.downstream == body.as_bytes(), !withheld, "{what}");
            assert_eq!(driven.schemas, [said], "{what}");
            assert_eq!(driven.completions[0]["output_schema"], said, "{what}");
            let reason = if withheld { "unsafe_response" } else { "allowed" };
            assert_eq!(driven.completions[0]["reason"], reason, "{what}");
            assert!(!driven.completions[0].to_string().contains("s3cret"));
        }
    }
}

#[test]
fn an_upstream_sees_no_head_that_a_default_makes_wrong() {
    let mut gate = gate(&json!({"defaults": [{"tools": "t1", "arguments": {"limit": 5}}]}));
    let token = format!("Bearer {}", gate.token(&json!({})));
    let mut driven = gate.begin();
    let fields = [
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("authorization", token.as_str()),
    ];
    driven.feed(&mut gate, Event::RequestHead { head: request("POST", "/mcp", &fields), end: false });
    let body = world::call("t1").to_string();
    driven.feed(&mut gate, Event::RequestBody(body.as_bytes()));
    let sent = driven.upstream.clone().unwrap();
    driven.finish(&mut gate);
    assert_eq!(driven.completions[0]["request_bytes"], sent.len());
    assert!(sent.len() > body.len());
}
