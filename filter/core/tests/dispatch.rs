//! How allowed requests go on: which header fields Envoy is told by, whose route counts, and what becomes of a server that is late.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail that way"
)]

mod world;

use std::time::Duration;

use serde_json::{Value, json};
use wicketgate_core::exchange::step::{Event, ResponseMode};
use world::{Driven, Gate, call, list, request};

fn gate(dispatch: &Value, routes: Option<Value>) -> Gate {
    let rules =
        json!([{"id": "all", "allow": {"who": {"scopes": ["mcp:read"]}, "tools": ["*"], "prompts": ["*"]}}]);
    let mut configuration = world::configuration(&rules);
    configuration["servers"][0]["dispatch"] = dispatch.clone();
    if let Some(routes) = routes {
        configuration["servers"][0]["match"] = json!({"routes": routes});
    }
    Gate::new(&configuration)
}

/// A request, on which Envoy would take this route.
fn ask(gate: &mut Gate, message: &Value, route: Option<&str>) -> Driven {
    let bearer = format!("Bearer {}", gate.token(&json!({})));
    let fields = [
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("authorization", bearer.as_str()),
        ("x-wicketgate-branch", "heavy"),
        ("x-envoy-upstream-rq-timeout-ms", "1"),
    ];
    gate.route = route.map(str::to_owned);
    let mut driven = gate.begin();
    driven.feed(gate, Event::RequestHead { head: request("POST", "/mcp", &fields), end: false });
    driven.feed(gate, Event::RequestBody(message.to_string().as_bytes()));
    driven
}

fn heavy() -> Value {
    json!([{"tools": ["run_small"], "begins": "500ms"},
           {"tools": ["run_*"], "ends": "2m", "begins": "1s", "branch": "heavy"},
           {"methods": ["prompts/*"], "ends": "30s"}])
}

#[test]
fn envoy_is_told_by_fields_of_ours_and_the_first_entry_counts() {
    const BEGINS: &str = "x-envoy-upstream-rq-per-try-timeout-ms";
    const ENDS: &str = "x-envoy-upstream-rq-timeout-ms";
    for (message, route, told) in [
        (call("run_small"), "mcp_demo", vec![(BEGINS, "500")]),
        (
            call("run_report"),
            "mcp_demo.heavy",
            vec![(BEGINS, "1000"), (ENDS, "120000"), ("x-wicketgate-branch", "heavy")],
        ),
        (list("prompts/list"), "mcp_demo", vec![(ENDS, "30000")]),
        (call("get_note"), "mcp_demo", vec![]),
    ] {
        let mut gate = gate(&heavy(), None);
        let driven = ask(&mut gate, &message, Some(route));
        assert!(driven.upstream.is_some(), "{message}: {:?}", driven.decisions);
        let told: Vec<_> =
            told.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(driven.set_request_headers, told, "{message}");
        for name in ["x-wicketgate-branch", ENDS] {
            assert!(
                driven.removed_request_headers.iter().any(|removed| removed == name),
                "the client's {name}"
            );
        }
    }
}

/// An answer to `tools/list` in which `set_note` may be called twice, and `add_note` may not.
fn listed() -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "result": {"tools": [
        {"name": "set_note", "annotations": {"idempotentHint": true}},
        {"name": "get_note", "annotations": {"readOnlyHint": true}},
        {"name": "twice", "annotations": {"readOnlyHint": false}},
        {"name": "twice", "annotations": {"idempotentHint": true}},
        {"name": "add_note"},
        {"name": "own", "annotations": {"idempotentHint": true}},
    ]}})
}

#[test]
fn only_what_does_no_harm_is_asked_once_more() {
    let entries = json!([{"tools": ["own"], "begins": "1s"}, {"tools": ["*"], "retries": 2},
                         {"methods": ["tools/list", "server/discover", "initialize"], "retries": 1}]);
    let mut gate = gate(&entries, None);
    let told = |gate: &mut Gate, message: &Value| {
        let driven = ask(gate, message, None);
        assert!(driven.upstream.is_some(), "{message}: {:?}", driven.decisions);
        driven.set_request_headers.into_iter().filter(|(name, _)| name.contains("retr")).collect::<Vec<_>>()
    };
    let times = |times: &str| {
        let when = "connect-failure,refused-stream,reset";
        vec![
            ("x-envoy-retry-on".to_owned(), when.to_owned()),
            ("x-envoy-max-retries".to_owned(), times.to_owned()),
        ]
    };
    assert_eq!(told(&mut gate, &call("set_note")), [], "nothing is known of it yet");
    assert_eq!(told(&mut gate, &list("tools/list")), times("1"));
    let mut driven = ask(&mut gate, &list("tools/list"), None);
    let body = listed().to_string();
    driven.respond(&mut gate, 200, &[("content-type", "application/json")], body.as_bytes());
    for (tool, retries) in [
        ("set_note", Some("2")),
        ("get_note", Some("2")),
        ("twice", None),
        ("add_note", None),
        ("unlisted", None),
        ("own", None),
    ] {
        assert_eq!(told(&mut gate, &call(tool)), retries.map(times).unwrap_or_default(), "{tool}");
    }
}

#[test]
fn envoy_must_take_one_of_the_roads_of_the_server() {
    let named = || Some(json!(["first", "second"]));
    for (message, routes, route, allowed) in [
        (call("run_report"), None, Some("mcp_demo.heavy"), true),
        (call("run_report"), None, Some("mcp_demo"), true),
        (call("run_report"), None, Some("mcp_other"), false),
        (call("run_report"), None, None, false),
        (call("get_note"), None, Some("mcp_demo"), true),
        (call("get_note"), None, Some("mcp_demo.heavy"), true),
        (call("get_note"), None, Some("mcp_demo.light"), false),
        (call("get_note"), None, None, false),
        (call("run_report"), named(), Some("first.heavy"), true),
        (call("run_report"), named(), Some("second.heavy"), false),
        (call("run_report"), named(), Some("mcp_demo.heavy"), false),
        (call("get_note"), named(), Some("second"), true),
        (call("get_note"), named(), Some("first.heavy"), true),
    ] {
        let mut gate = gate(&heavy(), routes.clone());
        let driven = ask(&mut gate, &message, route);
        let status = (!allowed).then_some(500);
        assert_eq!(driven.status(), status, "{message} {routes:?} {route:?}");
        assert_eq!(driven.upstream.is_some(), allowed, "{message} {routes:?} {route:?}");
    }
}

#[test]
fn whoever_has_no_branches_is_not_asked_for_a_route() {
    let mut gate = gate(&json!([{"tools": ["*"], "ends": "1m"}]), None);
    assert!(ask(&mut gate, &call("run_report"), None).upstream.is_some());
}

#[test]
fn a_server_that_is_late_is_told_in_our_words() {
    let mut gate = gate(&json!([{"tools": ["*"], "begins": "1s"}]), None);
    let mut driven = ask(&mut gate, &call("run_report"), None);
    let mut head = world::response(504, &[("content-type", "text/plain")]);
    head.by_host = true;
    driven.feed(&mut gate, Event::ResponseHead { head, end: false });
    assert_eq!(driven.status(), Some(504));
    assert_eq!(driven.reply_json()["error"]["code"], -31012);
    driven.finish(&mut gate);
    assert_eq!(driven.completions[0]["reason"], "timed_out");
    assert_eq!(driven.decisions.len(), 1, "invariant 2");

    // One of the server's own passes.
    let mut driven = ask(&mut gate, &call("run_report"), None);
    driven.respond(&mut gate, 504, &[("content-type", "text/plain")], b"mine");
    assert_eq!(driven.status(), None);
}

#[test]
fn an_answer_that_was_cut_off_is_known_by_its_time() {
    for (later, end, reason) in [
        (59, "none", "allowed"),
        (61, "none", "timed_out"),
        (61, "body", "allowed"),
        (61, "trailers", "allowed"),
    ] {
        let mut gate = gate(&json!([{"tools": ["*"], "ends": "1m"}]), None);
        let mut driven = ask(&mut gate, &call("run_report"), None);
        let head = world::response(200, &[("content-type", "text/event-stream")]);
        driven.feed(&mut gate, Event::ResponseHead { head, end: false });
        let event = b": hello\n\n";
        driven.feed(&mut gate, Event::ResponseBody { bytes: event, size: event.len(), end: end == "body" });
        if end == "trailers" {
            assert_eq!(driven.exchange.ends_by_trailers(), ResponseMode::Stream);
        }
        gate.now = gate.now.plus(Duration::from_secs(later));
        driven.finish(&mut gate);
        assert_eq!(driven.completions[0]["reason"], reason, "{later} {end}");
        assert_eq!(driven.counts.contains(&"timed_out"), reason == "timed_out");
    }
}
