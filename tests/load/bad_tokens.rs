//! What does a flood of bad tokens cost, and whom?

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};
use wicketgate_core::identity::key_ring::KeyRing;

use crate::process::{cpu_micros, mib};
use crate::stage::{Stage, WORKERS};
use crate::summary::{Summary, percentile};
use crate::upstream::Server;
use crate::wire::{HERE, Wire};

const SOURCES: u64 = 4;
const LINES_PER_SOURCE: u64 = 16;
/// Distinct tokens of each kind; those that only the issuer can read are never the same twice.
const KINDS: usize = 256;
/// Questions to an issuer that one address may cause: at once, and each second (`core::exchange::authentication`).
const QUESTIONS: (u64, u64) = (50, 10);
/// Fetches of keys that one VM may have under way together (`filter/src/sidecar.rs`).
const FETCHES_TOGETHER: u64 = 8;
/// How much more may be in memory: remembered refusals, and pieces in which V8 and the allocator take room.
const SLACK: u64 = 32 << 20;
/// Calls of the good client a second.
const PACE: u64 = 100;

/// Latencies of a good client, sorted, microseconds.
struct Calm {
    took: Vec<u64>,
    refused: u64,
}

pub(super) async fn run(time: Duration, summary: &mut Summary) {
    summary.part(&format!("Bad tokens: as many as possible for {time:?}, from {SOURCES} addresses"));
    let servers =
        [("examined", "{flood: {rate: 1000000/s}, streams: 100000}"), ("guarded", "{streams: 100000}")];
    let stage = Arc::new(Stage::start("bad-tokens", Server::plain().await, &servers, "64MiB").await);
    let alone = good_client(&stage, time).await;
    summary.told("good client alone", &alone);
    for server in ["examined", "guarded"] {
        flooded(&stage, server, time, &alone, summary).await;
    }
    summary.holds("no VM failed", stage.vm_failures().await == 0, stage.vm_failures().await);
    Arc::into_inner(stage).unwrap().world.discard().await;
}

async fn flooded(
    stage: &Arc<Stage>,
    server: &'static str,
    time: Duration,
    alone: &Calm,
    summary: &mut Summary,
) {
    summary.told(
        "---",
        if server == "guarded" { "with the flood guard as it is by default" } else { "every token examined" },
    );
    let (memory, upstream) = (stage.memory(), stage.upstream.requests());
    let [keys, tokens] = [&stage.asked.keys, &stage.asked.tokens].map(|count| count.load(Ordering::SeqCst));
    let (pid, began) = (stage.world.envoy.service.pid(), Instant::now());
    let used = cpu_micros(pid);
    let over = Arc::new(AtomicBool::new(false));
    let flood = tokio::spawn(flood(Arc::clone(stage), server, Arc::clone(&over)));
    let calm = good_client(stage, time).await;
    over.store(true, Ordering::SeqCst);
    let statuses = flood.await.unwrap();
    let (elapsed, used) = (began.elapsed(), cpu_micros(pid) - used);
    let all: u64 = statuses.values().sum();
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let rate = all as f64 / elapsed.as_secs_f64();
    summary.told(
        "bad tokens",
        format!("{all} in {elapsed:.1?}, {rate:.0}/s, {} us of Envoy each; {statuses:?}", used / all.max(1)),
    );
    summary.told("good client beside it", &calm);
    summary.told("its p99, beside it against alone", format!("x {:.1}", ratio(&calm, alone)));
    let refused = statuses.keys().all(|status| [401, 429, 503].contains(status));
    summary.holds("every bad token is refused", refused, format!("{statuses:?}"));
    summary.holds("the good client is not", calm.refused == 0, format!("{} refused", calm.refused));
    let passed = stage.upstream.requests() - upstream;
    summary.holds("the upstream hears of the good client alone", passed == calm.took.len() as u64, passed);
    let asked = stage.asked.tokens.load(Ordering::SeqCst) - tokens;
    let most = SOURCES * (QUESTIONS.0 + QUESTIONS.1 * (elapsed.as_secs() + 1));
    summary.holds("questions about tokens are capped", asked <= most, format!("{asked}, {most} allowed"));
    let fetched = stage.asked.keys.load(Ordering::SeqCst) - keys;
    let floors = elapsed.as_secs() / KeyRing::REFETCH_FLOOR.as_secs() + 1;
    let most = u64::from(WORKERS) * FETCHES_TOGETHER * floors;
    summary.holds("fetches of keys are capped", fetched <= most, format!("{fetched}, {most} allowed"));
    let grown = stage.memory().grown(memory);
    summary.holds("memory is bounded", grown <= SLACK, format!("{} more; {}", mib(grown), stage.memory()));
}

/// On a thread of its own, so that it waits for the gateway and not for those who flood it.
async fn good_client(stage: &Arc<Stage>, time: Duration) -> Calm {
    let stage = Arc::clone(stage);
    let alone = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(calls(&stage, time))
    };
    tokio::task::spawn_blocking(alone).await.unwrap()
}

/// At an even pace, however long the answers take; each is timed from when it was due.
async fn calls(stage: &Stage, time: Duration) -> Calm {
    let bytes = Arc::new(stage.call("examined", &stage.token("examined", "good"), "get_note"));
    let (mut idle, mut under_way) = (Vec::new(), JoinSet::new());
    let mut pace = interval(Duration::from_secs(1) / u32::try_from(PACE).unwrap());
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut calm, until) = (Calm { took: Vec::new(), refused: 0 }, Instant::now() + time);
    while Instant::now() < until {
        let due = pace.tick().await;
        while let Some(done) = under_way.try_join_next() {
            idle.push(calm.heard(done.unwrap()));
        }
        let (port, bytes, wire) = (stage.port(), Arc::clone(&bytes), idle.pop());
        under_way.spawn(async move {
            let mut wire = match wire {
                Some(wire) => wire,
                None => Wire::open(port, HERE).await,
            };
            wire.send(&bytes).await;
            let good = wire.answer().await.is_some_and(|answer| answer.status == 200);
            (wire, good, due.elapsed())
        });
    }
    for done in under_way.join_all().await {
        calm.heard(done);
    }
    calm.took.sort_unstable();
    calm
}

/// Sends bad tokens until it is over; how they were answered.
async fn flood(stage: Arc<Stage>, server: &'static str, over: Arc<AtomicBool>) -> BTreeMap<u16, u64> {
    let (mut tasks, ready) = (JoinSet::new(), Arc::new(ready(&stage, server)));
    let serial = Arc::new(AtomicU64::new(0));
    for line in 0..SOURCES * LINES_PER_SOURCE {
        let from = Ipv4Addr::new(127, 0, 0, 2 + u8::try_from(line % SOURCES).unwrap());
        let (stage, ready, serial, over) =
            (Arc::clone(&stage), Arc::clone(&ready), Arc::clone(&serial), Arc::clone(&over));
        tasks.spawn(async move {
            let (mut wire, mut seen) = (Wire::open(stage.port(), from).await, BTreeMap::<u16, u64>::new());
            while !over.load(Ordering::SeqCst) {
                let number = serial.fetch_add(1, Ordering::SeqCst);
                let kind = usize::try_from(number).unwrap() % (ready.len() + ready.len() / 4);
                match ready.get(kind) {
                    Some(request) => wire.send(request).await,
                    None => wire.send(&get(&stage, server, &format!("made-up-{number}"))).await,
                }
                let answer = wire.answer().await;
                *seen.entry(answer.map_or(0, |answer| answer.status)).or_default() += 1;
                if answer.is_none_or(|answer| answer.closes) {
                    wire = Wire::open(stage.port(), from).await;
                }
            }
            seen
        });
    }
    let mut all = BTreeMap::new();
    for seen in tasks.join_all().await {
        for (status, count) in seen {
            *all.entry(status).or_default() += count;
        }
    }
    all
}

/// Requests with malformed tokens, wrong signatures, tokens that ended, and keys that nobody has.
fn ready(stage: &Stage, server: &str) -> Vec<Vec<u8>> {
    let (key, resource) = (&stage.key, stage.resource(server));
    let tokens = (0..KINDS).flat_map(|n| {
        let subject = format!("eve-{n}");
        let good = key.token(&resource, &subject);
        let (signed, _) = good.rsplit_once('.').unwrap();
        let other = key.token(&resource, "mallory");
        let wrong = format!("{signed}.{}", other.rsplit('.').next().unwrap());
        [format!("{n}.no.token"), wrong, key.expired(&resource, &subject), key.of_no_key(&resource, &subject)]
    });
    tokens.map(|token| get(stage, server, &token)).collect()
}

/// Without a body: an answer before the end of a request costs who floods a connection each time.
fn get(stage: &Stage, server: &str, token: &str) -> Vec<u8> {
    stage.request("GET", server, token, &[], b"")
}

#[expect(clippy::cast_precision_loss, reason = "a ratio")]
fn ratio(calm: &Calm, alone: &Calm) -> f64 {
    percentile(&calm.took, 0.99) as f64 / percentile(&alone.took, 0.99).max(1) as f64
}

// === impl Calm ===

impl Calm {
    /// One call is over; its connection may be used again.
    fn heard(&mut self, (wire, good, took): (Wire, bool, Duration)) -> Wire {
        self.refused += u64::from(!good);
        self.took.push(u64::try_from(took.as_micros()).unwrap());
        wire
    }
}

impl std::fmt::Display for Calm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [p50, p99] = [0.5, 0.99].map(|share| percentile(&self.took, share));
        write!(f, "p50 {p50} us, p99 {p99} us of {} calls", self.took.len())
    }
}
