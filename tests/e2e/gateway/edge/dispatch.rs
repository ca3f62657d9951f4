//! Does Envoy do what the filter tells it of single tools: give up in time, and take another road? And nothing of what a client says of that?

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use wicketgate_e2e::client::http::Http;

use super::super::recorder::{Recorder, Script, Seen, event_stream, json_answer, result};
use super::super::stage::{DEADLINE, Raw, eventually, tool_call};
use super::stage::{Drawn, Edge, server};

async fn call_of(edge: &Edge, tool: &str, fields: &[(&str, &str)]) -> Raw {
    edge.send("POST /notes", fields, &tool_call(5, tool, &json!({})).to_string()).await
}

/// The completion record of the last call of this tool.
async fn completion(edge: &Edge, reason: &str) -> Value {
    let mut found = Value::Null;
    eventually("it is recorded", DEADLINE, || {
        let text = std::fs::read_to_string(edge.state.join("audit.jsonl")).unwrap_or_default();
        let all = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let one = all.into_iter().find(|r| r["record"] == "completion" && r["reason"] == reason);
        let seen = one.is_some();
        found = one.unwrap_or_default();
        async move { if seen { Ok(()) } else { Err(text) } }
    })
    .await;
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_has_the_time_that_the_policy_gives_it() {
    let go_on = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&go_on);
    // `slow_*` says nothing; `long_*` and `stream_*` begin a stream, and go on once they are told.
    let recorder = Recorder::start(move |seen: &Seen| {
        let tool = seen.json()["params"]["name"].as_str().unwrap_or_default().to_owned();
        let event = format!("data: {}\n\n", result(seen));
        let more = format!("{:x}\r\n{event}\r\n0\r\n\r\n", event.len()).into_bytes();
        match tool.split('_').next() {
            Some("slow") => Script::Hang(Vec::new()),
            Some("long" | "stream") => Script::Then(event_stream(": begun\n\n"), Arc::clone(&told), more),
            _ => Script::Answer(json_answer(&result(seen))),
        }
    })
    .await;
    let at = format!("{{address: \"127.0.0.1:{}\"}}", recorder.upstream.port);
    let dispatch = "dispatch: [{tools: [long_report], ends: 2s}, {tools: [\"slow_*\", \"stream_*\", quick], begins: 1s}]";
    let edge = Edge::start("times", &Drawn::of(&server("notes", "/notes", &at, &[dispatch]))).await;
    let http = Http::new().unwrap();
    let url = format!("http://127.0.0.1:{}/notes", edge.port);
    let stream = async |tool: &str| {
        let fields =
            [("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
        let body = tool_call(6, tool, &json!({})).to_string().into_bytes();
        http.open("POST", &url, &fields, body).await.unwrap()
    };
    assert_eq!(call_of(&edge, "quick", &[]).await.status, 200);
    let mut streaming = stream("stream_news").await;

    // What says nothing is given up, in words of ours, with the id of the request.
    let answer = call_of(&edge, "slow_search", &[]).await;
    assert_eq!(answer.status, 504, "{answer:?}");
    let said = answer.json();
    assert_eq!((&said["id"], &said["error"]["code"]), (&json!(5), &json!(-31012)), "{answer:?}");
    assert_eq!(completion(&edge, "timed_out").await["status"], 504);
    // A stream that began before that had to begin only.
    go_on.store(true, Ordering::SeqCst);
    let mut event = streaming.next(DEADLINE).await.unwrap().unwrap();
    while event.data.is_empty() {
        event = streaming.next(DEADLINE).await.unwrap().unwrap();
    }
    assert!(event.data.contains("\"result\""), "{event:?}");

    // What has a whole time is cut off, stream or not.
    go_on.store(false, Ordering::SeqCst);
    let mut cut = stream("long_report").await;
    let mut end = cut.next(DEADLINE).await;
    while matches!(&end, Ok(Some(event)) if event.data.is_empty()) {
        end = cut.next(DEADLINE).await;
    }
    assert!(matches!(end, Ok(None) | Err(_)), "{end:?}");
    eventually("and recorded", DEADLINE, || async {
        let text = std::fs::read_to_string(edge.state.join("audit.jsonl")).unwrap_or_default();
        let cut = text.lines().filter(|line| line.contains("\"completion\"") && line.contains("timed_out"));
        if cut.count() == 2 { Ok(()) } else { Err(text) }
    })
    .await;

    // A client's own word for it counts for nothing.
    let fields = [("x-envoy-upstream-rq-timeout-ms", "1"), ("x-envoy-upstream-rq-per-try-timeout-ms", "1")];
    assert_eq!(call_of(&edge, "quick", &fields).await.status, 200);
    let seen = recorder.take();
    for name in ["x-envoy-upstream-rq-timeout-ms", "x-envoy-upstream-rq-per-try-timeout-ms"] {
        assert!(seen.iter().all(|seen| seen.field(name).is_none()), "the server sees no {name}");
    }
    edge.discard().await;
}

/// A server with a branch for some tools and one method.
fn branched(own: &Recorder, heavy: &Recorder) -> Drawn {
    let (own, heavy) = (own.upstream.port, heavy.upstream.port);
    let at = format!(
        "{{address: \"127.0.0.1:{own}\", retries: 1, branches: [{{name: heavy, upstream: {{address: \"127.0.0.1:{heavy}\", \
         path: /heavy}}}}]}}"
    );
    let dispatch = "dispatch: [{tools: [run_small], begins: 10s}, {tools: [\"run_*\"], branch: heavy}, {methods: [\"prompts/*\"], \
                    branch: heavy}]";
    Drawn::of(&server("notes", "/notes", &at, &[dispatch]))
}

#[tokio::test(flavor = "multi_thread")]
async fn some_tools_go_to_a_place_of_their_own() {
    let (own, heavy) = (Recorder::echo().await, Recorder::echo().await);
    let edge = Edge::start("branches", &branched(&own, &heavy)).await;
    let list = json!({"jsonrpc": "2.0", "id": 5, "method": "prompts/list"}).to_string();
    for (what, body, fields, goes_to_heavy) in [
        ("a tool of the branch", tool_call(5, "run_report", &json!({})).to_string(), vec![], true),
        ("a method of the branch", list.clone(), vec![], true),
        ("one that may be tried again", list, vec![("mcp-method", "prompts/list")], true),
        ("an entry before it", tool_call(5, "run_small", &json!({})).to_string(), vec![], false),
        ("another tool", tool_call(5, "get_note", &json!({})).to_string(), vec![], false),
        (
            "one whose client says so",
            tool_call(5, "get_note", &json!({})).to_string(),
            vec![("x-wicketgate-branch", "heavy")],
            false,
        ),
    ] {
        let answer = edge.send("POST /notes", &fields, &body).await;
        assert_eq!(answer.status, 200, "{what}: {answer:?}");
        let (here, there) = (own.take(), heavy.take());
        assert_eq!((here.len(), there.len()), if goes_to_heavy { (0, 1) } else { (1, 0) }, "{what}");
        for seen in here.iter().chain(&there) {
            assert_eq!(seen.field("x-wicketgate-branch"), None, "{what}: no server sees it");
        }
        assert!(there.iter().all(|seen| seen.head.starts_with("POST /heavy ")), "{what}: {there:?}");
    }
    edge.discard().await;
}

/// Somebody edits Envoy's routes by hand, so that another server's requests come there.
#[tokio::test(flavor = "multi_thread")]
async fn a_road_that_is_not_the_servers_is_not_taken() {
    let (own, heavy) = (Recorder::echo().await, Recorder::echo().await);
    let mut drawn = branched(&own, &heavy);
    let indent = " ".repeat(26);
    let (old, new) =
        ("name: mcp_notes\n                          match:", format!("name: mcp_other\n{indent}match:"));
    drawn.edits = vec![(old, new)];
    let edge = Edge::start("roads", &drawn).await;
    for tool in ["run_report", "get_note"] {
        let answer = call_of(&edge, tool, &[]).await;
        assert_eq!(answer.status, 500, "{tool}: {answer:?}");
    }
    assert_eq!(own.bytes() + heavy.bytes(), 0);
    edge.discard().await;
}
