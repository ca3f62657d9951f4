//! Does a bucket admit exactly what it holds and gains, however many draw from it at the same moment?

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::stage::{Stage, WORKERS};
use crate::summary::Summary;
use crate::upstream::Server;
use crate::wire::{HERE, Wire};

/// Sent at once on each connection; of more answers that wait to be written Envoy makes an end.
const PER_CONNECTION: usize = 2;

/// Statuses, and the times before and after the first request, and after the last answer.
struct Rush {
    statuses: BTreeMap<u16, u64>,
    began: Instant,
    first: Instant,
    ended: Instant,
}

pub(super) async fn run(requests: usize, summary: &mut Summary) {
    summary.part(&format!("Buckets: {requests} requests at once, {WORKERS} workers"));
    // A twentieth of the requests at once, and a hundredth more each second.
    let (burst, rate) = (requests / 20, requests / 100);
    let bucket = format!("rate: {rate}/s, burst: {burst}");
    let open = "flood: {rate: 1000000/s}, streams: 100000";
    let by_principal = format!("{{{open}, principal: {{{bucket}}}}}");
    let by_tool = format!("{{{open}, tools: [{{names: [\"get_*\"], {bucket}}}]}}");
    let servers = [("by-principal", by_principal.as_str()), ("by-tool", by_tool.as_str())];
    let stage = Stage::start("buckets", Server::plain().await, &servers, "64MiB").await;
    for (server, _) in servers {
        let before = stage.upstream.requests();
        let bytes = stage.call(server, &stage.token(server, "alice"), "get_note");
        let mut rush = rush(&stage, requests, &bytes).await;
        let rushed = rush.ended - rush.began;
        let refused = drain(&stage, &bytes, &mut rush).await;
        let admitted = rush.statuses.get(&200).copied().unwrap_or_default();
        // Nobody outside sees the moments at which tokens are taken. The first is after `began` and the last before `ended`,
        // so the time between them is shorter than from the one to the other. The first is before the first answer, and the
        // one that was refused after it was sent, so it is longer than from the one to the other; and less than one token
        // was left then.
        let most = gained(burst, rate, rush.ended - rush.began);
        let least = gained(burst, rate, refused.saturating_duration_since(rush.first)) - 1.0;
        #[expect(clippy::cast_precision_loss, reason = "thousands")]
        let between = (least..=most).contains(&(admitted as f64));
        let seen = format!(
            "{admitted} admitted, {least:.1} to {most:.1} allowed; {:?}, {rushed:.1?}",
            rush.statuses
        );
        summary.holds(&format!("{server} admits what it holds and gains"), between, seen);
        let other = rush.statuses.keys().any(|status| ![200, 429].contains(status));
        summary.holds("nothing but 200 and 429", !other, format!("{:?}", rush.statuses));
        let passed = stage.upstream.requests() - before;
        summary.holds("the upstream got what was admitted", passed == admitted, passed);
    }
    let workers = stage.stats(&format!("listener.127.0.0.1_{}.worker_", stage.port())).await;
    let connections: Vec<_> =
        workers.iter().filter(|(name, _)| name.ends_with("downstream_cx_total")).collect();
    let all = connections.len() == WORKERS as usize && connections.iter().all(|(_, count)| **count > 0);
    summary.holds("both workers carried some", all, format!("{connections:?}"));
    summary.holds("no VM failed", stage.vm_failures().await == 0, stage.vm_failures().await);
    stage.world.discard().await;
}

/// One request alone, so that the time of the first is known well; then everything is written before an answer is read.
async fn rush(stage: &Stage, requests: usize, bytes: &[u8]) -> Rush {
    let mut wires = Vec::new();
    for _ in 0..requests.div_ceil(PER_CONNECTION) {
        wires.push(Wire::open(stage.port(), HERE).await);
    }
    let (mut tasks, all) = (JoinSet::new(), bytes.repeat(PER_CONNECTION));
    let began = Instant::now();
    let mut statuses = BTreeMap::from([(stage.status(bytes).await, 1)]);
    let first = Instant::now();
    for mut wire in wires {
        let all = all.clone();
        tasks.spawn(async move {
            wire.send(&all).await;
            let mut seen = Vec::new();
            for _ in 0..PER_CONNECTION {
                seen.push(wire.answer().await.map_or(0, |answer| answer.status));
            }
            seen
        });
    }
    for status in tasks.join_all().await.into_iter().flatten() {
        *statuses.entry(status).or_default() += 1;
    }
    Rush { statuses, began, first, ended: Instant::now() }
}

/// Asks for one after the other until one is refused; when that was sent.
async fn drain(stage: &Stage, bytes: &[u8], rush: &mut Rush) -> Instant {
    loop {
        let sent = Instant::now();
        let status = stage.status(bytes).await;
        rush.ended = Instant::now();
        *rush.statuses.entry(status).or_default() += 1;
        if status != 200 {
            return sent;
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "thousands")]
fn gained(burst: usize, rate: usize, time: Duration) -> f64 {
    burst as f64 + rate as f64 * time.as_secs_f64()
}
