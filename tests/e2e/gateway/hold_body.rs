//! Where Envoy cannot hold headers back (`hold_headers: false`), is a denied request still unseen? With a buffer filter
//! behind ours nothing of it is, without one its head is, its body never.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use wicketgate_e2e::upstream::Upstream;
use wicketgate_e2e::world::{BUFFERED, HostMode, Plan};

use super::recorder::{Recorder, Script, Seen, event_stream, json_answer, result};
use super::scene::{Scene, call};
use super::stage::{self, eventually, exchange, request};

const RULES: &str = "      - {id: some, allow: {who: {scopes: [mcp:read]}, tools: [get_note, run_report]}}\n      \
                     - {id: more, allow: {who: {scopes: [\"mcp:write\"]}, tools: [write_note]}}\n";
const LISTED: &str = r#"{"tools":[{"name":"drop_everything"},{"name":"get_note"},{"name":"write_note"}]}"#;

fn hold_bodies(plan: &mut Plan, mode: HostMode) {
    plan.set_policy(&stage::policy("{request_bytes: 64KiB}", RULES)).unwrap();
    plan.host_mode = mode;
}

async fn before(name: &str, mode: HostMode) -> Scene {
    Scene::before(Recorder::start(script).await, name, |plan| hold_bodies(plan, mode)).await
}

/// Lists come as JSON, as JSON before trailers, or as events; a report begins and then hangs.
fn script(seen: &Seen) -> Script {
    let message = seen.json();
    let id = &message["id"];
    let list = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{LISTED}}}"#);
    if message["params"]["name"] == "run_report" {
        return Script::Hang(event_stream(": begun\n\n"));
    }
    if message["method"] != "tools/list" {
        return Script::Answer(json_answer(&result(seen)));
    }
    match message["params"]["cursor"].as_str() {
        Some("trailers") => Script::Answer(chunked("application/json", &list, "x-after: yes\r\n")),
        Some("broken") => Script::Answer(json_answer(&list[..list.len() - 2])),
        Some("broken, trailers") => {
            Script::Answer(chunked("application/json", &list[..list.len() - 2], "x-after: yes\r\n"))
        }
        Some("events") => {
            Script::Answer(chunked("text/event-stream", &format!("data: {list}\n\n"), "x-after: yes\r\n"))
        }
        _ => Script::Answer(json_answer(&list)),
    }
}

/// An answer in one chunk, with these trailers.
fn chunked(kind: &str, body: &str, trailers: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n{trailers}\r\n")
        .into_bytes()
}

/// A chunked request of this body, with a trailer.
fn with_trailer(scene: &Scene, body: &str) -> Vec<u8> {
    let framed = format!("{:x}\r\n{body}\r\n0\r\nX-After: yes\r\n\r\n", body.len());
    scene.post(&framed, &[("Transfer-Encoding", "chunked"), ("Trailer", "X-After")])
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_buffer_filter_behind_nothing_of_a_denied_request_is_seen() {
    let scene = before("hold-buffer", HostMode::Buffer).await;
    scene.passes("a length", &scene.post(&call("get_note"), &[])).await;
    scene.passes("a trailer", &with_trailer(&scene, &call("get_note"))).await;
    let connections = scene.recorder.connections();
    everything_is_refused_as_ever(&scene).await;
    what_is_too_large_is_refused(&scene).await;
    assert_eq!(scene.recorder.connections(), connections, "nothing connected for a refused request");
    lists_are_cut(&scene).await;
    an_unreadable_list_becomes_an_error(&scene).await;
    streams_stream(&scene).await;
    scene.world.discard().await;
}

async fn everything_is_refused_as_ever(scene: &Scene) {
    let denied = call("drop_everything");
    scene.refused("a denied tool", &scene.post(&denied, &[]), 200, json!(-32602)).await;
    scene.refused("a denied tool, trailers", &with_trailer(scene, &denied), 200, json!(-32602)).await;
    scene.refused("not JSON", &scene.post("{", &[]), 400, json!(-32700)).await;
    scene.refused("a step-up", &scene.post(&call("write_note"), &[]), 403, json!(-31003)).await;
    let origin = [("Origin", "https://evil.example")];
    scene.refused("a foreign origin", &scene.post(&denied, &origin), 403, json!(-31004)).await;
    let host = [("Host", "evil.example")];
    scene.refused("a foreign host", &scene.post(&denied, &host), 404, Value::Null).await;
    for token in [None, Some("x.y.z")] {
        let bytes = request(&scene.world, "POST /mcp", token, &[], call("get_note").as_bytes());
        scene.refused("a bad token", &bytes, 401, Value::Null).await;
    }
    for line in ["PUT /mcp", "OPTIONS /mcp"] {
        let bytes = request(&scene.world, line, Some(&scene.token), &[], b"");
        scene.refused(line, &bytes, 405, Value::Null).await;
    }
    let bytes = request(&scene.world, "GET /mcp", Some(&scene.token), &[], denied.as_bytes());
    scene.refused("GET with a body", &bytes, 400, Value::Null).await;
}

/// Below and above what the buffer filter would hold, declared or not.
async fn what_is_too_large_is_refused(scene: &Scene) {
    for size in [65 * 1024, 2 * BUFFERED] {
        let body = call("get_note").replace("ideas", &"x".repeat(size));
        scene.refused("a large length", &scene.post(&body, &[]), 413, Value::Null).await;
        let framed = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
        let bytes = scene.post(&framed, &[("Transfer-Encoding", "chunked")]);
        scene.refused("large chunks", &bytes, 413, Value::Null).await;
    }
}

async fn lists_are_cut(scene: &Scene) {
    for cursor in ["plain", "trailers", "events"] {
        let body = json!({"jsonrpc": "2.0", "id": 9, "method": "tools/list", "params": {"cursor": cursor}});
        let answer = exchange(&scene.world, &scene.post(&body.to_string(), &[])).await;
        let tools = json!([{"name": "get_note"}, {"name": "write_note"}]);
        assert_eq!((answer.status, &answer.json()["result"]["tools"]), (200, &tools), "{cursor}: {answer:?}");
        let records = stage::records(&scene.world, answer.field("x-request-id").unwrap()).await;
        let bytes = records[1]["response_bytes"].as_u64().unwrap();
        assert!(records[1]["removed"] == 1 && (100..200).contains(&bytes), "{cursor}: {}", records[1]);
    }
}

/// The head is gone when the body turns out not to be a list that could be read: an error stands in its place.
async fn an_unreadable_list_becomes_an_error(scene: &Scene) {
    for cursor in ["broken", "broken, trailers"] {
        let body = json!({"jsonrpc": "2.0", "id": 9, "method": "tools/list", "params": {"cursor": cursor}});
        let answer = exchange(&scene.world, &scene.post(&body.to_string(), &[])).await;
        assert_eq!((answer.status, answer.code()), (200, json!(-32603)), "{cursor}: {answer:?}");
        assert!(answer.json()["id"] == 9 && !format!("{answer:?}").contains("name"), "{cursor}: {answer:?}");
        let records = stage::records(&scene.world, answer.field("x-request-id").unwrap()).await;
        assert_eq!(records[1]["reason"], "unsafe_response", "{cursor}: {records:?}");
    }
}

/// The first event is here while the upstream still hangs.
async fn streams_stream(scene: &Scene) {
    let mut stream = TcpStream::connect(("127.0.0.1", stage::port(&scene.world))).await.unwrap();
    stream.write_all(&scene.post(&call("run_report"), &[])).await.unwrap();
    read_until(&mut stream, ": begun\n\n").await;
    let left = scene.recorder.hung_up();
    drop(stream);
    eventually("the upstream notices", stage::DEADLINE, || async {
        if scene.recorder.hung_up() == left + 1 { Ok(()) } else { Err("it does not".into()) }
    })
    .await;
}

async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut answer = Vec::new();
    loop {
        let read = tokio::time::timeout(stage::DEADLINE, stream.read_buf(&mut answer)).await;
        let text = String::from_utf8_lossy(&answer).into_owned();
        if text.contains(end) {
            return text;
        }
        assert!(matches!(read, Ok(Ok(1..))), "only this came: {text:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_one_its_head_is_seen_and_never_its_body() {
    let scene = before("hold-bare", HostMode::Bare).await;
    lists_are_cut(&scene).await;
    an_unreadable_list_becomes_an_error(&scene).await;
    scene.recorder.take();
    for (times, (body, status)) in [
        (call("drop_everything"), "HTTP/1.1 200"),
        (call("write_note"), "HTTP/1.1 403"),
        ("{".to_owned(), "HTTP/1.1 400"),
    ]
    .into_iter()
    .enumerate()
    {
        let bytes = scene.post(&body, &[]);
        let (head, body) = bytes.split_at(bytes.len() - body.len());
        let mut stream = TcpStream::connect(("127.0.0.1", stage::port(&scene.world))).await.unwrap();
        stream.write_all(head).await.unwrap();
        eventually("the head is upstream", stage::DEADLINE, || async {
            if scene.recorder.raw().ends_with("\r\n\r\n") { Ok(()) } else { Err(scene.recorder.raw()) }
        })
        .await;
        stream.write_all(body).await.unwrap();
        let answer = read_until(&mut stream, "}").await;
        assert!(answer.starts_with(status), "{answer}");
        eventually("the upstream's request is given up", stage::DEADLINE, || async {
            if scene.recorder.broken() == times + 1 { Ok(()) } else { Err(scene.recorder.raw()) }
        })
        .await;
        let seen = scene.recorder.raw();
        assert!(seen.ends_with("\r\n\r\n") && !seen.contains(&scene.token), "{seen}");
        scene.recorder.take();
    }
    scene.passes("at last", &scene.post(&call("get_note"), &[])).await;
    scene.world.discard().await;
}

/// A server that reads heads alone: by the time a body would be judged, its answer is there.
async fn hasty(listener: TcpListener, error: Arc<AtomicBool>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let error = Arc::clone(&error);
        tokio::spawn(async move {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
                    return;
                }
            }
            let list = format!(r#"{{"jsonrpc":"2.0","id":9,"result":{LISTED}}}"#);
            let mut answer = String::from_utf8(json_answer(&list)).unwrap();
            if error.load(Ordering::SeqCst) {
                answer = answer.replacen("200 OK", "404 Not Found\r\nmcp-session-id: theirs", 1);
            }
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.read_buf(&mut head).await;
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_comes_before_the_verdict_is_withheld() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let error = Arc::new(AtomicBool::new(false));
    tokio::spawn(hasty(listener, Arc::clone(&error)));
    let world = stage::world("hold-hasty", |plan| {
        plan.upstream = Some(Upstream { host: "127.0.0.1".into(), port, path: "/mcp".into() });
        hold_bodies(plan, HostMode::Bare);
    })
    .await;
    let token = stage::log_in(&world, Some("mcp:read")).await.tokens.access_token;
    let body = json!({"jsonrpc": "2.0", "id": 9, "method": "tools/list"}).to_string();
    let bytes = request(&world, "POST /mcp", Some(&token), &[], body.as_bytes());
    for hasty_error in [false, true] {
        error.store(hasty_error, Ordering::SeqCst);
        // All but the last byte: nothing has been decided.
        let answer = exchange(&world, &bytes[..bytes.len() - 1]).await;
        assert_eq!((answer.status, answer.code()), (502, json!(-32603)), "{answer:?}");
        assert!(answer.field("mcp-session-id").is_none() && answer.json()["result"].is_null(), "{answer:?}");
        let records = stage::records(&world, answer.field("x-request-id").unwrap()).await;
        assert_eq!((records.len(), &records[0]["verdict"]), (2, &json!("deny")), "{records:?}");
    }
    world.discard().await;
}
