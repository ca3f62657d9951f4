//! How large may an answer be, and what of one that is larger is seen? Each kind of answer exactly at its limit and one byte
//! above; and what all streams hold together.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use h2::RecvStream;
use serde_json::{Value, json};
use tokio::time::timeout;
use wicketgate_e2e::client::mcp::MODERN;
use wicketgate_e2e::world::{HostMode, World};

use super::frames::Frames;
use super::recorder::{Recorder, Script, Seen, event_stream, json_answer, result};
use super::scene::RULES;
use super::stage::{self, Raw, answer, eventually, mirrored, request};
use super::stand_in::{self, Signer, StandIn, server};

const LIMIT: usize = 64 << 10;
/// What an unfinished event holds: two of them are more than the policy allows to be held.
const HELD: usize = 60 << 10;
const FIRST: &str = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":\"info\",\"data\":\"first\"}}\n\n";
const WITHHELD: &str = "data: {\"jsonrpc\":\"2.0\",\"id\":5,\"error\":{\"code\":-32603,\"message\":\"The server's answer was withheld\"}}\n\n";

/// How the answer comes, and with how many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// JSON that says how long it is.
    Declared,
    /// JSON in chunks of 1000 bytes.
    Chunked,
    /// A small event and this one, in chunks of 1000 bytes.
    Event,
}

/// What becomes of one that is too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// 502, with our words.
    Refused,
    /// The same where heads are held; else the head, and nothing of the body.
    Withheld,
    /// It has begun, and breaks off.
    CutOff,
    /// It has begun; what comes before it arrives, and then an error in its place.
    Answered,
}

/// A message of exactly `size` bytes.
fn sized(id: &Value, size: usize) -> String {
    let message = |text: &str| {
        let content = json!([{"type": "text", "text": text}]);
        json!({"jsonrpc": "2.0", "id": id, "result": {"resultType": "complete", "content": content}})
            .to_string()
    };
    message(&"x".repeat(size - message("").len()))
}

fn chunked(kind: &str, body: &str) -> Vec<u8> {
    let mut bytes =
        format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n").into_bytes();
    for chunk in body.as_bytes().chunks(1000) {
        bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
        bytes.extend(chunk);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}

/// JSON that is too large, and not over.
fn endless() -> Vec<u8> {
    let whole = chunked("application/json", &sized(&json!(5), 2 * LIMIT));
    whole[..whole.len() - "0\r\n\r\n".len()].to_vec()
}

fn event(id: &Value, size: usize) -> String {
    format!("data: {}\n\n", sized(id, size - "data: \n\n".len()))
}

fn script(seen: &Seen, gate: &Arc<AtomicBool>) -> Script {
    let message = seen.json();
    let (id, asked) = (&message["id"], &message["params"]["arguments"]);
    let size = asked["size"].as_u64().unwrap_or_default() as usize;
    match asked["kind"].as_str() {
        Some("Declared") => Script::Answer(json_answer(&sized(id, size))),
        Some("Chunked") => Script::Answer(chunked("application/json", &sized(id, size))),
        Some("Event") => Script::Answer(chunked("text/event-stream", &format!("{FIRST}{}", event(id, size)))),
        Some("endless") => Script::Hang(endless()),
        Some("held") => {
            let (first, rest) = unfinished(id, size);
            let rest = format!("{:x}\r\n{rest}\r\n0\r\n\r\n", rest.len());
            Script::Then(event_stream(&first), Arc::clone(gate), rest.into_bytes())
        }
        _ => Script::Answer(json_answer(&result(seen))),
    }
}

/// A comment with an event that is not over after `size` bytes, and what ends it.
fn unfinished(id: &Value, size: usize) -> (String, String) {
    let event = event(id, size + 20);
    let (first, rest) = event.split_at(size);
    (format!(": begun\n\n{first}"), rest.to_owned())
}

fn call(modern: bool, kind: &str, size: usize) -> Value {
    let mut message = stage::tool_call(5, "get_note", &json!({"kind": kind, "size": size}));
    if modern {
        message["params"]["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {},
        });
    }
    message
}

async fn asks(world: &World, token: &str, modern: bool, kind: Kind, size: usize) -> Raw {
    let fields = if modern { mirrored("tools/call", Some("get_note")) } else { Vec::new() };
    let body = call(modern, &format!("{kind:?}"), size).to_string();
    let bytes = request(world, "POST /mcp", Some(token), &fields, body.as_bytes());
    answer(world, &bytes).await.unwrap_or_else(|| panic!("{kind:?} of {size}: no answer"))
}

async fn each_kind_has_its_limit(world: &World, token: &str) {
    for (modern, kind, fate) in [
        // Read for lists: held until it is whole.
        (false, Kind::Declared, Fate::Withheld),
        (false, Kind::Chunked, Fate::Withheld),
        (false, Kind::Event, Fate::Answered),
        // Passed on as it comes.
        (true, Kind::Declared, Fate::Refused),
        (true, Kind::Chunked, Fate::CutOff),
        (true, Kind::Event, Fate::CutOff),
    ] {
        // Where events are only counted, the line end after the last line need not be.
        let above = LIMIT + if modern && kind == Kind::Event { 4 } else { 1 };
        for size in [LIMIT - 1, LIMIT, above, 4 * LIMIT] {
            let what = format!("{kind:?} of {size}, modern: {modern}");
            let came = asks(world, token, modern, kind, size).await;
            let body = came.content();
            let expected = match kind {
                Kind::Event => format!("{FIRST}{}", event(&json!(5), size)),
                _ => sized(&json!(5), size),
            };
            let records = stage::records(world, came.field("x-request-id").unwrap()).await;
            assert_eq!((records.len(), &records[0]["reason"]), (2, &json!("allowed")), "{what}: {records:?}");
            let end = &records[1];
            if size <= LIMIT {
                assert!(
                    came.status == 200 && body == expected,
                    "{what}: {} of {}",
                    body.len(),
                    expected.len()
                );
                assert_eq!(
                    (&end["reason"], &end["status"]),
                    (&json!("allowed"), &json!(200)),
                    "{what}: {end}"
                );
                assert_eq!(end["response_bytes"], expected.len(), "{what}: {end}");
                continue;
            }
            assert_eq!(
                (&end["verdict"], &end["reason"]),
                (&json!("allow"), &json!("unsafe_response")),
                "{what}: {end}"
            );
            let held = world.host_mode == HostMode::Hold;
            match fate {
                Fate::Withheld if !held => assert!(came.status == 200 && body.is_empty(), "{what}: {came:?}"),
                Fate::Refused | Fate::Withheld => {
                    assert_eq!((came.status, came.code()), (502, json!(-32603)), "{what}: {came:?}");
                    assert_eq!(
                        (&came.json()["id"], &end["status"]),
                        (&json!(5), &json!(502)),
                        "{what}: {end}"
                    );
                }
                Fate::CutOff => {
                    assert!(came.status == 200 && came.is_cut_off(), "{what}: {came:?}");
                    assert!(
                        expected.starts_with(&body) && body.len() <= LIMIT + FIRST.len(),
                        "{what}: {body}"
                    );
                }
                Fate::Answered => {
                    assert_eq!((came.status, body), (200, format!("{FIRST}{WITHHELD}")), "{what}");
                }
            }
        }
    }
}

/// Nobody waits for the end of what is too large already.
async fn an_answer_without_an_end_is_not_waited_for(world: &World, token: &str) {
    let bytes =
        request(world, "POST /mcp", Some(token), &[], call(false, "endless", 0).to_string().as_bytes());
    let came = answer(world, &bytes).await.unwrap();
    if world.host_mode == HostMode::Hold {
        assert_eq!((came.status, came.code()), (502, json!(-32603)), "{came:?}");
    } else {
        assert!(came.status == 200 && came.content().is_empty(), "{came:?}");
    }
    let records = stage::records(world, came.field("x-request-id").unwrap()).await;
    assert_eq!(records[1]["reason"], "unsafe_response", "{records:?}");
}

/// Everything on one connection, which is one worker's.
async fn what_is_held_together_has_a_limit(world: &World, token: &str, gate: &AtomicBool) {
    let frames = Frames::connect(world, token).await;
    let holds = || world.envoy.stat("wasmcustom.wicketgate.held_bytes");
    let held = async |expected: usize| {
        eventually(&format!("{expected} bytes are held"), stage::DEADLINE, || async {
            let now = holds().await.unwrap().unwrap_or_default();
            if now == expected as u64 { Ok(()) } else { Err(format!("{now}")) }
        })
        .await;
    };
    let mut first = open(&frames, HELD).await;
    held(HELD).await;
    // The second and the third would be too much: each ends, and what it held is free again.
    for _ in 0..2 {
        let mut large = begin(&frames, HELD).await;
        let broken = read(&mut large, None).await;
        assert!(broken.is_err(), "{broken:?}");
        held(HELD).await;
    }
    let mut small = open(&frames, 1000).await;
    held(HELD + 1000).await;
    // One that its client leaves.
    drop(open(&frames, 2000).await);
    held(HELD + 1000).await;
    gate.store(true, Ordering::SeqCst);
    for (stream, size) in [(&mut first, HELD), (&mut small, 1000)] {
        let (begun, rest) = unfinished(&json!(5), size);
        let all = read(stream, None).await.unwrap();
        assert_eq!(format!(": begun\n\n{all}"), format!("{begun}{rest}"));
    }
    held(0).await;
    let ended = world.records("audit.jsonl").unwrap();
    let ended = ended.iter().filter(|line| line.contains("completion") && line.contains("unsafe_response"));
    assert!(ended.count() >= 2);
}

/// Begins a stream whose event is not over after `size` bytes.
async fn begin(frames: &Frames, size: usize) -> RecvStream {
    let mut open = frames.open(&[]).await;
    open.finish(&call(false, "held", size).to_string());
    let (status, stream) = open.begin().await.unwrap();
    assert_eq!(status, 200);
    stream
}

/// The same; the comment before that event has come.
async fn open(frames: &Frames, size: usize) -> RecvStream {
    let mut stream = begin(frames, size).await;
    assert_eq!(read(&mut stream, Some(": begun\n\n")).await.unwrap(), ": begun\n\n");
    stream
}

/// Reads until this has come, or to the end.
async fn read(stream: &mut RecvStream, until: Option<&str>) -> Result<String, h2::Error> {
    let mut all = Vec::new();
    while until.is_none_or(|end| all != end.as_bytes()) {
        let data = timeout(stage::DEADLINE, stream.data()).await;
        let Some(data) = data.unwrap_or_else(|_| panic!("it hangs after {} bytes", all.len())) else { break };
        let data = data?;
        stream.flow_control().release_capacity(data.len())?;
        all.extend_from_slice(&data);
    }
    Ok(String::from_utf8_lossy(&all).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_and_what_is_held_of_them_are_bounded() {
    let gate = Arc::new(AtomicBool::new(false));
    let upstream = Recorder::start({
        let gate = Arc::clone(&gate);
        move |seen| script(seen, &gate)
    })
    .await;
    let key = Signer::quick("key");
    let issuer = StandIn::start(std::slice::from_ref(&key)).await;
    let servers = server("tested", "/mcp", &["limits: {response_bytes: 64KiB}"], RULES);
    let world = stand_in::world("answer-sizes", &upstream, &[("issuer", &issuer, "")], &servers, |plan| {
        let policy = wicketgate_e2e::files::read(&plan.policy).unwrap();
        plan.set_policy(&policy.replacen("issuers:\n", "held_bytes: 100KiB\nissuers:\n", 1)).unwrap();
    })
    .await;
    let token = key.token(&issuer.url, std::slice::from_ref(&world.mcp));
    each_kind_has_its_limit(&world, &token).await;
    an_answer_without_an_end_is_not_waited_for(&world, &token).await;
    what_is_held_together_has_a_limit(&world, &token, &gate).await;
    world.discard().await;
}
