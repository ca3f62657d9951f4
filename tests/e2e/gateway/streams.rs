//! Do streams pass as they are: each event when it comes, every byte of it, and the end of either side?

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use wicketgate_e2e::client::mcp::McpClient;
use wicketgate_e2e::world::World;

use super::recorder::{Recorder, Script, Seen, event_stream};
use super::stage::{self, eventually, unchunk};

/// Everything that a stream may hold besides messages: comments, ids, retry, priming events, all three line ends, data
/// over several lines, fields that nobody knows, no space after the colon.
const STREAM: &str = ": hello\n\nid: 0\nretry: 3000\ndata:\n\nid: 1\nevent: message\ndata: {\"jsonrpc\":\"2.0\",\n\
data: \"method\":\"notifications/message\",\"params\":{\"level\":\"info\",\"data\":\"\u{e4}\\u00e4\"}}\n\n\
:keep-alive\r\n\r\nid:2\r\ndata:{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":1,\"progress\":1}}\r\n\r\n\
unknown: field\rdata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":\"info\",\"data\":1}}\r\r\
: the end comes\n\n";

/// The same, written so that all clients read the same in it.
const PLAIN: &str = ": hello\n\nid: 0\nretry: 3000\ndata: \n\nid: 1\nevent: message\ndata: {\"jsonrpc\":\"2.0\", \
\"method\":\"notifications/message\",\"params\":{\"level\":\"info\",\"data\":\"\u{e4}\\u00e4\"}}\n\n\
:keep-alive\n\nid:2\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":1,\"progress\":1}}\n\n\
data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":\"info\",\"data\":1}}\n\n\
: the end comes\n\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_tool_reports_as_it_goes() {
    let world = stage::world("streams-slow", |_| {}).await;
    let token = stage::log_in(&world, Some("mcp:read")).await.tokens.access_token;
    let legacy = McpClient::legacy(world.http.clone(), &world.mcp, Some(&token)).await.unwrap();
    let (slow, quick) =
        tokio::join!(report(stage::modern(&world, &token), 22, "modern"), report(legacy, 22, "legacy"));
    assert_eq!((slow, quick), (22, 22));
    world.discard().await;
}

/// Runs the report and asks something else on the way: the first progress is here long before the end is.
async fn report(mut client: McpClient, seconds: u64, era: &str) -> u64 {
    let params =
        json!({"name": "run_report", "arguments": {"seconds": seconds}, "_meta": {"progressToken": era}});
    let mut stream = client.open("tools/call", params).await.unwrap();
    // In the same session, with the ids that follow.
    let mut other = client;
    assert_eq!(stream.headers()["content-type"], "text/event-stream", "{era}");
    let mut progress = Vec::new();
    loop {
        let message = stream.next_message(stage::DEADLINE).await.unwrap();
        if let Some(result) = message.get("result") {
            let expected: Vec<_> = (0..=seconds).collect();
            assert_eq!(progress, expected, "{era}: one event a second, in order");
            return result["structuredContent"]["seconds"].as_u64().unwrap();
        }
        assert_eq!(message["params"]["progressToken"], era, "{message}");
        progress.push(message["params"]["progress"].as_f64().unwrap() as u64);
        if progress.len() == 1 {
            // Whatever holds the stream back until its end would let this come after the result.
            let note = other.call_tool("get_note", json!({"id": "ideas"})).await;
            assert!(note.is_ok(), "{era}: {note:?}");
            assert!(stream.is_open().await, "{era}: the first progress came with the end");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_byte_of_a_stream_passes_and_both_ends_are_noticed() {
    let recorder = Recorder::start(script).await;
    let upstream = recorder.upstream.clone();
    let world = stage::world("streams-bytes", |plan| plan.upstream = Some(upstream)).await;
    let token = stage::log_in(&world, Some("mcp:read")).await.tokens.access_token;
    for line in ["GET /mcp", "POST /mcp"] {
        let body = if line == "GET /mcp" { String::new() } else { call("get_note") };
        let bytes = stage::request(&world, line, Some(&token), &[], body.as_bytes());
        let through = read_until(&world, &bytes, ": the end comes\n\n").await;
        assert_eq!(through, PLAIN, "{line}");
    }
    // `read_until` hangs up after the last byte: the upstream must hear of it.
    eventually("the upstream notices both clients leave", stage::DEADLINE, || async {
        let left = recorder.hung_up();
        if left == 2 { Ok(()) } else { Err(format!("{left} of 2 noticed")) }
    })
    .await;

    // And the other way round: the upstream breaks off in the middle of an event.
    let client = stage::modern(&world, &token);
    let params = json!({"name": "run_report", "arguments": {}});
    let mut stream = client.clone().open("tools/call", params).await.unwrap();
    let first = stream.next_message(stage::DEADLINE).await.unwrap();
    assert_eq!(first["method"], "notifications/progress", "{first}");
    let end = stream.next(stage::DEADLINE).await;
    let hangs = end.as_ref().is_err_and(|failure| failure.to_string().contains("no event within"));
    assert!(!hangs && !matches!(end, Ok(Some(_))), "after the upstream broke off: {end:?}");
    world.discard().await;
}

fn call(name: &str) -> String {
    stage::tool_call(1, name, &json!({})).to_string()
}

fn script(seen: &Seen) -> Script {
    if seen.json()["params"]["name"] == "run_report" {
        let half = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":1,\"progress\":1}}\n\ndata: {\"jso";
        return Script::Break(event_stream(half));
    }
    Script::Hang(event_stream(STREAM))
}

/// Sends the request, reads the chunks of the answer until they hold `end`, and hangs up.
async fn read_until(world: &World, bytes: &[u8], end: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", stage::port(world))).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    loop {
        let read = tokio::time::timeout(stage::DEADLINE, stream.read_buf(&mut answer)).await;
        let text = String::from_utf8_lossy(&answer).into_owned();
        assert!(matches!(read, Ok(Ok(1..))), "only this came: {text:?}");
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/event-stream"), "{head}");
        let body = unchunk(body.as_bytes());
        if body.ends_with(end) {
            return body;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_servers_stream_is_the_same_directly_and_through() {
    let world = stage::world("streams-direct", |_| {}).await;
    let token = stage::log_in(&world, Some("mcp:read")).await.tokens.access_token;
    let direct = format!("http://{}/mcp", world.upstream.authority());
    let mut told = Vec::new();
    for client in [McpClient::modern(world.http.clone(), &direct, None), stage::modern(&world, &token)] {
        let mut client = client;
        let params =
            json!({"name": "run_report", "arguments": {"seconds": 2}, "_meta": {"progressToken": "p"}});
        let answer = client.send("tools/call", params).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        let kind = answer.header("content-type").map(str::to_owned);
        told.push((kind, answer.text()));
    }
    assert_eq!(told[0], told[1]);
    let messages: Vec<Value> = told[1]
        .1
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .filter_map(|data| serde_json::from_str(data).ok())
        .collect();
    assert_eq!(messages.len(), 4, "three of progress and the result: {}", told[1].1);
    world.discard().await;
}
