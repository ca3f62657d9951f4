//! Limits that hold across a fleet: a request waits for a lease where none is held, spends from every bucket or from none, and
//! without an answer what the configuration says holds, never nothing.
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
use wicketgate_core::exchange::step::{Event, NoLease};
use wicketgate_core::limits::lease::{Grant, body};
use world::{Driven, Gate, call, granted};

fn gate(limits: &Value, when_away: &str) -> Gate {
    let rules = json!([{"id": "read", "allow": {"who": {"scopes": ["mcp:read"]}, "tools": ["*"]}}]);
    let mut configuration = world::configuration(&rules);
    configuration["servers"][0]["limits"] = limits.clone();
    configuration["leases"] = json!({"cluster": "auth", "path": "/v1/leases", "when_away": when_away});
    Gate::new(&configuration)
}

fn one() -> Value {
    json!({"tools": [{"names": ["run"], "rate": "2/m", "burst": 3, "across": "fleet"}]})
}

/// A call that waits for a lease.
fn waiting(gate: &mut Gate) -> Driven {
    let driven = gate.post(&json!({}), &call("run"));
    assert_eq!(driven.leases.len(), 1, "asked once");
    assert!(driven.upstream.is_none() && driven.replies.is_empty(), "nothing goes on before the answer");
    driven
}

fn answered(gate: &mut Gate, mut driven: Driven, tokens: u32) -> Driven {
    let grants = granted(&driven.leases[0], tokens, gate.now);
    driven.feed(gate, Event::Leased(Ok(grants)));
    driven
}

fn away(gate: &mut Gate, mut driven: Driven, why: NoLease) -> Driven {
    driven.feed(gate, Event::Leased(Err(why)));
    driven.finish(gate);
    driven
}

#[test]
fn a_request_waits_for_a_lease_and_spends_of_it() {
    let mut gate = gate(&one(), "refuse");
    let driven = waiting(&mut gate);
    let asked: Value = serde_json::from_slice(&body(&driven.leases[0])).unwrap();
    let asked = &asked["leases"][0];
    assert_eq!((&asked["capacity"], &asked["tokens"], &asked["per"]), (&json!(3), &json!(2), &json!(60)));
    let driven = answered(&mut gate, driven, 1);
    assert!(driven.upstream.is_some());
    let other = gate.post(&json!({}), &call("walk"));
    assert!(other.upstream.is_some() && other.leases.is_empty(), "what spends nothing asks nothing");
}

#[test]
fn where_the_fleet_has_used_all_it_is_refused_with_the_time_that_the_bucket_needs() {
    let mut gate = gate(&one(), "local");
    let driven = waiting(&mut gate);
    let mut refused = answered(&mut gate, driven, 0);
    refused.finish(&mut gate);
    assert_eq!((refused.status(), refused.upstream.is_some()), (Some(429), false));
    assert!(refused.replies[0].1.contains(&("retry-after".into(), "7".into())), "{:?}", refused.replies[0].1);
    assert_eq!(refused.decisions[0]["reason"], "rate_limited");
    assert_eq!(refused.decisions[0]["detail"], "tools per principal: run");
    gate.now = gate.now.plus(Duration::from_secs(6));
    let again = gate.post(&json!({}), &call("run"));
    assert_eq!((again.status(), again.leases.len()), (Some(429), 0), "known without a question");
    gate.now = gate.now.plus(Duration::from_secs(1));
    waiting(&mut gate);
}

#[test]
fn without_an_answer_it_is_refused() {
    let mut gate = gate(&one(), "refuse");
    for why in [NoLease::Away, NoLease::Busy] {
        let driven = waiting(&mut gate);
        let driven = away(&mut gate, driven, why);
        assert_eq!((driven.status(), driven.upstream.is_some()), (Some(503), false));
        assert_eq!(driven.decisions[0]["reason"], "unavailable");
    }
}

#[test]
fn without_an_answer_each_envoy_applies_the_limit_where_the_configuration_says_so() {
    let mut gate = gate(&one(), "local");
    for n in 0..5 {
        let driven = waiting(&mut gate);
        let driven = away(&mut gate, driven, NoLease::Away);
        assert_eq!(driven.upstream.is_some(), n < 3, "never without a limit");
        assert_eq!(driven.status(), (n >= 3).then_some(429));
    }
    let driven = waiting(&mut gate);
    let busy = away(&mut gate, driven, NoLease::Busy);
    assert_eq!(busy.status(), Some(503), "who asks much does not bring it about");
}

#[test]
fn an_answer_to_another_question_admits_nothing() {
    let mut gate = gate(&one(), "local");
    let driven = waiting(&mut gate);
    let other: Vec<Grant> = Vec::new();
    let mut driven = driven;
    driven.feed(&mut gate, Event::Leased(Ok(other)));
    assert_eq!((driven.status(), driven.upstream.is_some()), (Some(500), false));
}

#[test]
fn a_grant_that_comes_too_late_to_count_is_none() {
    for (when_away, status) in [("refuse", Some(503)), ("local", None)] {
        let mut gate = gate(&one(), when_away);
        let driven = waiting(&mut gate);
        let grants = granted(&driven.leases[0], 1, gate.now);
        gate.now = gate.now.plus(Duration::from_secs(5));
        let mut driven = driven;
        driven.feed(&mut gate, Event::Leased(Ok(grants)));
        assert_eq!((driven.status(), driven.leases.len()), (status, 1), "asked once, {when_away}");
    }
}

#[test]
fn several_buckets_are_spent_from_together_or_not_at_all() {
    let limits = json!({
        "server": {"rate": "60/m", "across": "fleet"},
        "tools": [
            {"names": ["run"], "rate": "1/m", "burst": 2},
            {"names": ["run", "walk"], "rate": "2/m", "across": "fleet"},
        ],
    });
    let mut gate = gate(&limits, "refuse");
    let driven = waiting(&mut gate);
    assert_eq!(driven.leases[0].len(), 2, "one question for both");
    let grants = |driven: &Driven, gate: &Gate, first, second| {
        let each = [first, second].into_iter().zip(&driven.leases[0]);
        each.flat_map(|(tokens, ask)| granted(std::slice::from_ref(ask), tokens, gate.now))
            .collect::<Vec<_>>()
    };
    let mut driven = driven;
    let answer = grants(&driven, &gate, 1, 0);
    driven.feed(&mut gate, Event::Leased(Ok(answer)));
    driven.finish(&mut gate);
    assert_eq!(
        (driven.status(), &driven.decisions[0]["detail"]),
        (Some(429), &json!("tools per principal: run, walk"))
    );
    // What the first bucket gave was given back, and is there for who needs it alone.
    let listed = gate.post(&json!({}), &world::list("tools/list"));
    assert!(listed.upstream.is_some() && listed.leases.is_empty());
    // Nor has it cost one of the two of the bucket of this Envoy alone.
    gate.now = gate.now.plus(Duration::from_secs(7));
    for _ in 0..2 {
        let driven = waiting(&mut gate);
        assert!(answered(&mut gate, driven, 1).upstream.is_some());
    }
    let driven = gate.post(&json!({}), &call("run"));
    assert_eq!((driven.status(), driven.leases.len()), (Some(429), 0));
}

#[test]
fn each_principal_has_a_bucket_of_his_own_in_the_fleet_too() {
    let mut gate = gate(&one(), "refuse");
    let names = |gate: &mut Gate, claims: &Value| {
        let driven = gate.post(claims, &call("run"));
        let body: Value = serde_json::from_slice(&body(&driven.leases[0])).unwrap();
        body["leases"][0]["bucket"].as_str().unwrap().to_owned()
    };
    let (alice, bob) = (names(&mut gate, &json!({})), names(&mut gate, &json!({"sub": "bob"})));
    assert_ne!(alice, bob);
    let mut elsewhere = self::gate(&one(), "refuse");
    assert_eq!(names(&mut elsewhere, &json!({"client_id": "c2"})), alice, "the same at every Envoy");
}
