//! Does the gateway bear whatever is sent to it, for as long as one likes? Everything in the table of ways around a decision is
//! mutated at random and sent raw, over HTTP/1 and HTTP/2, before an upstream whose answers are mutated too.
//!
//! No VM may fail, Envoy lives, a good client is served, and the upstream gets nothing but what a decision allowed. The seed is
//! printed; `SEED` repeats a run's bytes. The same while everything around changes and fails, for as long as one likes:
//! `edge/churn.rs`, `make soak`.

mod frames;
mod mutate;
mod passed;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use wicketgate_e2e::client::http::Http;
use wicketgate_e2e::world::{HostMode, World};

pub(super) use self::mutate::Random;
pub(super) use self::passed::Passed;
use super::bypass::{Message, every_message, policy};
use super::recorder::{Recorder, Script, Seen, event_stream, json_answer, result};
use super::scene::call;
use super::stage;

/// How many connections there are at a time, and how many requests between two looks at everything.
const AT_ONCE: usize = 48;
const BATCH: usize = 4000;
/// Half of how long a token lives.
const GOOD_FOR: Duration = Duration::from_secs(300);
/// A peer that says nothing for so long has said all that it will.
const QUIET: Duration = Duration::from_millis(60);
const LIST: &str =
    r#"{"jsonrpc":"2.0","id":5,"result":{"tools":[{"name":"get_note"},{"name":"drop_everything"}]}}"#;

/// What was sent and seen so far.
#[derive(Debug, Default)]
struct Tally {
    sent: u64,
    statuses: BTreeMap<u16, u64>,
}

struct Soak {
    world: World,
    recorder: Recorder,
    seed: u64,
    /// Since when it is used, and itself.
    token: Option<(Instant, String)>,
    passed: Passed,
    tally: Tally,
}

// === impl Soak ===

impl Soak {
    async fn start(seed: u64) -> Self {
        let recorder = Recorder::start(upstream(seed)).await;
        let upstream = recorder.upstream.clone();
        let world = stage::world("soak", |plan| {
            plan.upstream = Some(upstream);
            plan.host_mode = HostMode::Hold;
            plan.set_policy(&policy()).unwrap();
        })
        .await;
        let passed = Passed::new(seed, world.state.join("audit.jsonl"));
        Self { world, recorder, seed, token: None, passed, tally: Tally::default() }
    }

    /// A good client's token, seldom a new one: nobody may log in as often as batches are sent.
    async fn token(&mut self) -> String {
        match &self.token {
            Some((since, token)) if since.elapsed() < GOOD_FOR => token.clone(),
            _ => {
                let token = stage::log_in(&self.world, Some("mcp:read")).await.tokens.access_token;
                self.token = Some((Instant::now(), token.clone()));
                token
            }
        }
    }

    /// Sends a batch, and looks at everything afterwards.
    async fn batch(&mut self, until: Instant) {
        let token = self.token().await;
        let host = self.world.origin.trim_start_matches("http://").to_owned();
        let messages = Arc::new(every_message(&token, &host));
        let (gate, mut under_way) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
        for _ in 0..BATCH {
            let turn = Arc::clone(&gate).acquire_owned().await.unwrap();
            if Instant::now() >= until {
                break;
            }
            let (number, port) = (self.tally.sent, stage::port(&self.world));
            let (messages, random) = (Arc::clone(&messages), Random::of(self.seed, number));
            self.tally.sent += 1;
            under_way.spawn(async move {
                let status = send(port, &messages, random).await;
                drop(turn);
                status
            });
        }
        for status in under_way.join_all().await {
            *self.tally.statuses.entry(status).or_default() += 1;
        }
        self.passed.nothing_else(&self.recorder).await;
        self.all_is_well(&token).await;
    }

    async fn all_is_well(&mut self, token: &str) {
        self.world.require_alive().unwrap();
        no_vm_failed(self.world.envoy.admin(), self.seed).await;
        let bytes = stage::request(
            &self.world,
            "POST /mcp",
            Some(token),
            &[("X-Case", "good")],
            call("get_note").as_bytes(),
        );
        let answer = stage::exchange(&self.world, &bytes).await;
        assert_eq!(answer.status, 200, "seed {}: a good client: {answer:?}", self.seed);
        self.recorder.take();
    }
}

/// Envoy counts no VM that failed; what it does not count has not happened.
pub(super) async fn no_vm_failed(admin: &str, seed: u64) {
    let text = Http::new().unwrap().get(&format!("{admin}/stats?filter=wasm"), &[]).await.unwrap().text();
    let lines = text.lines().filter_map(|line| line.split_once(": "));
    let failures = lines
        .filter(|(name, _)| name.contains("vm_reload") || name.contains("fail_") || name.contains("crash"));
    let own = |name: &str| !name.contains("wasmcustom");
    let own = failures.filter(|(name, _)| own(name));
    let failures: BTreeMap<&str, u64> = own.map(|(name, count)| (name, count.parse().unwrap())).collect();
    let told = failures.contains_key("wasm.wicketgate.vm_reload");
    assert!(told && failures.values().all(|count| *count == 0), "seed {seed}: {failures:?}");
}

/// One mutated request on a connection of its own; the status of the first answer, 0 where there is none.
pub(super) async fn send(port: u16, messages: &[Vec<Message>; 2], mut random: Random) -> u16 {
    let bytes = random.spelled(messages);
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await else { return 0 };
    let pieces = 1 + random.below(4);
    for piece in bytes.chunks(bytes.len().div_ceil(pieces).max(1)) {
        if stream.write_all(piece).await.is_err() {
            break;
        }
        if pieces > 1 {
            sleep(Duration::from_millis(random.below(4) as u64)).await;
        }
    }
    match random.below(12) {
        // Gone without a word, in the middle of something.
        0 => return 0,
        1 => drop(stream.shutdown().await),
        _ => {}
    }
    let mut answer = Vec::new();
    while answer.len() < 1 << 20 && matches!(timeout(QUIET, stream.read_buf(&mut answer)).await, Ok(Ok(1..)))
    {
    }
    let code = answer.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.get(..3));
    code.and_then(|code| std::str::from_utf8(code).ok()?.parse().ok()).unwrap_or(0)
}

/// Most answers are sound, some are not.
pub(super) fn upstream(seed: u64) -> impl Fn(&Seen) -> Script + Send + Sync {
    let number = AtomicU64::new(0);
    move |seen| {
        if seen.field("x-case") == Some("good") {
            return Script::Answer(json_answer(&result(seen)));
        }
        let mut random = Random::of(!seed, number.fetch_add(1, Ordering::SeqCst));
        let list = format!("data: {LIST}\n\n: a comment\r\ndata: {{");
        match random.below(10) {
            0 => Script::Answer([event_stream(&list), b"0\r\n\r\n".to_vec()].concat()),
            1 => Script::Drip([event_stream(&list), b"0\r\nx-after: yes\r\n\r\n".to_vec()].concat()),
            2 => Script::Break(event_stream(&list)),
            3 => Script::Break(random.mutated(json_answer(LIST))),
            4 => Script::Break(random.mutated([event_stream(&list), b"0\r\n\r\n".to_vec()].concat())),
            5 => Script::Answer(json_answer(LIST)),
            _ => Script::Answer(json_answer(&result(seen))),
        }
    }
}

async fn soak(time: Duration) {
    let seed = seed();
    let mut soak = Soak::start(seed).await;
    let began = Instant::now();
    say(&format!("soak: {time:?}, SEED={seed}"));
    while began.elapsed() < time {
        soak.batch(began + time).await;
        let (sent, passed) = (soak.tally.sent, soak.passed.count);
        say(&format!(
            "soak: {:?}: {sent} sent, {passed} got past",
            Duration::from_secs(began.elapsed().as_secs())
        ));
    }
    let Passed { count, decisions, .. } = &soak.passed;
    say(&format!("soak: {:?}, {count} got past, {decisions:?}", soak.tally));
    assert!(*count > 0 && decisions.len() > 5, "seed {seed}: {decisions:?}");
    soak.world.discard().await;
}

/// The one that was asked for, else any.
pub(super) fn seed() -> u64 {
    let chosen = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    chosen.unwrap_or_else(|| getrandom::u64().unwrap() >> 16)
}

pub(super) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_bears_what_is_sent_to_it() {
    soak(Duration::from_secs(4)).await;
}
