//! How much do requests and streams of one VM hold together?
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
use world::{Gate, list, request};

fn rules() -> Value {
    json!([
        {"id": "read", "allow": {"who": {"scopes": ["mcp:read"]}, "tools": ["search_*"], "prompts": ["*"]}},
        {"id": "write", "allow": {"who": {"scopes": ["mcp:write"]}, "tools": ["write_note"]}},
        {"id": "hidden", "allow": {"who": {"scopes": ["mcp:admin"]}, "tools": ["drop_all"], "hide": true}},
    ])
}

#[test]
fn streams_together_hold_no_more_than_the_worker_may() {
    let mut configuration = world::configuration(&rules());
    configuration["held_bytes"] = json!(4000);
    let mut gate = Gate::new(&configuration);
    let events = [("content-type", "text/event-stream")];
    let mut open: Vec<_> = (0..3)
        .map(|_| {
            let mut driven = gate.post(&json!({}), &list("tools/list"));
            driven.feed(&mut gate, Event::ResponseHead { head: world::response(200, &events), end: false });
            driven.feed(&mut gate, Event::ResponseBody { bytes: &[b'x'; 1900], size: 1900, end: false });
            driven
        })
        .collect();
    assert_eq!(open.iter().map(|d| d.resets).collect::<Vec<_>>(), [0, 0, 1], "the third is one too many");
    assert_eq!(gate.held.bytes(), 3800, "what it held is free again");
    open.remove(0).finish(&mut gate);
    assert_eq!(gate.held.bytes(), 1900);
}

#[test]
fn requests_that_wait_for_their_bodies_hold_no_more_than_the_worker_may() {
    let mut configuration = world::configuration(&rules());
    configuration["held_bytes"] = json!(80_000);
    let mut gate = Gate::new(&configuration);
    let mut waiting = Vec::new();
    let mut begin = |gate: &mut Gate, mirror: &str, other: &str| {
        let bearer = format!("Bearer {}", gate.token(&json!({})));
        let fields = [("authorization", bearer.as_str()), ("mcp-name", mirror), ("x-other", other)];
        let mut driven = gate.begin();
        let head = request("POST", "/mcp", &[json_head(), &fields].concat());
        driven.feed(gate, Event::RequestHead { head, end: false });
        let status = driven.status();
        waiting.push(driven);
        status
    };
    assert_eq!(begin(&mut gate, "a", &"x".repeat(60_000)), None, "what nobody reads is not kept");
    assert!(gate.held.bytes() < 1000, "{}", gate.held.bytes());
    let full = (0..5).find_map(|_| begin(&mut gate, &"n".repeat(6000), ""));
    assert_eq!(full, Some(503));
    assert!(gate.held.bytes() <= 20_000);
    drop(waiting);
    assert_eq!(gate.held.bytes(), 0);
}

fn json_head() -> &'static [(&'static str, &'static str)] {
    &[("content-type", "application/json"), ("accept", "application/json, text/event-stream")]
}
