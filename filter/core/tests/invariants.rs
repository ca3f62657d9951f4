//! What holds for every exchange, whatever the host feeds and whoever asks? Generated, not chosen.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail that way"
)]

mod world;

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};
use wicketgate_core::bindings::table::Finding;
use wicketgate_core::exchange::step::{Event, NoLease};
use wicketgate_core::limits::store::Outcome;
use wicketgate_core::limits::streams;
use world::{Gate, call, list, request, response};

/// An event, as data.
#[derive(Clone, Debug)]
enum Fed {
    Head { verb: &'static str, token: bool, end: bool },
    Body(usize),
    TooLarge,
    BodyBegins,
    Keys,
    Taken(usize),
    Consulted(usize),
    StreamCounted(usize),
    Leased(usize),
    Expired,
    Answer { status: u16, media: &'static str, end: bool },
    Chunk { bytes: Vec<u8>, end: bool },
    AnswerTooLarge,
}

const BODIES: [&str; 4] = [
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t1"}}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"hidden"}}"#,
    "nonsense",
];

fn fed() -> impl Strategy<Value = Fed> {
    let verb = prop_oneof![4 => Just("POST"), 1 => Just("GET"), 1 => Just("DELETE"), 1 => Just("PATCH")];
    let media = prop_oneof![Just("application/json"), Just("text/event-stream"), Just("text/plain")];
    prop_oneof![
        3 => (verb, any::<bool>(), any::<bool>()).prop_map(|(verb, token, end)| Fed::Head { verb, token, end }),
        3 => (0..BODIES.len()).prop_map(Fed::Body),
        1 => Just(Fed::TooLarge),
        1 => Just(Fed::BodyBegins),
        1 => Just(Fed::Keys),
        1 => (0..OUTCOMES.len()).prop_map(Fed::Taken),
        1 => (0..FINDINGS.len()).prop_map(Fed::Consulted),
        1 => (0..STREAMS.len()).prop_map(Fed::StreamCounted),
        1 => (0..3_usize).prop_map(Fed::Leased),
        1 => Just(Fed::Expired),
        2 => (prop_oneof![Just(200u16), Just(404), Just(503)], media, any::<bool>())
            .prop_map(|(status, media, end)| Fed::Answer { status, media, end }),
        2 => (vec(any::<u8>(), 0..20), any::<bool>()).prop_map(|(bytes, end)| Fed::Chunk { bytes, end }),
        1 => Just(Fed::AnswerTooLarge),
    ]
}

const OUTCOMES: [Option<Outcome>; 5] = [
    Some(Outcome::Admitted { remaining: 0 }),
    None,
    Some(Outcome::Refused { retry_after: Duration::from_secs(1) }),
    Some(Outcome::Full),
    Some(Outcome::Corrupt),
];

const FINDINGS: [Option<Finding>; 5] =
    [None, Some(Finding::Own), Some(Finding::Foreign), Some(Finding::Unknown), Some(Finding::Corrupt)];

const STREAMS: [Option<streams::Outcome>; 3] =
    [None, Some(streams::Outcome::Admitted), Some(streams::Outcome::Refused)];

fn rules() -> Value {
    json!([{"id": "r", "allow": {"who": {"scopes": ["mcp:read"]}, "tools": ["t*"]}}])
}

fn feed(driven: &mut world::Driven, gate: &mut Gate, event: &Fed, bearer: &str) {
    match event {
        Fed::Head { verb, token, end } => {
            let headers = [
                ("content-type", "application/json"),
                ("accept", "application/json, text/event-stream"),
                ("authorization", bearer),
            ];
            let head = request(verb, "/mcp", if *token { &headers } else { &headers[..2] });
            driven.feed(gate, Event::RequestHead { head, end: *end });
        }
        Fed::Body(which) => driven.feed(gate, Event::RequestBody(BODIES[*which].as_bytes())),
        Fed::TooLarge => driven.feed(gate, Event::RequestTooLarge),
        Fed::BodyBegins => driven.feed(gate, Event::BodyBegins),
        Fed::Keys => driven.feed(gate, Event::KeysFetched),
        Fed::Taken(which) => driven.feed(gate, Event::Taken(OUTCOMES[*which], 0)),
        Fed::Consulted(which) => driven.feed(gate, Event::Consulted(FINDINGS[*which])),
        Fed::StreamCounted(which) => driven.feed(gate, Event::StreamCounted(STREAMS[*which])),
        Fed::Leased(which) => {
            let grants =
                driven.leases.last().map(|asks| world::granted(asks, 1, gate.now)).unwrap_or_default();
            let answers = [Ok(grants), Err(NoLease::Away), Err(NoLease::Busy)];
            driven.feed(gate, Event::Leased(answers[*which].clone()));
        }
        Fed::Expired => driven.feed(gate, Event::Expired),
        Fed::Answer { status, media, end } => {
            let head = response(*status, &[("content-type", media)]);
            driven.feed(gate, Event::ResponseHead { head, end: *end });
        }
        Fed::Chunk { bytes, end } => {
            driven.feed(gate, Event::ResponseBody { bytes, size: bytes.len(), end: *end });
        }
        Fed::AnswerTooLarge => driven.feed(gate, Event::ResponseTooLarge),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Invariants 1 and 2: any sequence of callbacks has one ending, at most one reply, exactly one decision record and
    /// one completion record, and nothing goes upstream but on the word of the policy.
    #[test]
    fn any_sequence_of_events_has_one_ending(events in vec(fed(), 0..12)) {
        let mut configuration = world::configuration(&rules());
        configuration["leases"] = json!({"cluster": "auth", "path": "/v1/leases"});
        configuration["servers"][0]["limits"] =
            json!({"tools": [{"names": ["t1"], "rate": "2/m", "across": "fleet"}]});
        let mut gate = Gate::new(&configuration);
        let bearer = format!("Bearer {}", gate.token(&json!({})));
        let mut driven = gate.begin();
        for event in &events {
            let forwarded = driven.upstream.is_some();
            feed(&mut driven, &mut gate, event, &bearer);
            if driven.upstream.is_some() && !forwarded {
                prop_assert!(driven.replies.is_empty(), "forwarded after a reply");
            }
        }
        driven.finish(&mut gate);
        prop_assert!(driven.replies.len() <= 1, "{:?}", driven.replies);
        prop_assert_eq!(driven.decisions.len(), 1);
        prop_assert_eq!(driven.completions.len(), 1);
        if driven.upstream.is_some() {
            prop_assert_eq!(&driven.decisions[0]["verdict"], "allow");
            let credible = events.iter().any(|e| matches!(e, Fed::Head { token: true, .. }));
            prop_assert!(credible, "forwarded without a token");
        }
    }

    /// Invariant 6: what a list shows is what a call allows, or what more scopes would allow; a tool that can be called
    /// is listed.
    #[test]
    fn list_and_call_agree(
        rules in vec((any::<bool>(), 0..3usize, vec(0..5usize, 1..3), any::<bool>()), 1..5),
        scope in 0..3usize,
    ) {
        let scopes = ["a", "b", "mcp:read"];
        let names = ["get_x", "get_y", "put_x", "put_*", "get_*"];
        let rules: Vec<Value> = rules.iter().enumerate().map(|(at, (deny, scope, tools, hide))| {
            let tools: std::collections::BTreeSet<_> = tools.iter().map(|t| names[*t]).collect();
            let who = json!({"scopes": [scopes[*scope]]});
            if *deny {
                json!({"id": format!("r{at}"), "deny": {"who": "any", "tools": tools}})
            } else {
                json!({"id": format!("r{at}"), "allow": {"who": who, "tools": tools, "hide": hide}})
            }
        }).collect();
        let configuration = world::configuration(&json!(rules));
        prop_assume!(wicketgate_core::config::compile(configuration.to_string().as_bytes()).is_ok());
        let mut gate = Gate::new(&configuration);
        let claims = json!({"scope": scopes[scope]});
        let tools: Vec<Value> = names[..3].iter().map(|n| json!({"name": n})).collect();
        let answer = json!({"jsonrpc": "2.0", "id": 1, "result": {"tools": tools}}).to_string();
        let mut listed = gate.post(&claims, &list("tools/list"));
        listed.respond(&mut gate, 200, &[("content-type", "application/json")], answer.as_bytes());
        let shown = String::from_utf8(listed.downstream.clone()).unwrap();
        for name in &names[..3] {
            let called = gate.post(&claims, &call(name));
            let allowed = called.upstream.is_some();
            let challenged = called.status() == Some(403);
            let visible = shown.contains(&format!("\"{name}\""));
            if listed.upstream.is_some() {
                prop_assert!(!allowed || visible, "{name} can be called and is not listed: {shown}");
                prop_assert!(!visible || allowed || challenged, "{name} is listed and cannot be had: {shown}");
            } else {
                prop_assert!(!allowed, "{name} can be called where nothing can be listed");
            }
        }
    }

    /// A header that says another thing than the body always refuses, whichever of the two is allowed (2026-07-28).
    #[test]
    fn any_difference_between_header_and_body_refuses(header in "[a-z0-9]{1,6}", body in "[a-z0-9]{1,6}") {
        let mut gate = Gate::with_rules(&json!([{"id": "r", "allow": {"who": "any", "tools": ["*"]}}]));
        let token = format!("Bearer {}", gate.token(&json!({})));
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
            "name": body, "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}}});
        let headers = [("authorization", token.as_str()), ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"), ("mcp-name", header.as_str())];
        let driven = gate.post_raw(&headers, message.to_string().as_bytes());
        prop_assert_eq!(driven.upstream.is_some(), header == body);
        if header != body {
            prop_assert_eq!(driven.status(), Some(400));
            prop_assert_eq!(&driven.reply_json()["error"]["code"], -32020);
        }
    }
}
