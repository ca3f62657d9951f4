//! How many streams, and for how long? One principal's are counted before they begin, and end with their token.
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
use wicketgate_core::exchange::World;
use wicketgate_core::exchange::expiry::BODY_BEGINS;
use wicketgate_core::exchange::step::{Control, Event, Owners, Pages, Tools};
use wicketgate_core::time::Timestamp;
use world::{Driven, Gate, NOW, call, request, response};

fn gate(streams: u32) -> Gate {
    let mut configuration = world::configuration(
        &json!([{"id": "read", "allow": {"who": {"scopes": ["mcp:read"]}, "tools": ["search_*"]}}]),
    );
    configuration["servers"][0]["limits"] =
        json!({"streams": streams, "tools": [{"names": ["*"], "rate": "1/d", "burst": 2}]});
    configuration["issuers"][0]["clock_skew"] = json!("5s");
    Gate::new(&configuration)
}

fn get(gate: &mut Gate, claims: &Value) -> Driven {
    let bearer = format!("Bearer {}", gate.token(claims));
    let headers = [("authorization", bearer.as_str()), ("accept", "text/event-stream")];
    let mut driven = gate.begin();
    driven.feed(gate, Event::RequestHead { head: request("GET", "/mcp", &headers), end: true });
    driven
}

fn stream(driven: &mut Driven, gate: &mut Gate) {
    let head = response(200, &[("content-type", "text/event-stream")]);
    driven.feed(gate, Event::ResponseHead { head, end: false });
}

#[test]
fn one_more_than_there_may_be_is_refused_before_it_goes_anywhere() {
    let mut gate = gate(3);
    let mut open = vec![get(&mut gate, &json!({})), get(&mut gate, &json!({"jti": "j2", "client_id": "c2"}))];
    open.push(gate.post(&json!({}), &call("search_x")));
    assert!(open.iter().all(|driven| driven.upstream.is_some()));
    let mut refused = gate.post(&json!({}), &call("search_x"));
    assert_eq!((refused.status(), refused.upstream.is_some()), (Some(429), false));
    assert_eq!(refused.reply_json()["error"]["code"], -31030);
    assert_eq!(refused.reply_json()["id"], 1);
    refused.finish(&mut gate);
    assert_eq!(refused.decisions[0]["reason"], "too_many_streams");
    assert_eq!(get(&mut gate, &json!({})).status(), Some(429));
    assert!(
        get(&mut gate, &json!({"sub": "bob"})).upstream.is_some(),
        "another principal counts for himself"
    );
    // What has no answer that could stream counts for nothing, and is not refused.
    let note = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    assert!(gate.post(&json!({}), &note).upstream.is_some());
    // However one ends, there is room for another: the refused call has spent no token.
    open[0].finish(&mut gate);
    assert!(gate.post(&json!({}), &call("search_x")).upstream.is_some());
    assert_eq!(get(&mut gate, &json!({})).status(), Some(429));
}

#[test]
fn a_call_that_a_bucket_refuses_counts_no_longer_than_itself() {
    let mut gate = gate(1);
    for _ in 0..2 {
        gate.post(&json!({}), &call("search_x")).finish(&mut gate);
    }
    let mut refused = gate.post(&json!({}), &call("search_x"));
    assert_eq!(refused.reply_json()["error"]["code"], -31029);
    refused.finish(&mut gate);
    assert!(get(&mut gate, &json!({})).upstream.is_some());
}

#[test]
fn a_store_that_fails_denies() {
    let mut gate = gate(1);
    gate.store_fails = true;
    assert_eq!(get(&mut gate, &json!({})).status(), Some(503));
    gate.store_fails = false;
    get(&mut gate, &json!({})).finish(&mut gate);
    gate.shared.retain(|key, _| key.contains("streams"));
    gate.shared.values_mut().for_each(|bytes| bytes.push(0));
    assert_eq!(get(&mut gate, &json!({})).status(), Some(500), "invariant 3");
}

#[test]
fn streams_have_the_deadline_of_their_token_and_nothing_else_has_one() {
    let mut gate = gate(9);
    let end = Some(Timestamp::from_secs(NOW + 600).plus(Duration::from_secs(5)));
    let mut listening = get(&mut gate, &json!({}));
    assert_eq!(listening.exchange.deadline(&gate.guard), end, "GET, before its answer too");
    stream(&mut listening, &mut gate);
    assert_eq!(listening.exchange.deadline(&gate.guard), end);
    let mut called = gate.post(&json!({}), &call("search_x"));
    assert_eq!(called.exchange.deadline(&gate.guard), None, "an answer that may be whole");
    stream(&mut called, &mut gate);
    assert_eq!(called.exchange.deadline(&gate.guard), end);
    let mut whole = gate.post(&json!({}), &call("search_x"));
    let head = response(200, &[("content-type", "application/json")]);
    whole.feed(&mut gate, Event::ResponseHead { head, end: false });
    assert_eq!(whole.exchange.deadline(&gate.guard), None);
}

#[test]
fn an_expired_stream_is_cut_and_says_why() {
    let mut gate = gate(9);
    let mut driven = get(&mut gate, &json!({}));
    stream(&mut driven, &mut gate);
    driven.feed(&mut gate, Event::ResponseBody { bytes: b": a\n\n", size: 5, end: false });
    gate.now = gate.now.plus(Duration::from_secs(605));
    driven.feed(&mut gate, Event::Expired);
    // Should the host not have closed it.
    for _ in 0..2 {
        driven.feed(&mut gate, Event::ResponseBody { bytes: b": b\n\n", size: 5, end: false });
    }
    assert_eq!(driven.downstream, b": a\n\n", "nothing more passes");
    driven.finish(&mut gate);
    assert_eq!((driven.resets, driven.replies.len()), (1, 0));
    assert_eq!((driven.decisions.len(), &driven.decisions[0]["reason"]), (1, &json!("allowed")));
    assert_eq!(driven.completions[0]["reason"], "token_expired");
    assert_eq!(driven.counts, ["allowed", "token_expired"]);
}

#[test]
fn a_post_whose_body_never_begins_ends_soon_and_is_denied() {
    let mut gate = gate(9);
    let bearer = format!("Bearer {}", gate.token(&json!({})));
    let headers = [
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("authorization", bearer.as_str()),
    ];
    let mut driven = gate.begin();
    driven.feed(&mut gate, Event::RequestHead { head: request("POST", "/mcp", &headers), end: false });
    assert_eq!(driven.exchange.deadline(&gate.guard), Some(gate.now.plus(BODY_BEGINS)));
    let mut slow = gate.begin();
    slow.feed(&mut gate, Event::RequestHead { head: request("POST", "/mcp", &headers), end: false });
    slow.feed(&mut gate, Event::BodyBegins);
    assert_eq!(slow.exchange.deadline(&gate.guard), None, "Envoy's own time limit is for those");
    gate.now = gate.now.plus(BODY_BEGINS);
    driven.feed(&mut gate, Event::Expired);
    driven.finish(&mut gate);
    assert_eq!((driven.resets, driven.replies.len(), driven.upstream.is_none()), (1, 0, true));
    assert_eq!(driven.counts, ["body_never_came"]);
    assert_eq!(
        (&driven.decisions[0]["verdict"], &driven.completions[0]["verdict"]),
        (&json!("deny"), &json!("deny"))
    );
    gate.guard.hold_headers = false;
    let mut unheld = gate.begin();
    unheld.feed(&mut gate, Event::RequestHead { head: request("POST", "/mcp", &headers), end: false });
    assert_eq!(unheld.exchange.deadline(&gate.guard), None, "there the headers went on");
}

#[test]
fn an_end_that_comes_after_the_end_changes_nothing() {
    let mut gate = gate(9);
    let mut refused = gate.post(&json!({}), &call("nothing_like_it"));
    let owners = Owners(&|_| None);
    let tools = Tools { recall: &|_| None, learn: &|_, _| false };
    let pages = Pages(&|_, _| false);
    let (guard, held, now) = (&gate.guard, &gate.held, gate.now);
    let (memory, schemas) = (&mut gate.memory, &mut gate.schemas);
    let mut world = World { guard, memory, held, salt: None, owners, tools, pages, schemas, now };
    let step = refused.exchange.on(Event::Expired, &mut world);
    assert!(matches!(step.control, Control::Hold) && step.effects.is_empty());
    refused.finish(&mut gate);
    assert_eq!(refused.completions[0]["reason"], "not_allowed");
}

#[test]
fn a_stream_whose_credential_is_withdrawn_is_cut_and_says_why() {
    let mut gate = gate(9);
    let mut driven = get(&mut gate, &json!({}));
    assert!(driven.exchange.footing().is_some(), "a GET may be silent for hours before it begins");
    stream(&mut driven, &mut gate);
    driven.feed(&mut gate, Event::Withdrawn);
    driven.finish(&mut gate);
    assert_eq!((driven.resets, driven.replies.len()), (1, 0));
    assert_eq!(driven.completions[0]["reason"], "credential_withdrawn");
    let mut whole = gate.post(&json!({}), &call("search_x"));
    let head = response(200, &[("content-type", "application/json")]);
    whole.feed(&mut gate, Event::ResponseHead { head, end: false });
    assert!(whole.exchange.footing().is_none(), "an answer that is whole soon");
}

#[test]
fn what_was_named_is_not_kept_while_it_streams() {
    let mut gate = gate(9);
    let name = format!("search_{}", "x".repeat(5000));
    let mut driven = gate.post(&json!({}), &call(&name));
    stream(&mut driven, &mut gate);
    assert!(!format!("{:?}", driven.exchange).contains("search_x"), "it is on record, cut");
    driven.finish(&mut gate);
    assert_eq!(driven.decisions[0]["operation"]["targets"][0]["kind"], "tool");
}
