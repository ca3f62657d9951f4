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
use world::{Driven, Gate, list, request};

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

/// A gate whose requests that wait may hold 20 kB together.
fn narrow() -> Gate {
    let mut configuration = world::configuration(&rules());
    configuration["held_bytes"] = json!(80_000);
    Gate::new(&configuration)
}

/// The head of a POST of `who` at this address, with this to wait for its body and this besides.
fn begin(gate: &mut Gate, (who, source): (&str, &str), mirror: &str, other: &str) -> Driven {
    let bearer = format!("Bearer {}", gate.token(&json!({"sub": who})));
    let fields = [("authorization", bearer.as_str()), ("mcp-name", mirror), ("x-other", other)];
    let mut driven = gate.begin();
    let mut head = request("POST", "/mcp", &[json_head(), &fields].concat());
    head.source = Some(source.to_owned());
    driven.feed(gate, Event::RequestHead { head, end: false });
    driven
}

#[test]
fn requests_that_wait_for_their_bodies_hold_no_more_than_the_worker_may() {
    let mut gate = narrow();
    let alice = ("alice", "192.0.2.1");
    let unread = begin(&mut gate, alice, "a", &"x".repeat(60_000));
    assert_eq!(unread.status(), None, "what nobody reads is not kept");
    assert!(gate.held.bytes() < 1000, "{}", gate.held.bytes());
    let waiting: Vec<_> = ["alice", "bob", "carol", "dave"]
        .map(|who| begin(&mut gate, (who, "192.0.2.1"), &"n".repeat(6000), ""))
        .into();
    assert_eq!(waiting.iter().find_map(Driven::status), Some(503));
    assert!(gate.held.bytes() <= 20_000);
    drop((unread, waiting));
    assert_eq!(gate.held.bytes(), 0);
}

#[test]
fn one_who_sends_heads_and_no_bodies_leaves_room_to_others() {
    let mut gate = narrow();
    let mut held = Vec::new();
    // Wherever he is: it is he who asks.
    let refused = (0..20_usize).find(|n| {
        let source = format!("192.0.2.{n}");
        let driven = begin(&mut gate, ("mallory", &source), &"n".repeat(2000), "");
        held.push(driven);
        held[*n].status().is_some()
    });
    let refused = held[refused.unwrap()].decisions[0].clone();
    assert_eq!(refused["reason"], "unavailable");
    assert_eq!(refused["detail"], "room for more waiting requests of one caller");
    assert!(gate.held.bytes() <= 10_000 + 3000, "half, and what was begun: {}", gate.held.bytes());
    // Behind the same balancer.
    let alice = begin(&mut gate, ("alice", "192.0.2.1"), &"n".repeat(2000), "");
    assert_eq!(alice.status(), None);
}

#[test]
fn an_address_whose_requests_wait_for_keys_leaves_room_to_others() {
    let mut gate = narrow();
    gate.forget_keys();
    let crowd: Vec<_> = (0..20)
        .map(|n| begin(&mut gate, (&format!("made-up-{n}"), "192.0.2.1"), &"n".repeat(2000), ""))
        .collect();
    assert!(crowd[0].status().is_none() && crowd[19].status() == Some(503));
    let alice = begin(&mut gate, ("alice", "192.0.2.2"), &"n".repeat(2000), "");
    assert!(alice.status().is_none() && alice.wants_keys.is_some());
}

fn json_head() -> &'static [(&'static str, &'static str)] {
    &[("content-type", "application/json"), ("accept", "application/json, text/event-stream")]
}
