//! Does the walk ask every check? Each request here is sound but for one thing, and is refused for that.
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
use wicketgate_core::head::ResponseHead;
use world::{Driven, Fields, Gate, call, configuration, request};

const JSON: (&str, &str) = ("content-type", "application/json");
const ANY: (&str, &str) = ("accept", "application/json, text/event-stream");
const MODERN: (&str, &str) = ("mcp-protocol-version", "2026-07-28");

fn gate() -> Gate {
    Gate::new(&with_limits(&json!({"request_bytes": "1KiB"})))
}

fn with_limits(limits: &Value) -> Value {
    let rules = json!([{"id": "read", "allow": {"who": {"scopes": ["mcp:read"]}, "tools": ["search_*"]}}]);
    let mut configuration = configuration(&rules);
    configuration["servers"][0]["limits"] = limits.clone();
    configuration
}

/// A whole exchange: this verb, these fields besides a good token, and a body if there is one.
fn ask(gate: &mut Gate, verb: &str, fields: Fields<'_>, body: Option<&str>) -> Driven {
    let bearer = format!("Bearer {}", gate.token(&json!({})));
    let fields = [&[("authorization", bearer.as_str())], fields].concat();
    let mut driven = gate.begin();
    let head = request(verb, "/mcp", &fields);
    driven.feed(gate, Event::RequestHead { head, end: body.is_none() });
    if let Some(body) = body.filter(|_| driven.replies.is_empty()) {
        driven.feed(gate, Event::RequestBody(body.as_bytes()));
    }
    driven
}

/// The status, and the reason in the record.
fn refusal(driven: &Driven) -> (Option<u16>, &str) {
    assert!(driven.upstream.is_none(), "{:?}", driven.decisions);
    (driven.status(), driven.decisions[0]["reason"].as_str().unwrap())
}

#[test]
fn one_thing_amiss_in_a_head_is_enough() {
    let good = call("search_x").to_string();
    let mut gate = gate();
    assert!(ask(&mut gate, "POST", &[JSON, ANY], Some(&good)).upstream.is_some());
    let same_host = [JSON, ANY, ("host", "Gate.example")];
    assert!(ask(&mut gate, "POST", &same_host, Some(&good)).upstream.is_some());
    let cases: [(Fields<'_>, u16, &str); 12] = [
        (&[JSON, ANY, ("origin", "https://evil.example")], 403, "origin_refused"),
        (&[("content-type", "text/plain"), ANY], 415, "unsupported_media_type"),
        (&[JSON, ANY, ("content-encoding", "gzip")], 415, "unsupported_media_type"),
        (&[JSON, ("accept", "text/html")], 406, "not_acceptable"),
        (&[JSON, ANY, ("content-length", "1025")], 413, "too_large"),
        (&[JSON, ANY, ("content-length", "x")], 400, "invalid_request"),
        (&[JSON, ANY, ("last-event-id", "1"), ("last-event-id", "1")], 400, "header_mismatch"),
        (&[JSON, ANY, ("mcp-param-a", "1"), ("mcp-param-a", "2")], 400, "header_mismatch"),
        (&[JSON, ANY, ("mcp-new", "1"), ("mcp-new", "1")], 400, "header_mismatch"),
        (&[JSON, ANY, ("host", "evil.example")], 400, "header_mismatch"),
        (&[JSON, ANY, ("host", "gate.example"), ("host", "gate.example")], 400, "header_mismatch"),
        (&[JSON, ANY, ("mcp-session-id", "a b")], 400, "invalid_request"),
    ];
    for (fields, status, reason) in cases {
        let driven = ask(&mut gate, "POST", fields, Some(&good));
        assert_eq!(refusal(&driven), (Some(status), reason), "{fields:?}");
    }
    let without = ask(&mut gate, "POST", &[JSON, ANY], None);
    assert_eq!(refusal(&without), (Some(400), "parse_error"), "no body");
}

#[test]
fn the_modern_era_has_one_verb() {
    let mut gate = gate();
    for verb in ["GET", "DELETE"] {
        let driven = ask(&mut gate, verb, &[ANY, MODERN], None);
        assert_eq!(refusal(&driven), (Some(405), "method_not_allowed"), "{verb}");
    }
}

#[test]
fn a_body_is_bounded_whatever_its_head_said() {
    let padded = |bytes: usize| {
        let call = call("search_x").to_string();
        format!("{call}{}", " ".repeat(bytes - call.len()))
    };
    let mut gate = gate();
    assert!(ask(&mut gate, "POST", &[JSON, ANY], Some(&padded(1024))).upstream.is_some());
    let over = ask(&mut gate, "POST", &[JSON, ANY], Some(&padded(1025)));
    assert_eq!(refusal(&over), (Some(413), "too_large"));
}

#[test]
fn a_revision_that_is_not_spoken_is_refused_with_the_id() {
    let mut gate = gate();
    let unknown = [JSON, ANY, ("mcp-protocol-version", "2099-01-01")];
    let driven = ask(&mut gate, "POST", &unknown, Some(&call("search_x").to_string()));
    assert_eq!(refusal(&driven), (Some(400), "unsupported_version"));
    assert_eq!(driven.reply_json()["id"], 1);
}

#[test]
fn a_server_of_the_modern_era_alone_takes_no_legacy_request() {
    let mut configuration = with_limits(&json!({}));
    configuration["servers"][0]["versions"] = json!(["2026-07-28"]);
    let mut gate = Gate::new(&configuration);
    let initialize = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    for message in [call("search_x"), initialize] {
        let driven = ask(&mut gate, "POST", &[JSON, ANY], Some(&message.to_string()));
        assert_eq!(refusal(&driven), (Some(400), "unsupported_version"), "{message}");
    }
}

#[test]
fn a_request_without_a_revision_is_of_the_first_one_but_for_initialize() {
    let mut configuration = with_limits(&json!({}));
    configuration["servers"][0]["versions"] = json!(["2025-06-18"]);
    let mut gate = Gate::new(&configuration);
    let good = call("search_x").to_string();
    let own = [JSON, ANY, ("mcp-protocol-version", "2025-06-18")];
    assert!(ask(&mut gate, "POST", &own, Some(&good)).upstream.is_some());
    let driven = ask(&mut gate, "POST", &[JSON, ANY], Some(&good));
    assert_eq!(refusal(&driven), (Some(400), "unsupported_version"));
    assert_eq!(driven.reply_json()["id"], 1);
    for verb in ["GET", "DELETE"] {
        let driven = ask(&mut gate, verb, &[("accept", "text/event-stream")], None);
        assert_eq!(refusal(&driven), (Some(400), "unsupported_version"), "{verb}");
    }
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    let initialize = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params});
    let begun = ask(&mut gate, "POST", &[JSON, ANY], Some(&initialize.to_string()));
    assert!(begun.upstream.is_some(), "the server says which one is spoken");
}

#[test]
fn a_newer_revision_is_inspected_where_the_server_says_so() {
    let meta = |version: &str| json!({"io.modelcontextprotocol/protocolVersion": version});
    let ask_in = |newer: Option<&str>, tool: &str, said: &str| {
        let mut configuration = with_limits(&json!({}));
        if let Some(newer) = newer {
            configuration["servers"][0]["newer_versions"] = json!(newer);
        }
        let mut message = call(tool);
        message["params"]["_meta"] = meta(said);
        let fields = [
            JSON,
            ANY,
            ("mcp-protocol-version", "2027-01-31"),
            ("mcp-method", "tools/call"),
            ("mcp-name", tool),
        ];
        let driven = ask(&mut Gate::new(&configuration), "POST", &fields, Some(&message.to_string()));
        (driven.upstream.is_some(), driven.decisions[0]["reason"].as_str().unwrap().to_owned())
    };
    let refused = |reason: &str| (false, reason.to_owned());
    assert_eq!(ask_in(None, "search_x", "2027-01-31"), refused("unsupported_version"));
    assert_eq!(ask_in(Some("refuse"), "search_x", "2027-01-31"), refused("unsupported_version"));
    assert_eq!(ask_in(Some("inspect"), "search_x", "2027-01-31"), (true, "allowed".to_owned()));
    assert_eq!(ask_in(Some("inspect"), "drop", "2027-01-31"), refused("not_allowed"));
    assert_eq!(ask_in(Some("inspect"), "search_x", "2026-07-28"), refused("header_mismatch"));
}

#[test]
fn a_notification_has_no_id() {
    let mut gate = gate();
    let mut message =
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}});
    let sent = ask(&mut gate, "POST", &[JSON, ANY], Some(&message.to_string()));
    assert!(sent.upstream.is_some());
    message["id"] = json!(1);
    let driven = ask(&mut gate, "POST", &[JSON, ANY], Some(&message.to_string()));
    assert_eq!(refusal(&driven), (Some(400), "invalid_request"));
    assert_eq!(driven.reply_json()["id"], 1);
}

#[test]
fn a_principal_has_a_bucket_of_its_own() {
    let mut gate = Gate::new(&with_limits(&json!({"principal": {"rate": "1/m", "burst": 2}})));
    let mut calls = |subject: &str| gate.post(&json!({"sub": subject}), &call("search_x")).upstream.is_some();
    let taken: Vec<_> = ["alice", "alice", "alice", "bob"].into_iter().map(&mut calls).collect();
    assert_eq!(taken, [true, true, false, true]);
}

#[test]
fn discovery_is_neither_limited_nor_counted() {
    let limits = json!({"principal": {"rate": "1/d", "burst": 1}, "streams": 1});
    let mut gate = Gate::new(&with_limits(&limits));
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28"});
    let discover = json!({"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {"_meta": meta}});
    let fields = [JSON, ANY, MODERN, ("mcp-method", "server/discover")];
    let call = call("search_x").to_string();
    for (method, fields, body, passes) in [
        ("a call", &fields[..2], &call, true),
        ("another", &fields[..2], &call, false),
        ("discovery", &fields, &discover.to_string(), true),
    ] {
        assert_eq!(ask(&mut gate, "POST", fields, Some(body)).upstream.is_some(), passes, "{method}");
    }
}

#[test]
fn a_discovery_that_is_a_stream_counts_from_its_answer_on() {
    let mut gate = Gate::new(&with_limits(&json!({"streams": 2})));
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28"});
    let discover = json!({"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {"_meta": meta}});
    let fields = [JSON, ANY, MODERN, ("mcp-method", "server/discover")];
    let events = ("Content-Type", "Text/Event-Stream; charset=utf-8");
    let begun = |gate: &mut Gate, answers: bool| {
        let mut driven = ask(gate, "POST", &fields, Some(&discover.to_string()));
        assert!(driven.upstream.is_some(), "it goes on whatever is open");
        gate.store_fails = !answers;
        driven.feed(gate, Event::ResponseHead { head: world::response(200, &[events]), end: false });
        gate.store_fails = false;
        driven
    };
    let mut open = [begun(&mut gate, true), begun(&mut gate, true)];
    assert!(open.iter().all(|driven| driven.replies.is_empty()));
    let mut refused = begun(&mut gate, true);
    assert_eq!((refused.status(), refused.reply_json()["id"].clone()), (Some(429), json!(1)));
    refused.finish(&mut gate);
    assert_eq!(refused.completions[0]["reason"], "too_many_streams");
    let mut whole = ask(&mut gate, "POST", &fields, Some(&discover.to_string()));
    whole.respond(&mut gate, 200, &[JSON], b"{}");
    assert_eq!(
        (whole.status(), whole.downstream.as_slice()),
        (None, &b"{}"[..]),
        "what is no stream never counts"
    );
    open[0].finish(&mut gate);
    assert_eq!(begun(&mut gate, false).status(), Some(503), "without its store nobody knows");
    assert!(begun(&mut gate, true).replies.is_empty());
}

#[test]
fn each_limit_counts_what_it_says() {
    let two = json!({"rate": "1/d", "burst": 2});
    let named = |names: &[&str], per: &str| json!([{"names": names, "rate": "1/d", "burst": 2, "per": per}]);
    let of = |sub: &str, client: &str, org: &str| json!({"sub": sub, "client_id": client, "org": org});
    let (alice, bob) = (of("alice", "cli", "acme"), of("bob", "cli", "acme"));
    let (carol, dave) = (of("carol", "web", "acme"), of("dave", "web", "other"));
    let cases = [
        (json!({"client": two}), "client", [true, true, false, true]),
        (json!({"organization": two}), "organization", [true, true, false, false]),
        (json!({"source": two}), "source", [true, true, false, false]),
        (json!({"server": two}), "server", [true, true, false, false]),
        (
            json!({"methods": named(&["tools/*"], "client")}),
            "methods per client: tools/*",
            [true, true, false, true],
        ),
        (
            json!({"tools": named(&["search_*"], "server")}),
            "tools per server: search_*",
            [true, true, false, false],
        ),
        (json!({"methods": named(&["ping"], "server")}), "", [true; 4]),
        (json!({"tools": named(&["run_*"], "server")}), "", [true; 4]),
    ];
    for (limits, name, expected) in cases {
        let mut gate = Gate::new(&with_limits(&limits));
        let answers = [&alice, &bob, &alice, &carol].map(|who| gate.post(who, &call("search_x")));
        assert_eq!(answers.each_ref().map(|a| a.upstream.is_some()), expected, "{limits}");
        for refused in answers.iter().filter(|a| a.upstream.is_none()) {
            assert_eq!(refusal(refused), (Some(429), "rate_limited"));
            assert_eq!(refused.decisions[0]["detail"], name);
        }
        let elsewhere = gate.post(&dave, &call("search_x")).upstream.is_some();
        assert_eq!(elsewhere, !name.contains("server") && name != "source", "{limits}");
    }
}

#[test]
fn a_principal_floods_from_no_number_of_addresses() {
    let mut gate = Gate::new(&with_limits(&json!({"flood": {"rate": "1/d", "burst": 3}})));
    let mut asked = |subject: &str, address: &str, tool: &str| {
        let bearer = format!("Bearer {}", gate.token(&json!({"sub": subject})));
        let mut driven = gate.begin();
        let mut head = request("POST", "/mcp", &[JSON, ANY, ("authorization", &bearer)]);
        head.source = Some(address.to_owned());
        driven.feed(&mut gate, Event::RequestHead { head, end: false });
        if driven.replies.is_empty() {
            driven.feed(&mut gate, Event::RequestBody(call(tool).to_string().as_bytes()));
        }
        let record = driven.decisions[0].clone();
        let known = record["detail"] != "flood of a source";
        assert_eq!(
            record["principal"]["subject"] == *subject,
            known,
            "the record names who is known: {record}"
        );
        (driven.upstream.is_some(), record["detail"].as_str().unwrap_or_default().to_owned())
    };
    for n in 1..=3 {
        assert!(!asked("mallory", &format!("10.0.0.{n}"), "not_allowed").0, "denied calls count too");
    }
    assert_eq!(asked("mallory", "10.0.0.9", "search_x"), (false, "flood of a principal".to_owned()));
    for subject in ["alice", "alice", "bob", "carol"] {
        assert!(
            asked(subject, "10.0.0.4", "search_x").0,
            "{subject}: who is known does not spend of an address"
        );
    }
    assert_eq!(asked("dave", "10.0.0.4", "search_x"), (false, "flood of a source".to_owned()));
    assert!(asked("alice", "10.0.0.4", "search_x").0, "whoever else floods there");
}

#[test]
fn an_answer_that_comes_before_the_verdict_is_withheld_and_errors_of_the_host_pass() {
    let mut gate = gate();
    for (status, by_host, expected) in [
        (200, false, Some(502)),
        (302, false, Some(502)),
        (404, false, Some(502)),
        (200, true, Some(502)),
        (413, true, None),
    ] {
        let bearer = format!("Bearer {}", gate.token(&json!({})));
        let mut driven = gate.begin();
        let head = request("POST", "/mcp", &[JSON, ANY, ("authorization", &bearer)]);
        driven.feed(&mut gate, Event::RequestHead { head, end: false });
        let head = ResponseHead { by_host, ..world::response(status, &[JSON]) };
        driven.feed(&mut gate, Event::ResponseHead { head, end: true });
        assert_eq!(driven.status(), expected, "{status}");
        assert_eq!(driven.decisions[0]["verdict"], "deny", "{status}");
    }
}

#[test]
fn what_turns_out_unsafe_becomes_an_error_where_its_head_is_gone() {
    let mut gate = gate();
    let list = world::list("tools/list");
    for (hold_headers, status) in [(true, Some(502)), (false, None)] {
        gate.guard.hold_headers = hold_headers;
        let mut driven = gate.post(&json!({}), &list);
        driven.respond(&mut gate, 201, &[JSON], br#"{"result":{"tools":[{"name":"hidden"}"#);
        driven.finish(&mut gate);
        assert_eq!((driven.status(), driven.resets), (status, 0));
        let body = if hold_headers { &driven.replies[0].2 } else { &driven.downstream };
        let body: Value = serde_json::from_slice(body).unwrap();
        assert_eq!((&body["error"]["code"], &body["id"]), (&json!(-32603), &json!(1)));
        let (status, reason) = (&driven.completions[0]["status"], &driven.completions[0]["reason"]);
        assert_eq!(
            (status, reason),
            (&json!(if hold_headers { 502 } else { 201 }), &json!("unsafe_response"))
        );
    }
}

#[test]
fn keys_that_could_just_not_be_had_are_not_fetched_again_at_once() {
    let mut gate = gate();
    gate.forget_keys();
    gate.memory.keys.failed(0, gate.now);
    let driven = ask(&mut gate, "POST", &[JSON, ANY], Some(&call("search_x").to_string()));
    assert_eq!(refusal(&driven), (Some(503), "unavailable"));
    assert_eq!(driven.wants_keys, None);
}

#[test]
fn buckets_that_do_not_answer_deny() {
    let mut gate = gate();
    gate.buckets_fail = true;
    let driven = ask(&mut gate, "POST", &[JSON, ANY], Some(&call("search_x").to_string()));
    assert_eq!(refusal(&driven), (Some(503), "unavailable"), "invariant 3");
    assert_eq!(driven.decisions[0]["detail"], "rate limit store");
}
