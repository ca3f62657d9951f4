//! What becomes of everything else when a VM of the filter dies? No input can kill one, so the module here is one that dies
//! when a request asks for it (`filter/src/drill.rs`); the failure policy is that of `wicketgate render`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use h2::RecvStream;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use wicketgate_e2e::client::mcp::LEGACY;
use wicketgate_e2e::layout;
use wicketgate_e2e::policy;
use wicketgate_e2e::world::World;

use super::frames::{Frames, Open};
use super::open_streams;
use super::recorder::{Recorder, Script, Seen, event_stream, json_answer, result};
use super::scene::{RULES, call};
use super::stage::{self, eventually, exchange, request};

/// Enough that no worker carries all.
const CONNECTIONS: usize = 6;
const UNDECIDED: usize = 3;
/// Streams that may be open beside those.
const SPARE: usize = 4;
const BURST: usize = 20;
/// What a dead VM held is free when its term of 30 s is over.
const LAPSE: Duration = Duration::from_secs(60);
const DRILL: &str = "x-wicketgate-drill";

struct Drill {
    world: World,
    recorder: Recorder,
    token: String,
    /// Lets streams go on.
    go_on: Arc<AtomicBool>,
}

/// A stream per connection, each with one event so far.
type Streams = Vec<(Frames, RecvStream)>;

#[tokio::test(flavor = "multi_thread")]
async fn a_vm_that_dies_takes_its_own_requests_along_and_nothing_else() {
    let drill = Drill::start().await;
    let session = drill.begin_session().await;
    let mut streams = drill.open_streams().await;
    let undecided = drill.begin_requests(&streams[0].0).await;
    let open = u64::try_from(CONNECTIONS + UNDECIDED).unwrap();
    drill.gauge("exchanges_open", open).await;
    drill.gauge("streams_open", CONNECTIONS as u64).await;
    let vms = drill.stat("wicketgate.vms").await;
    let seen_before = drill.recorder.take().len();
    assert_eq!(seen_before, 2 + CONNECTIONS, "the session, a look at it, and the streams");

    drill.die(&streams[0].0).await;
    for open in undecided {
        let answer = open.end(false).await;
        assert!(answer.as_ref().map_or(true, |a| a.status >= 500), "undecided, and answered: {answer:?}");
    }
    let lost = drill.what_goes_on(&mut streams).await;
    assert_eq!(drill.recorder.bytes(), 0, "undecided, and at the upstream: {}", drill.recorder.raw());

    drill.recovers().await;
    assert_eq!(drill.stat_of_envoy("wasm.wicketgate.vm_reload_success").await, 1);
    assert_eq!(drill.in_session(&session).await, 200, "sessions are kept");
    assert_eq!(drill.in_session("session-of-nobody").await, 404);
    // Those of the dead count as long as it is not known that they are gone: never more than there may be.
    drill.places(SPARE + CONNECTIONS - lost).await;
    drill.bucket_is_as_it_was().await;

    drill.is_counted(lost).await;
    drill.gauge("exchanges_open", 0).await;
    drill.gauge("streams_open", 0).await;
    drill.gauge("vms", vms).await;
    drill.places(SPARE + CONNECTIONS).await;
    drill.is_written_down(lost).await;
    drill.world.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vm_that_gives_way_to_another_module_is_not_lost() {
    let drill = Drill::start().await;
    let v8 = drill.stat_of_envoy("wasm.envoy.wasm.runtime.v8.active").await;
    let (before, _) = drill.world.envoy.filter_updates().await.unwrap();
    let shipped = layout::filter_module().unwrap();
    policy::render(&drill.world.policy, &shipped, &drill.world.state, &drill.world.origin).await.unwrap();
    eventually("the old VMs are gone", stage::DEADLINE, || async {
        let (now, active) = (
            drill.world.envoy.filter_updates().await.unwrap().0,
            drill.stat_of_envoy("wasm.envoy.wasm.runtime.v8.active").await,
        );
        if now > before && active == v8 { Ok(()) } else { Err(format!("{now} {active} instead of {v8}")) }
    })
    .await;
    // Had they left their rows, nobody would look around before these lapse.
    let mut streams = drill.open_streams().await;
    drill.gauge_within("streams_open", CONNECTIONS as u64, stage::DEADLINE).await;
    drill.go_on.store(true, Ordering::SeqCst);
    for (_, body) in &mut streams {
        assert_eq!(next(body).await.as_deref(), Some("data: {}\n\n"));
    }
    drill.gauge_within("exchanges_open", 0, stage::DEADLINE).await;
    assert_eq!(drill.stat("wicketgate.vms_lost_total").await, 0);
    drill.world.discard().await;
}

#[test]
fn the_shipped_module_cannot_be_asked_to_die() {
    let holds = |module: &std::path::Path| {
        let bytes = std::fs::read(module).unwrap();
        bytes.windows(DRILL.len()).any(|window| window == DRILL.as_bytes())
    };
    assert!(holds(&layout::drill_module().unwrap()), "or this test sees nothing");
    assert!(!holds(&layout::filter_module().unwrap()));
}

// === impl Drill ===

impl Drill {
    async fn start() -> Self {
        let go_on = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&go_on);
        let recorder = Recorder::start(move |seen: &Seen| script(seen, &flag)).await;
        let upstream = recorder.upstream.clone();
        let limits = format!(
            "{{streams: {}, tools: [{{names: [get_note], rate: 1/d, burst: {BURST}}}]}}",
            CONNECTIONS + SPARE
        );
        let world = stage::world("trap", |plan| {
            plan.upstream = Some(upstream);
            plan.module = Some(layout::drill_module().unwrap());
            plan.set_policy(&stage::policy(&limits, RULES)).unwrap();
            // Connections spread over the workers.
            let socket = "      tcp_keepalive: {";
            plan.envoy_changes.push((
                socket.into(),
                format!("      connection_balance_config: {{exact_balance: {{}}}}\n{socket}"),
            ));
        })
        .await;
        let workers = world.envoy.stat("server.concurrency").await.unwrap();
        assert!(workers >= Some(2), "the test means nothing with {workers:?} workers");
        let token = stage::log_in(&world, Some("mcp:read")).await.tokens.access_token;
        Self { world, recorder, token, go_on }
    }

    async fn stat_of_envoy(&self, name: &str) -> u64 {
        self.world.envoy.stat(name).await.unwrap().unwrap_or_else(|| panic!("no {name}"))
    }

    async fn stat(&self, name: &str) -> u64 {
        self.stat_of_envoy(&format!("wasmcustom.{name}")).await
    }

    async fn gauge(&self, name: &str, expected: u64) {
        self.gauge_within(name, expected, LAPSE).await;
    }

    async fn gauge_within(&self, name: &str, expected: u64, limit: Duration) {
        let name = format!("wicketgate.{name}");
        eventually(&format!("{name} is {expected}"), limit, || async {
            let found = self.stat(&name).await;
            if found == expected { Ok(()) } else { Err(found.to_string()) }
        })
        .await;
    }

    async fn begin_session(&self) -> String {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
        let bytes = request(&self.world, "POST /mcp", Some(&self.token), &[], message.to_string().as_bytes());
        let id = exchange(&self.world, &bytes).await.field("mcp-session-id").unwrap().to_owned();
        assert_eq!(self.in_session(&id).await, 200);
        id
    }

    async fn in_session(&self, session: &str) -> u16 {
        let fields = [("MCP-Protocol-Version", LEGACY), ("Mcp-Session-Id", session)];
        let body = json!({"jsonrpc": "2.0", "id": 2, "method": "ping"}).to_string();
        exchange(&self.world, &request(&self.world, "POST /mcp", Some(&self.token), &fields, body.as_bytes()))
            .await
            .status
    }

    async fn open_streams(&self) -> Streams {
        let mut streams = Vec::new();
        for _ in 0..CONNECTIONS {
            let frames = Frames::connect(&self.world, &self.token).await;
            let mut open = frames.open(&[]).await;
            open.finish(&stage::tool_call(5, "get_note", &json!({"stream": true})).to_string());
            let (status, mut body) = open.begin().await.unwrap();
            assert_eq!(status, 200);
            assert_eq!(next(&mut body).await.as_deref(), Some(": one\n\n"));
            streams.push((frames, body));
        }
        streams
    }

    /// Half of a body each.
    async fn begin_requests(&self, frames: &Frames) -> Vec<Open> {
        let mut all = Vec::new();
        for _ in 0..UNDECIDED {
            let mut open = frames.open(&[]).await;
            open.send(&call("get_note")[..20], 20);
            all.push(open);
        }
        all
    }

    async fn die(&self, frames: &Frames) {
        let open = frames.open(&[(DRILL, "now")]).await;
        let answer = open.end(false).await;
        assert!(answer.as_ref().map_or(true, |a| a.status >= 500), "{answer:?}");
        eventually("Envoy says that the VM is dead", stage::DEADLINE, || async {
            let log = wicketgate_e2e::files::read(&self.world.state.join("envoy.log")).unwrap();
            if log.contains("unreachable") { Ok(()) } else { Err(log) }
        })
        .await;
    }

    /// How many streams have ended; the others give their second event.
    async fn what_goes_on(&self, streams: &mut Streams) -> usize {
        self.go_on.store(true, Ordering::SeqCst);
        let mut ended = 0;
        for (at, (_, body)) in streams.iter_mut().enumerate() {
            match next(body).await {
                Some(event) => assert!(event == "data: {}\n\n" && at > 0, "{at}: {event}"),
                None => ended += 1,
            }
        }
        assert!((1..CONNECTIONS).contains(&ended), "one worker's streams end, others' do not: {ended}");
        ended
    }

    async fn recovers(&self) {
        let status = "GET /wicketgate/status";
        eventually("every worker answers again", stage::DEADLINE, || async {
            for _ in 0..2 * CONNECTIONS {
                let answer = exchange(&self.world, &request(&self.world, status, None, &[], b"")).await;
                if answer.status != 200 {
                    return Err(format!("{answer:?}"));
                }
            }
            Ok(())
        })
        .await;
    }

    async fn streams_that_fit(&self) -> Vec<TcpStream> {
        let get = request(&self.world, "GET /mcp", Some(&self.token), &[], b"");
        let mut streams = Vec::new();
        loop {
            let (status, stream, head) = open_streams::open(&self.world, &get).await;
            match status {
                200 => streams.push(stream),
                other => {
                    assert_eq!(other, 429, "{head}");
                    return streams;
                }
            }
        }
    }

    /// So many streams fit, soon, and never more.
    async fn places(&self, expected: usize) {
        eventually("places are free", LAPSE, || async {
            let fit = self.streams_that_fit().await.len();
            assert!(fit <= expected, "{fit} instead of {expected}");
            if fit == expected { Ok(()) } else { Err(fit.to_string()) }
        })
        .await;
    }

    async fn bucket_is_as_it_was(&self) {
        let bytes = request(&self.world, "POST /mcp", Some(&self.token), &[], call("get_note").as_bytes());
        let mut admitted = CONNECTIONS;
        loop {
            let answer = exchange(&self.world, &bytes).await;
            match (answer.status, answer.code().as_i64()) {
                (200, None) => admitted += 1,
                // The place of the last one may be a moment from being free.
                (429, Some(-31030)) => {}
                (429, Some(-31029)) => break,
                _ => panic!("{answer:?}"),
            }
        }
        assert_eq!(admitted, BURST);
    }

    /// Exactly what was under way in the VM that died, the request that killed it included.
    async fn is_counted(&self, lost: usize) {
        let undecided = u64::try_from(UNDECIDED + 1).unwrap();
        let all = undecided + u64::try_from(lost).unwrap();
        self.gauge("vms_lost_total", 1).await;
        let decisions = self.stat("wicketgate.records_lost_total.decision").await;
        let completions = self.stat("wicketgate.records_lost_total.completion").await;
        assert_eq!((decisions, completions), (undecided, all));
    }

    /// Envoy stands in for the decisions that were lost; those that had fallen are there.
    async fn is_written_down(&self, lost: usize) {
        let lines = self.world.records("audit.jsonl").unwrap();
        let records: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let ids = |wanted: &dyn Fn(&Value) -> bool| -> BTreeSet<String> {
            let own = records.iter().filter(|record| wanted(record));
            own.map(|record| record["request_id"].as_str().unwrap().to_owned()).collect()
        };
        let undecided = ids(&|r| r["record"] == "decision" && r["reason"] == "not_decided");
        assert_eq!(undecided.len(), UNDECIDED + 1, "{undecided:?}");
        let decided = ids(&|r| r["record"] == "decision" && r["reason"] != "not_decided");
        let completed = ids(&|r| r["record"] == "completion");
        assert_eq!(decided.difference(&completed).count(), lost);
        assert!(undecided.is_disjoint(&decided) && undecided.is_disjoint(&completed));
    }
}

fn script(seen: &Seen, go_on: &Arc<AtomicBool>) -> Script {
    let message = seen.json();
    if seen.head.starts_with("GET ") {
        return Script::Hang(event_stream(": open\n\n"));
    }
    if message["params"]["arguments"]["stream"] == true {
        let rest = b"a\r\ndata: {}\n\n\r\n0\r\n\r\n".to_vec();
        return Script::Then(event_stream(": one\n\n"), Arc::clone(go_on), rest);
    }
    let answer = json_answer(&result(seen));
    if message["method"] == "initialize" {
        let text = String::from_utf8(answer).unwrap();
        return Script::Answer(text.replacen("\r\n", "\r\nmcp-session-id: session-1\r\n", 1).into_bytes());
    }
    Script::Answer(answer)
}

/// What comes next; `None` when the stream has ended, however it did.
async fn next(body: &mut RecvStream) -> Option<String> {
    let data = timeout(stage::DEADLINE, body.data()).await.unwrap_or_else(|_| panic!("the stream hangs"));
    let data = data?.ok()?;
    let _ = body.flow_control().release_capacity(data.len());
    Some(String::from_utf8_lossy(&data).into_owned())
}
