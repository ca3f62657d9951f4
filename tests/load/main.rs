//! What does the product bear, and what does it cost? A program: `make load` asks for bounds, `make soak` for survival,
//! `make bench` for the cost of a request and for the authorization server beside another one.
//!
//! Bounds are demanded; times are only told, because they are the machine's.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail that way"
)]

mod authorization;
mod bad_tokens;
mod buckets;
mod cost;
mod issuer;
mod principals;
mod process;
mod ready;
#[path = "../../auth-sidecar/tests/redis/mod.rs"]
mod redis;
mod stage;
mod streams;
mod summary;
mod tokens;
mod upstream;
mod wire;

use std::process::ExitCode;
use std::time::Duration;

use summary::Summary;

const USAGE: &str = "say: load [SCALE [PART]], cost [ROUNDS [CASE]], or authorization [ROUNDS]";

#[tokio::main]
async fn main() -> ExitCode {
    let mut summary = Summary::default();
    summary.told("load of the machine before", process::machine_load());
    tokio::select! {
        () = work(&mut summary) => {}
        // What was started is stopped when it is dropped, which no signal would see to.
        _ = tokio::signal::ctrl_c() => return ExitCode::FAILURE,
    }
    summary.told("load of the machine after", process::machine_load());
    if summary.end() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn work(summary: &mut Summary) {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["load"] => load(1.0, "", summary).await,
        ["load", scale] => load(scale.parse().expect(USAGE), "", summary).await,
        ["load", scale, part] => load(scale.parse().expect(USAGE), part, summary).await,
        ["cost"] => cost::run(7, "", summary).await,
        ["cost", rounds] => cost::run(rounds.parse().expect(USAGE), "", summary).await,
        ["cost", rounds, only] => cost::run(rounds.parse().expect(USAGE), only, summary).await,
        ["authorization"] => authorization::run(7, summary).await,
        ["authorization", rounds] => authorization::run(rounds.parse().expect(USAGE), summary).await,
        _ => panic!("{USAGE}"),
    }
}

/// The parts whose names hold `part`, each at this share of its full size.
async fn load(scale: f64, part: &str, summary: &mut Summary) {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a size")]
    let share = |full: f64, least: usize| ((full * scale) as usize).max(least);
    if "buckets".contains(part) {
        buckets::run(share(10_000.0, 200), summary).await;
    }
    if "streams".contains(part) {
        streams::run(share(1000.0, 20), summary).await;
    }
    if "principals".contains(part) {
        principals::run(share(1_000_000.0, 1000), summary).await;
    }
    if "bad tokens".contains(part) {
        bad_tokens::run(Duration::from_secs_f64((30.0 * scale).max(2.0)), summary).await;
    }
    if "expired tokens".contains(part) {
        tokens::run(share(1_000_000.0, 1000), summary).await;
    }
}
