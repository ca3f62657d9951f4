//! Does the gateway bear whatever is sent to it, for as long as one likes? Everything in the table of ways around a decision is
//! mutated at random and sent raw, over HTTP/1 and HTTP/2, before an upstream whose answers are mutated too.
//!
//! No VM may fail, Envoy lives, a good client is served, and the upstream gets nothing but what a decision allowed. The seed is
//! printed; `SEED` repeats a run's bytes. `make soak` takes `SECONDS` and passes it on; a short run stands among the other tests.

mod frames;
mod mutate;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use wicketgate_e2e::world::{HostMode, World};

use self::mutate::Random;
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
    passed: u64,
    decisions: BTreeMap<String, u64>,
}

struct Soak {
    world: World,
    recorder: Recorder,
    seed: u64,
    /// Since when it is used, and itself.
    token: Option<(Instant, String)>,
    /// How far the records have been read.
    read: u64,
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
        Self { world, recorder, seed, token: None, read: 0, tally: Tally::default() }
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
        self.nothing_else_passed().await;
        self.all_is_well(&token).await;
    }

    /// Everything that the upstream got was allowed by a decision, and by somebody who reads it otherwise.
    async fn nothing_else_passed(&mut self) {
        let seen = self.recorder.take();
        let ids: Vec<_> = seen.iter().map(|seen| seen.field("x-request-id").unwrap().to_owned()).collect();
        let (mut verdicts, deadline) = (BTreeMap::new(), Instant::now() + stage::DEADLINE);
        while ids.iter().any(|id| !verdicts.contains_key(id)) && Instant::now() < deadline {
            sleep(Duration::from_millis(100)).await;
            self.read_records(&mut verdicts);
        }
        for (seen, id) in seen.iter().zip(&ids) {
            let verdict = verdicts.get(id).map(String::as_str);
            assert_eq!(verdict, Some("allow"), "seed {}: the upstream got {seen:?}", self.seed);
            assert!(may_pass(seen), "seed {}: the upstream got {seen:?}", self.seed);
            assert!(seen.field("authorization").is_none(), "seed {}: {seen:?}", self.seed);
        }
        self.tally.passed += seen.len() as u64;
    }

    /// The verdicts of records that are new, by request id.
    fn read_records(&mut self, verdicts: &mut BTreeMap<String, String>) {
        let mut file = File::open(self.world.state.join("audit.jsonl")).unwrap();
        let mut text = Vec::new();
        file.seek(SeekFrom::Start(self.read)).unwrap();
        file.read_to_end(&mut text).unwrap();
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.read += whole as u64;
        for line in text[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let record: Value = serde_json::from_slice(line).unwrap();
            if record["record"] != "decision" {
                continue;
            }
            let reason = record["reason"].as_str().unwrap().to_owned();
            // Whatever is sent, it is for the filter to name what is wrong with it.
            assert!(reason != "internal", "seed {}: {record}", self.seed);
            *self.tally.decisions.entry(reason).or_default() += 1;
            if let Some(id) = record["request_id"].as_str() {
                verdicts.insert(id.to_owned(), record["verdict"].as_str().unwrap().to_owned());
            }
        }
    }

    async fn all_is_well(&mut self, token: &str) {
        self.world.require_alive().unwrap();
        let failures = vm_failures(&self.world).await;
        let told = failures.contains_key("wasm.wicketgate.vm_reload");
        assert!(told && failures.values().all(|count| *count == 0), "seed {}: {failures:?}", self.seed);
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

/// What Envoy counts of VMs that failed; what it does not count has not happened.
async fn vm_failures(world: &World) -> BTreeMap<String, u64> {
    let text =
        world.http.get(&format!("{}/stats?filter=wasm", world.envoy.admin()), &[]).await.unwrap().text();
    let lines = text.lines().filter_map(|line| line.split_once(": "));
    let failures = lines
        .filter(|(name, _)| name.contains("vm_reload") || name.contains("fail_") || name.contains("crash"));
    let own = |name: &str| !name.contains("wasmcustom");
    failures
        .filter(|(name, _)| own(name))
        .map(|(name, count)| (name.to_owned(), count.parse().unwrap()))
        .collect()
}

/// One mutated request on a connection of its own; the status of the first answer, 0 where there is none.
async fn send(port: u16, messages: &[Vec<Message>; 2], mut random: Random) -> u16 {
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

/// Whether somebody who knows nothing of the filter finds this allowed.
fn may_pass(seen: &Seen) -> bool {
    if !seen.head.starts_with("POST ") {
        return seen.body.is_empty() && (seen.head.starts_with("GET ") || seen.head.starts_with("DELETE "));
    }
    let Ok(message) = serde_json::from_slice::<Value>(&seen.body) else { return false };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let params = &message["params"];
    let prompt = |name: String| name.starts_with("sum_") && name != "sum_secret";
    let resource = |uri: String| {
        let uri = uri.to_ascii_lowercase();
        uri.starts_with("notes://note/") && !uri.starts_with("notes://note/secret/")
    };
    match message["method"].as_str() {
        Some("tools/call") => params["name"] == "get_note",
        Some("prompts/get") => prompt(text(&params["name"])),
        Some("resources/read" | "resources/subscribe" | "resources/unsubscribe") => {
            resource(text(&params["uri"]))
        }
        Some("completion/complete") if params["ref"]["type"] == "ref/prompt" => {
            prompt(text(&params["ref"]["name"]))
        }
        _ => message.is_object(),
    }
}

/// Most answers are sound, some are not.
fn upstream(seed: u64) -> impl Fn(&Seen) -> Script + Send + Sync {
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
    let chosen = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = chosen.unwrap_or_else(|| getrandom::u64().unwrap() >> 16);
    let mut soak = Soak::start(seed).await;
    let began = Instant::now();
    say(&format!("soak: {time:?}, SEED={seed}"));
    while began.elapsed() < time {
        soak.batch(began + time).await;
        let Tally { sent, passed, .. } = soak.tally;
        say(&format!(
            "soak: {:?}: {sent} sent, {passed} got past",
            Duration::from_secs(began.elapsed().as_secs())
        ));
    }
    say(&format!("soak: {:?}", soak.tally));
    assert!(soak.tally.passed > 0 && soak.tally.decisions.len() > 5, "seed {seed}: {:?}", soak.tally);
    soak.world.discard().await;
}

fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_bears_what_is_sent_to_it() {
    soak(Duration::from_secs(4)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes as long as one likes; `make soak` runs it"]
async fn the_gateway_bears_it_for_long() {
    let seconds = std::env::var("SOAK_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    soak(Duration::from_secs(seconds.unwrap_or(600))).await;
}
