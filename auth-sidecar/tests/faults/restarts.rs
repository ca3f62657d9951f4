//! The process is killed before every step of the flow: what was answered is there, what was used does not work again.

use crate::backend::Plan;
use crate::flow::{Walk, complete};
use crate::ground::Ground;
use crate::place::Place;
use crate::served::Served;

async fn survives(topology: &str) {
    let Some(place) = Place::of(topology) else { return };
    let mut served = Served::of(place.world());
    let plan = Plan::default();
    let mut walk = Walk { ground: Ground::Broken(&mut served), plan: &plan, seen: None };
    complete(&mut walk).await;
    let starts = served.log().matches("\"event\":\"listening\"").count();
    assert!(starts > 30, "{starts} starts");
}

#[tokio::test]
async fn a_flow_survives_a_kill_before_every_step_with_a_file() {
    survives("embedded").await;
}

#[tokio::test]
async fn a_flow_survives_a_kill_before_every_step_with_redis() {
    survives("single").await;
}
