//! What do a thousand streams cost that each hold half an event?

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::process::mib;
use crate::stage::{DEADLINE, Stage, WORKERS};
use crate::summary::{Summary, percentile};
use crate::upstream::{Script, Server, json_answer};
use crate::wire::{HERE, Wire};

const HELD: &str = "wasmcustom.wicketgate.held_bytes";
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// How much one worker may hold, and the two sizes of halves: all of the small ones fit, of the large ones a part.
struct Sizes {
    streams: usize,
    held: usize,
    small: usize,
    large: usize,
}

pub(super) async fn run(streams: usize, summary: &mut Summary) {
    summary.part(&format!("Streams: {streams} that hold half an event each"));
    let held = if streams < 100 { 4 << 20 } else { 64 << 20 };
    let sizes = Sizes { streams, held, small: held / 2 / streams, large: 5 * held / streams };
    let upstream = upstream(&sizes).await;
    let limits = format!("{{flood: {{rate: 1000000/s}}, streams: {streams}, response_bytes: 16MiB}}");
    let stage =
        Stage::start("streams", upstream, &[("streams", &limits), ("calm", &limits)], &held.to_string())
            .await;
    summary.told("memory before", stage.memory());
    within(&stage, &sizes, summary).await;
    beyond(&stage, &sizes, summary).await;
    summary.holds("no VM failed", stage.vm_failures().await == 0, stage.vm_failures().await);
    stage.world.discard().await;
}

/// All of them fit.
async fn within(stage: &Stage, sizes: &Sizes, summary: &mut Summary) {
    let open = open_all(stage, sizes.streams, "small").await;
    let whole = (sizes.streams * sizes.small) as u64;
    let held = stage.settles(HELD, |bytes| bytes >= whole).await;
    let most = u64::from(WORKERS) * sizes.held as u64;
    summary.holds("all halves are held, and within the bound", (whole..=most).contains(&held), mib(held));
    summary.told("memory with all held", stage.memory());
    let more = stage.status(&get(stage, "small")).await;
    summary.holds("one stream more is refused", more == 429, more);
    good_client(stage, summary).await;
    stage.upstream.go_on(true);
    let ended = ended(open).await;
    let clean = ended.iter().filter(|(clean, bytes)| *clean && *bytes > sizes.small).count();
    summary.holds("every stream ends with its whole event", clean == sizes.streams, clean);
    nothing_is_left(stage, sizes, summary).await;
}

/// A part of them is ended, so that the others fit.
async fn beyond(stage: &Stage, sizes: &Sizes, summary: &mut Summary) {
    let before = stage.decisions().await.get("unsafe_response").copied().unwrap_or_default();
    let open = open_all(stage, sizes.streams, "large").await;
    let (mut held, mut cut) = (0, 0);
    let deadline = Instant::now() + DEADLINE;
    while held / sizes.large as u64 + cut < sizes.streams as u64 && Instant::now() < deadline {
        sleep(Duration::from_millis(200)).await;
        held = stage.stat(HELD).await;
        cut = stage.decisions().await.get("unsafe_response").copied().unwrap_or_default() - before;
    }
    let most = u64::from(WORKERS) * sizes.held as u64;
    let asked = mib((sizes.streams * sizes.large) as u64);
    summary.holds(
        "of too much the bound is held",
        held > 0 && held <= most,
        format!("{} of {asked}", mib(held)),
    );
    summary.told("memory at the bound", stage.memory());
    good_client(stage, summary).await;
    stage.upstream.go_on(true);
    let ended = ended(open).await;
    let clean = ended.iter().filter(|(clean, bytes)| *clean && *bytes > sizes.large).count() as u64;
    let all = clean + cut == sizes.streams as u64 && cut > 0;
    summary.holds("some are cut, all others end whole", all, format!("{cut} cut, {clean} whole"));
    nothing_is_left(stage, sizes, summary).await;
    summary.told("memory after", stage.memory());
}

/// Neither bytes that are held, nor places of streams.
async fn nothing_is_left(stage: &Stage, sizes: &Sizes, summary: &mut Summary) {
    stage.upstream.go_on(false);
    let held = stage.settles(HELD, |bytes| bytes == 0).await;
    summary.holds("nothing is held any more", held == 0, held);
    let open = open_all(stage, sizes.streams, "small").await;
    summary.holds("all places are free again", open.len() == sizes.streams, open.len());
    stage.upstream.go_on(true);
    ended(open).await;
    stage.upstream.go_on(false);
    stage.settles(HELD, |bytes| bytes == 0).await;
    let active = stage.settles("http.public.downstream_rq_active", |streams| streams == 0).await;
    summary.holds("Envoy has no request under way", active == 0, active);
}

async fn good_client(stage: &Stage, summary: &mut Summary) {
    let bytes = stage.call("calm", &stage.token("calm", "good"), "get_note");
    let mut wire = Wire::open(stage.port(), HERE).await;
    let (mut good, mut took) = (0, Vec::new());
    for _ in 0..100 {
        let sent = Instant::now();
        wire.send(&bytes).await;
        good += usize::from(wire.answer().await.is_some_and(|answer| answer.status == 200));
        took.push(u64::try_from(sent.elapsed().as_micros()).unwrap());
    }
    took.sort_unstable();
    let times =
        format!("{good} of 100, p50 {} us, p99 {} us", percentile(&took, 0.5), percentile(&took, 0.99));
    summary.holds("a good client is served meanwhile", good == 100, times);
}

/// Streams whose answer has begun; of those that are refused or cut before that there is nothing.
async fn open_all(stage: &Stage, streams: usize, which: &str) -> Vec<Wire> {
    let (mut tasks, bytes) = (JoinSet::new(), Arc::new(get(stage, which)));
    for _ in 0..streams {
        let (bytes, port) = (Arc::clone(&bytes), stage.port());
        tasks.spawn(async move {
            let mut wire = Wire::open(port, HERE).await;
            wire.send(&bytes).await;
            wire.head().await.filter(|answer| answer.status == 200).map(|_| wire)
        });
    }
    let mut open = Vec::new();
    while let Some(wire) = tasks.join_next().await {
        open.extend(wire.unwrap());
    }
    open
}

/// Whether each ended as HTTP wants it, and how many bytes came.
async fn ended(open: Vec<Wire>) -> Vec<(bool, usize)> {
    let mut tasks = JoinSet::new();
    for mut wire in open {
        tasks.spawn(async move { wire.text_until(LAST_CHUNK).await });
    }
    tasks.join_all().await
}

fn get(stage: &Stage, which: &str) -> Vec<u8> {
    let token = stage.token("streams", "alice");
    stage.request("GET", "streams", &token, &[("X-Size", which)], b"")
}

async fn upstream(sizes: &Sizes) -> Server {
    let halves = [sizes.small, sizes.large].map(|size| {
        let text = "x".repeat(size);
        let begin = format!(
            r#"data: {{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":1,"message":"{text}"#
        );
        let mut first =
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".to_owned();
        let _ = write!(first, "{:x}\r\n{begin}\r\n", begin.len());
        let end = "\"}}\n\n";
        let second = format!("{:x}\r\n{end}\r\n0\r\n\r\n", end.len());
        (Arc::<[u8]>::from(first.into_bytes()), Arc::<[u8]>::from(second.into_bytes()))
    });
    let plain = json_answer(r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","content":[]}}"#);
    Server::start(move |request| {
        if request.head.starts_with("post ") {
            return Script::Answer(Arc::clone(&plain));
        }
        let [small, large] = &halves;
        let (first, second) = if request.head.contains("x-size: large") { large } else { small };
        Script::Half(Arc::clone(first), Arc::clone(second))
    })
    .await
}
