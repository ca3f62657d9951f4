//! Every command of a complete flow fails once, in both ways, wherever the records lie.

use std::sync::Arc;

use crate::backend::{self, Fault, PARTS, Plan, faulty};
use crate::flow::{Seen, Walk, complete};
use crate::ground::Ground;
use crate::place::Place;
use crate::report;
use crate::world::join_all;

/// Where several processes must be asked for each command, `cargo test` has every so many of them; all where a report is wanted.
const SAMPLE: usize = 11;
/// Worlds at the same time.
const LANES: usize = 6;

async fn fails_in_every_place(topology: &'static str) {
    let Some(place) = Place::of(topology) else { return };
    let every = if topology == "embedded" || report::is_wanted() { 1 } else { SAMPLE };
    // Commands wait for disks and replicas most of the time.
    let lanes = join_all((0..LANES).map(|lane| lane_of(&place, 1 + lane * every, LANES * every))).await;
    let mut seen: Vec<_> = lanes.into_iter().flatten().collect();
    seen.sort();
    assert!(seen.len() > 150 / every, "{} faults", seen.len());
    report::add(topology, seen.into_iter().map(|(_, seen)| seen).collect());
}

/// Every so many commands from this one on, in a world of their own.
async fn lane_of(place: &Place, first: usize, step: usize) -> Vec<(backend::Place, Seen)> {
    let plan = Arc::new(Plan::default());
    let mut world = place.world();
    world.run_on(|config, clock| faulty(config, clock, &plan)).await;
    let mut seen = Vec::new();
    let cases = [Fault::NotDone, Fault::AnswerLost]
        .into_iter()
        .flat_map(|fault| (0..PARTS).map(move |part| (part, fault)));
    for (part, fault) in cases {
        for number in (first..).step_by(step) {
            plan.fail((part, number), fault);
            let mut walk = Walk { ground: Ground::Steady(&world), plan: &plan, seen: None };
            complete(&mut walk).await;
            let (happened, commands) = (walk.seen, plan.end());
            if number > commands {
                break;
            }
            seen.push(((part, number), happened.expect("every fault is met")));
        }
    }
    seen
}

#[tokio::test]
async fn with_a_file() {
    fails_in_every_place("embedded").await;
}

#[tokio::test]
async fn with_one_redis() {
    fails_in_every_place("single").await;
}

#[tokio::test]
async fn with_a_master_and_its_replica() {
    fails_in_every_place("sentinel").await;
}

#[tokio::test]
async fn with_a_cluster() {
    fails_in_every_place("cluster").await;
}
