//! Is every request written down once, also where the host answers in our place or fails us?
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail that way"
)]

mod world;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use wicketgate_core::exchange::Exchange;
use wicketgate_core::exchange::step::{Effect, Event, Unseen};
use wicketgate_core::head::RequestHead;
use world::{Gate, call, request};

fn unseen() -> Unseen {
    Unseen {
        method: "GET".into(),
        path: "/mcp?token=secret".into(),
        source: Some("127.0.0.1".into()),
        request_id: Some("r1".into()),
        status: 431,
        details: Some("http1.headers_too_large".into()),
    }
}

fn lines(effects: &[Effect]) -> Vec<Value> {
    let line = |effect: &Effect| match effect {
        Effect::RecordDecision(line) | Effect::RecordCompletion(line) => serde_json::from_str(line).ok(),
        _ => None,
    };
    effects.iter().filter_map(line).collect()
}

#[test]
fn a_request_that_the_host_answered_before_us_is_written_down_as_the_host_tells_it() {
    let gate = Gate::with_rules(&json!([]));
    let mut exchange = Exchange::new(gate.now);
    let mut effects = exchange.unseen(unseen(), &gate.guard, gate.now);
    effects.extend(exchange.finish(&gate.guard, gate.now, Duration::ZERO));
    let [decision, completion] = lines(&effects).try_into().unwrap();
    assert_eq!(
        (&decision["record"], &decision["verdict"], &decision["reason"], &decision["detail"]),
        (&json!("decision"), &json!("deny"), &json!("answered_by_host"), &json!("http1.headers_too_large"))
    );
    assert_eq!((&decision["path"], &decision["request_id"]), (&json!("/mcp"), &json!("r1")), "no query");
    assert_eq!((&completion["status"], &completion["request_id"]), (&json!(431), &json!("r1")));
    assert_eq!(effects.iter().filter(|e| matches!(e, Effect::Count("answered_by_host"))).count(), 1);
}

#[test]
fn who_leaves_before_the_host_answers_is_gone() {
    let gate = Gate::with_rules(&json!([]));
    let mut exchange = Exchange::new(gate.now);
    let mut effects = exchange.unseen(Unseen { status: 0, ..unseen() }, &gate.guard, gate.now);
    effects.extend(exchange.finish(&gate.guard, gate.now, Duration::ZERO));
    let [decision, _] = lines(&effects).try_into().unwrap();
    assert_eq!((&decision["reason"], &decision["verb"]), (&json!("client_gone"), &json!("GET")));
}

#[test]
fn what_the_host_tells_changes_nothing_once_a_header_came() {
    let mut gate = Gate::with_rules(&json!([]));
    let mut driven = gate.post(&json!({}), &json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}));
    assert!(!driven.exchange.is_unseen());
    assert!(driven.exchange.unseen(unseen(), &gate.guard, gate.now).is_empty());
    driven.finish(&mut gate);
    assert_eq!((driven.decisions.len(), driven.completions.len()), (1, 1));
    assert_ne!(driven.completions[0]["status"], 431);
}

#[test]
fn a_host_that_fails_denies_and_is_written_down() {
    let gate = Gate::with_rules(&json!([]));
    let mut exchange = Exchange::new(gate.now);
    let mut effects = exchange.give_up("the request headers could not be read", &gate.guard, gate.now);
    effects.extend(exchange.finish(&gate.guard, gate.now, Duration::ZERO));
    let [decision, completion] = lines(&effects).try_into().unwrap();
    assert_eq!(
        (&decision["verdict"], &decision["reason"], &decision["detail"]),
        (&json!("deny"), &json!("internal"), &json!("the request headers could not be read"))
    );
    assert_eq!((&completion["reason"], &completion["status"]), (&json!("internal"), &json!(500)));
}

#[test]
fn a_host_that_fails_to_let_a_request_go_on_denies_it_on_record() {
    let rules = json!([{"id": "read", "allow": {"who": {"scopes": ["mcp:read"]}, "tools": ["*"]}}]);
    let mut gate = Gate::with_rules(&rules);
    gate.host_fails = true;
    let mut driven = gate.post(&json!({}), &world::call("get_note"));
    assert!(driven.decisions.is_empty() && driven.upstream.is_none());
    let what = "a request header could not be set";
    let mut effects = driven.exchange.give_up(what, &gate.guard, gate.now);
    assert!(effects.contains(&Effect::CountServer { server: 0, allowed: false }), "{effects:?}");
    effects.extend(driven.exchange.finish(&gate.guard, gate.now, Duration::ZERO));
    let [decision, completion] = lines(&effects).try_into().unwrap();
    assert_eq!(
        (&decision["verdict"], &decision["reason"], &decision["detail"]),
        (&json!("deny"), &json!("internal"), &json!(what))
    );
    assert_eq!(decision["operation"]["targets"][0]["name"], "get_note", "{decision}");
    assert_eq!((&completion["verdict"], &completion["status"]), (&json!("deny"), &json!(500)));
}

#[test]
fn a_host_that_fails_later_changes_no_record() {
    let rules = json!([{"id": "read", "allow": {"who": {"scopes": ["mcp:read"]}, "tools": ["*"]}}]);
    let mut gate = Gate::with_rules(&rules);
    let mut driven = gate.post(&json!({}), &world::call("get_note"));
    assert_eq!(driven.decisions[0]["verdict"], "allow");
    let mut effects =
        driven.exchange.give_up("the response headers could not be read", &gate.guard, gate.now);
    effects.extend(driven.exchange.finish(&gate.guard, gate.now, Duration::ZERO));
    let [completion] = lines(&effects).try_into().unwrap();
    assert_eq!((&completion["verdict"], &completion["reason"]), (&json!("allow"), &json!("internal")));
}

#[test]
fn a_record_is_bounded_whatever_a_head_says() {
    let mut gate = Gate::with_rules(&json!([]));
    let long = "x".repeat(60_000);
    let mut driven = gate.begin();
    let head = request(&long, &format!("/{long}"), &[]);
    let head = RequestHead { request_id: Some(long.clone()), ..head };
    driven.feed(&mut gate, Event::RequestHead { head, end: true });
    driven.finish(&mut gate);
    for record in [&driven.decisions[0], &driven.completions[0]] {
        assert!(record.to_string().len() < 2000, "{record}");
    }
    let mut exchange = Exchange::new(gate.now);
    let told = Unseen { method: long.clone(), path: long.clone(), request_id: Some(long), ..unseen() };
    for line in lines(&exchange.unseen(told, &gate.guard, gate.now)) {
        assert!(line.to_string().len() < 2000, "{line}");
    }
}

#[test]
fn no_record_and_no_reply_holds_the_token() {
    let rules = json!([{"id": "read", "allow": {"who": {"scopes": ["mcp:read"]}, "tools": ["search_*"]}}]);
    let mut gate = Gate::with_rules(&rules);
    let token = gate.token(&json!({}));
    let broken = format!("{token}x");
    for credential in [token, broken] {
        let mut driven = gate.post_raw(
            &[("authorization", &format!("Bearer {credential}"))],
            call("nope").to_string().as_bytes(),
        );
        driven.finish(&mut gate);
        let signature = credential.rsplit('.').next().unwrap();
        let written = format!("{:?}{:?}{:?}", driven.decisions, driven.completions, driven.exchange);
        assert!(!written.contains(signature), "invariant 7");
        assert!(!String::from_utf8_lossy(&driven.replies[0].2).contains(signature), "invariant 7");
    }
}

/// A gate where Envoy may say to which trace a request belongs, and the head of one of which it says this one.
fn traced_by(trace: &str, traced: bool, rules: &Value) -> (Gate, RequestHead) {
    let mut configuration = world::configuration(rules);
    configuration["traced"] = json!(traced);
    let gate = Gate::new(&configuration);
    let (bearer, said) = (format!("Bearer {}", gate.token(&json!({}))), format!("{trace}-b7ad6b7169203331"));
    let fields = [
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("authorization", bearer.as_str()),
        ("x-wicketgate-trace", said.as_str()),
    ];
    (gate, request("POST", "/mcp", &fields))
}

/// Envoy's word for where in a trace a request is counts where the configuration says that it speaks; else it is a client's.
#[test]
fn a_decision_names_envoys_trace_and_the_clients() {
    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const THEIRS: &str = "11111111111111111111111111111111";
    let rules = json!([{"id": "all", "allow": {"who": {"scopes": ["mcp:read"]}, "tools": ["*"]}}]);
    for (traced, meta, named) in [
        (true, format!("00-{THEIRS}-b7ad6b7169203331-01"), [json!(TRACE), json!(THEIRS)]),
        (true, "garbage".to_owned(), [json!(TRACE), Value::Null]),
        (false, format!("00-{THEIRS}-b7ad6b7169203331-01"), [Value::Null, json!(THEIRS)]),
    ] {
        let (mut gate, head) = traced_by(TRACE, traced, &rules);
        let mut message = call("get_note");
        message["params"]["_meta"] = json!({"traceparent": meta});
        let mut driven = gate.begin();
        driven.feed(&mut gate, Event::RequestHead { head, end: false });
        driven.feed(&mut gate, Event::RequestBody(message.to_string().as_bytes()));
        assert!(driven.removed_request_headers.iter().any(|name| name == "x-wicketgate-trace"), "{traced}");
        let decision = &driven.decisions[0];
        assert_eq!([decision["trace"].clone(), decision["client_trace"].clone()], named, "{traced} {meta}");
    }
}

/// What stands in the span of a trace is what stands in the records; of a trace that nobody keeps nothing is told.
#[test]
fn a_span_tells_what_was_decided() {
    let rules = json!([
        {"id": "notes", "allow": {"who": {"scopes": ["mcp:read"]}, "tools": ["get_*"]}},
    ]);
    let (kept, left) = ("357f8686-5b38-9034-9ce4-b3dad4b670d3", "357f8686-5b38-4034-9ce4-b3dad4b670d3");
    let words = |verdict: &str, reason: &str, rule: Option<&str>, method: &str, tool: Option<&str>| {
        let all = [
            ("wicketgate_verdict", Some(verdict)),
            ("wicketgate_reason", Some(reason)),
            ("wicketgate_rule", rule),
            ("wicketgate_server", Some("demo")),
            ("wicketgate_method", Some(method)),
            ("wicketgate_tool", tool),
        ];
        all.into_iter().filter_map(|(name, word)| Some((name, word?.to_owned()))).collect::<BTreeMap<_, _>>()
    };
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    for (traced, id, message, told) in [
        (
            true,
            kept,
            call("get_note"),
            words("allow", "unsafe_response", Some("notes"), "tools/call", Some("get_note")),
        ),
        (true, kept, call("drop"), words("deny", "not_allowed", None, "tools/call", Some("drop"))),
        (
            true,
            kept,
            call("eyJhbGciOi.eyJzdWIi.c2ln"),
            words("deny", "not_allowed", None, "tools/call", Some("***")),
        ),
        (true, kept, list, words("allow", "unsafe_response", Some("notes"), "tools/list", None)),
        (true, left, call("get_note"), BTreeMap::new()),
        (false, kept, call("get_note"), BTreeMap::new()),
    ] {
        let (mut gate, mut head) = traced_by("0af7651916cd43dd8448eb211c80319c", traced, &rules);
        head.request_id = Some(id.to_owned());
        let mut driven = gate.begin();
        driven.feed(&mut gate, Event::RequestHead { head, end: false });
        driven.feed(&mut gate, Event::RequestBody(message.to_string().as_bytes()));
        if driven.replies.is_empty() {
            driven.respond(&mut gate, 200, &[("content-type", "application/json")], b"{");
        }
        driven.finish(&mut gate);
        assert_eq!(driven.span, told, "{traced} {id} {message}");
    }
}
