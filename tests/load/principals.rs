//! What does a million people cost of whom each calls once?

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::Instant;
use wicketgate_core::limits::store::{SETS, WAYS};

use crate::process::mib;
use crate::stage::Stage;
use crate::summary::Summary;
use crate::upstream::Server;
use crate::wire::Wire;

const CONNECTIONS: usize = 64;
/// Tokens that one VM remembers (`core::identity::memory`).
const REMEMBERED: u64 = 4096;
/// How much more may be in memory after ten times as many people: V8 and the allocator take room in large pieces.
const SLACK: u64 = 32 << 20;

/// Bucket of which the whole is there again after a second, and those that stay in use for a day.
const FAST: &str = "{flood: {rate: 1000000/s}, streams: 100000, principal: {rate: 600/m, burst: 100}}";
const SLOW: &str = "{flood: {rate: 1000000/s}, streams: 100000, principal: {rate: 1/d, burst: 1}}";

pub(super) async fn run(people: usize, summary: &mut Summary) {
    summary.part(&format!("Principals: {people} of them"));
    let servers = [("fast", FAST), ("slow", SLOW)];
    let stage = Arc::new(Stage::start("principals", Server::plain().await, &servers, "64MiB").await);
    summary.told("memory before", stage.memory());
    fast(&stage, people, summary).await;
    slow(&stage, people / 5, summary).await;
    summary.holds("no VM failed", stage.vm_failures().await == 0, stage.vm_failures().await);
    Arc::into_inner(stage).unwrap().world.discard().await;
}

/// Buckets that are soon full again, and forgotten then.
async fn fast(stage: &Arc<Stage>, people: usize, summary: &mut Summary) {
    let began = Instant::now();
    let mut statuses = count(&drive(stage, "fast", 0..people / 10, "a").await);
    let warm = stage.memory();
    summary.told("memory after a tenth", warm);
    for (status, number) in count(&drive(stage, "fast", people / 10..people, "a").await) {
        *statuses.entry(status).or_default() += number;
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let rate = people as f64 / began.elapsed().as_secs_f64();
    summary.told("calls of new principals a second", format!("{rate:.0}"));
    let after = stage.memory();
    let grown = after.grown(warm);
    summary.holds(
        "memory is bounded",
        grown <= SLACK,
        format!("{} more after the others; {after}", mib(grown)),
    );
    let served = statuses.get(&200).copied().unwrap_or_default();
    // By chance more than eight may meet in one of 4096 sets within a second; then the ninth is told to come again.
    let (unlucky, all) = (statuses.get(&503).copied().unwrap_or_default(), people as u64);
    let held = served + unlucky == all && unlucky * 1000 <= all;
    summary.holds("all are served (one in a thousand may meet a full set)", held, format!("{statuses:?}"));
    let remembered = "wasmcustom.wicketgate.tokens_total.remembered";
    let before = stage.stat(remembered).await;
    let again = people.min(20_000);
    drive(stage, "fast", 0..again, "a").await;
    let known = stage.stat(remembered).await - before;
    let bound = known <= 2 * REMEMBERED;
    summary.holds("tokens are forgotten again", bound, format!("{known} of the first {again} remembered"));
}

/// Buckets that stay in use: no more of them than the table has room for, and nobody gets a second one.
async fn slow(stage: &Arc<Stage>, people: usize, summary: &mut Summary) {
    let before = stage.memory();
    let first = drive(stage, "slow", 0..people, "a").await;
    let (room, statuses) = (u64::from(SETS) * WAYS as u64, count(&first));
    let admitted = statuses.get(&200).copied().unwrap_or_default();
    let seen = format!("{admitted} of {people} admitted, room for {room}; {statuses:?}");
    summary.holds("buckets that stay in use are as many as there is room for", admitted <= room, seen);
    let full = people as u64 - admitted == statuses.get(&503).copied().unwrap_or_default();
    summary.holds("a full set denies (503)", full, format!("{statuses:?}"));
    let second = drive(stage, "slow", 0..people, "b").await;
    let twice = first.iter().zip(&second).filter(|(first, second)| **first == 200 && **second == 200).count();
    summary.holds(
        "nobody's bucket is forgotten while it is in use",
        twice == 0,
        format!("{twice} admitted twice"),
    );
    let again = count(&second).get(&200).copied().unwrap_or_default();
    summary.holds("nor is there room for others", admitted + again <= room, format!("{again} more"));
    let grown = stage.memory().grown(before);
    summary.holds("memory is bounded", grown <= SLACK, format!("{} more; {}", mib(grown), stage.memory()));
}

fn count(statuses: &[u16]) -> BTreeMap<u16, u64> {
    statuses.iter().fold(BTreeMap::new(), |mut counts, status| {
        *counts.entry(*status).or_default() += 1;
        counts
    })
}

/// One call of each, with a token of this series; the statuses in the order of the people.
async fn drive(
    stage: &Arc<Stage>,
    server: &'static str,
    people: std::ops::Range<usize>,
    series: &'static str,
) -> Vec<u16> {
    let mut tasks = JoinSet::new();
    let resource = stage.resource(server);
    for lane in 0..CONNECTIONS {
        let (stage, people, resource) = (Arc::clone(stage), people.clone(), resource.clone());
        tasks.spawn(async move {
            // Each from an address of its own: one has too few ports for as many connections.
            let from = Ipv4Addr::new(127, 0, 0, 2 + u8::try_from(lane).unwrap());
            let mut wire = Wire::open(stage.port(), from).await;
            let own: Vec<usize> = people.skip(lane).step_by(CONNECTIONS).collect();
            let mut seen = Vec::with_capacity(own.len());
            for person in own {
                let token = stage.key.token_of_series(&resource, &format!("person-{person}"), series);
                wire.send(&stage.call(server, &token, "get_note")).await;
                let answer = wire.answer().await;
                seen.push((person, answer.map_or(0, |answer| answer.status)));
                // Whoever is refused by the head alone has not been read to the end.
                if answer.is_none_or(|answer| answer.closes) {
                    wire = Wire::open(stage.port(), from).await;
                }
            }
            seen
        });
    }
    let mut all: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    all.sort_unstable();
    all.into_iter().map(|(_, status)| status).collect()
}
