//! Which of several addresses gets a request, what becomes of one that fails, and what is tried again?

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;
use wicketgate_e2e::ports;

use super::super::frames::FramesServer;
use super::super::recorder::{Recorder, Script, Seen, json_answer, result};
use super::super::stage::{DEADLINE, eventually, tool_call};
use super::stage::{Drawn, Edge, server};

fn addresses(ports: &[u16], more: &str) -> String {
    let list: Vec<String> = ports.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect();
    format!("{{addresses: [{}]{more}}}", list.join(", "))
}

async fn edge(name: &str, upstream: &str) -> Edge {
    Edge::start(name, &Drawn::of(&server("notes", "/notes", upstream, &[]))).await
}

/// A server that begins a session of its own with each `initialize`.
async fn with_sessions(name: &'static str) -> Recorder {
    let begun = AtomicUsize::new(0);
    Recorder::start(move |seen: &Seen| {
        if seen.json()["method"] != "initialize" {
            return Script::Answer(json_answer(&result(seen)));
        }
        let session = format!("{name}-{}", begun.fetch_add(1, Ordering::SeqCst));
        let body = json!({"jsonrpc": "2.0", "id": seen.json()["id"], "result": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": name, "version": "1"}}})
        .to_string();
        Script::Answer(
            format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nmcp-session-id: {session}\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )
            .into_bytes(),
        )
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_stays_where_it_began() {
    let servers = [with_sessions("a").await, with_sessions("b").await, with_sessions("c").await];
    let ports: Vec<u16> = servers.iter().map(|server| server.upstream.port).collect();
    let edge = edge("sessions", &addresses(&ports, ", affinity: session, balancing: round_robin")).await;
    let initialize = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}})
    .to_string();
    let mut used = [false; 3];
    for _ in 0..6 {
        let answer = edge.send("POST /notes", &[], &initialize).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let session = answer.field("mcp-session-id").unwrap_or_else(|| panic!("{answer:?}")).to_owned();
        let began = servers.iter().position(|server| !server.take().is_empty()).unwrap();
        used[began] = true;
        for _ in 0..4 {
            let fields = [("mcp-session-id", session.as_str()), ("mcp-protocol-version", "2025-11-25")];
            let answer = edge.call("/notes", &fields).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            let seen = servers[began].take();
            assert_eq!(seen.len(), 1, "it went elsewhere");
            let own = seen[0].field("mcp-session-id").unwrap();
            assert!(
                ["a-", "b-", "c-"].iter().any(|name| own.starts_with(name)),
                "the server gets its own word for it: {own}"
            );
        }
    }
    assert_eq!(used, [true; 3], "sessions are spread");
    edge.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_stays_with_one_server_and_others_spread() {
    for (name, more, expected) in [
        ("source", ", affinity: source", 1),
        ("source-ring", ", affinity: source, balancing: ring_hash", 1),
        ("round", ", balancing: round_robin", 2),
        ("random", ", balancing: random", 2),
        ("least", "", 2),
    ] {
        let servers = [Recorder::echo().await, Recorder::echo().await];
        let ports: Vec<u16> = servers.iter().map(|server| server.upstream.port).collect();
        let edge = edge(name, &addresses(&ports, more)).await;
        for _ in 0..32 {
            assert_eq!(edge.call("/notes", &[]).await.status, 200, "{name}");
        }
        let used = servers.iter().filter(|server| !server.take().is_empty()).count();
        assert_eq!(used, expected, "{name}");
        edge.discard().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_used_again() {
    let recorder = Recorder::echo().await;
    let edge = edge("reuse", &addresses(&[recorder.upstream.port], "")).await;
    for _ in 0..20 {
        assert_eq!(edge.call("/notes", &[]).await.status, 200);
    }
    // Each worker has connections of its own.
    assert!(recorder.connections() <= 2, "{}", recorder.connections());
    assert_eq!(edge.stat("cluster.mcp_notes.upstream_rq_total").await, 20);
    edge.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_fails_is_left_out_and_comes_back() {
    let good = Recorder::echo().await;
    let dead = ports::free().unwrap();
    let more = ", balancing: round_robin, ejection: {failures: 1, lasts: 1s, share: 50}";
    let edge = edge("ejection", &addresses(&[good.upstream.port, dead], more)).await;
    eventually("the one that fails has been noticed", DEADLINE, || async {
        match edge.call("/notes", &[]).await.status {
            503 => Ok(()),
            status => Err(status.to_string()),
        }
    })
    .await;
    edge.until("cluster.mcp_notes.outlier_detection.ejections_total", |count| count > 0).await;
    // After its second it is asked once more.
    edge.until("cluster.mcp_notes.outlier_detection.ejections_active", |count| count == 0).await;
    edge.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_ill_gets_nothing() {
    let ill = Recorder::start(|seen: &Seen| {
        Script::Answer(if seen.head.starts_with("GET /healthz") {
            b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n".to_vec()
        } else {
            json_answer(&result(seen))
        })
    })
    .await;
    let well = Recorder::echo().await;
    let more = ", balancing: round_robin, health: {path: /healthz, every: 1s, ill: 1, well: 1}";
    let edge = edge("health", &addresses(&[ill.upstream.port, well.upstream.port], more)).await;
    edge.until("cluster.mcp_notes.membership_healthy", |healthy| healthy == 1).await;
    ill.take();
    for _ in 0..10 {
        assert_eq!(edge.call("/notes", &[]).await.status, 200);
    }
    assert!(ill.take().iter().all(|seen| seen.head.starts_with("GET /healthz")), "{}", ill.raw());
    edge.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_reads_is_tried_again_and_a_call_never_is() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    // Every other request breaks off without an answer.
    let recorder = Recorder::start(move |seen: &Seen| match count.fetch_add(1, Ordering::SeqCst) % 2 {
        0 => Script::Break(Vec::new()),
        _ => Script::Answer(json_answer(&list(seen))),
    })
    .await;
    let edge = edge("retries", &addresses(&[recorder.upstream.port], ", retries: 1")).await;
    let body = json!({"jsonrpc": "2.0", "id": 5, "method": "tools/list"}).to_string();
    for (what, method, body, status, times) in [
        ("a list", Some("tools/list"), body.as_str(), 200, 2),
        ("a list that does not say so in its header", None, &body, 503, 1),
    ] {
        asked.store(0, Ordering::SeqCst);
        let fields: Vec<_> = method.map(|method| ("mcp-method", method)).into_iter().collect();
        let answer = edge.send("POST /notes", &fields, body).await;
        assert_eq!((answer.status, asked.load(Ordering::SeqCst)), (status, times), "{what}: {answer:?}");
    }
    asked.store(0, Ordering::SeqCst);
    let answer = edge.call("/notes", &[("mcp-method", "tools/call")]).await;
    assert_eq!((answer.status, asked.load(Ordering::SeqCst)), (503, 1), "a call: {answer:?}");
    // A call that calls itself a list reaches nobody.
    let answer = edge.call("/notes", &[("mcp-method", "tools/list")]).await;
    assert_eq!(
        (answer.status, answer.code(), asked.load(Ordering::SeqCst)),
        (400, json!(-32020), 1),
        "{answer:?}"
    );
    edge.discard().await;
}

/// By what the filter says of it (`dispatch`), for clients that do not say themselves what they ask.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_made_again_only_where_its_server_and_the_policy_let_it() {
    let broken = Arc::new(AtomicBool::new(false));
    let (count, breaks) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&broken));
    let number = Arc::clone(&count);
    // Each request breaks off once, as long as the test wants it.
    let recorder = Recorder::start(move |seen: &Seen| {
        if number.fetch_add(1, Ordering::SeqCst) % 2 == 0 && breaks.load(Ordering::SeqCst) {
            return Script::Break(Vec::new());
        }
        Script::Answer(json_answer(&if seen.json()["method"] == "tools/list" {
            tools(seen)
        } else {
            result(seen)
        }))
    })
    .await;
    let dispatch = "dispatch: [{methods: [\"tools/list\", initialize], retries: 1}, {tools: [other], begins: 10s}, {tools: [\"*\"], retries: 1}]";
    let at = addresses(&[recorder.upstream.port], "");
    let edge = Edge::start("repeated", &Drawn::of(&server("notes", "/notes", &at, &[dispatch]))).await;
    let list = json!({"jsonrpc": "2.0", "id": 5, "method": "tools/list"}).to_string();
    let initialize = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}})
    .to_string();
    let prompts = json!({"jsonrpc": "2.0", "id": 5, "method": "prompts/list"}).to_string();
    let call = |tool: &str| tool_call(5, tool, &json!({})).to_string();
    let ask = async |what: &str, body: &str, expected: (u16, usize)| {
        count.store(0, Ordering::SeqCst);
        // What a client says of it counts for nothing.
        let fields = [("x-envoy-retry-on", "5xx,reset"), ("x-envoy-max-retries", "3")];
        let answer = edge.send("POST /notes", &fields, body).await;
        assert_eq!((answer.status, count.load(Ordering::SeqCst)), expected, "{what}: {answer:?}");
    };
    broken.store(true, Ordering::SeqCst);
    ask("a call of what was never listed", &call("set_note"), (503, 1)).await;
    ask("initialize", &initialize, (200, 2)).await;
    ask("a list", &list, (200, 2)).await;
    ask("a list of which nothing is said", &prompts, (503, 1)).await;
    for (tool, expected) in [
        ("set_note", (200, 2)),
        ("get_note", (200, 2)),
        ("add_note", (503, 1)),
        ("other", (503, 1)),
        ("unlisted", (503, 1)),
    ] {
        ask(tool, &call(tool), expected).await;
    }
    let fields = recorder.take();
    for name in ["x-envoy-retry-on", "x-envoy-max-retries"] {
        assert!(fields.iter().all(|seen| seen.field(name).is_none()), "the server sees no {name}");
    }
    edge.discard().await;
}

/// One that may be called twice, one that only reads, and one that may do something each time; the last has no entry with `retries`.
fn tools(seen: &Seen) -> String {
    let tool = |name: &str, annotations| json!({"name": name, "inputSchema": {"type": "object"}, "annotations": annotations});
    json!({"jsonrpc": "2.0", "id": seen.json()["id"], "result": {"tools": [
        tool("set_note", json!({"idempotentHint": true})),
        tool("get_note", json!({"readOnlyHint": true})),
        tool("add_note", json!({"readOnlyHint": false, "destructiveHint": false})),
        tool("other", json!({"idempotentHint": true})),
    ]}})
    .to_string()
}

fn list(seen: &Seen) -> String {
    json!({"jsonrpc": "2.0", "id": seen.json()["id"], "result": {"tools": []}}).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_gets_no_more_at_once_than_it_bears() {
    let go_on = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&go_on);
    let recorder =
        Recorder::start(move |seen: &Seen| Script::Once(Arc::clone(&told), json_answer(&result(seen)))).await;
    let edge = edge("breaker", &addresses(&[recorder.upstream.port], ", connections: 1")).await;
    // One is under way and one may wait, whichever of the workers they come to; all others are turned away.
    let call = || edge.call("/notes", &[]);
    let (a, b, c, d, e, f, ()) = tokio::join!(call(), call(), call(), call(), call(), call(), async {
        edge.until("cluster.mcp_notes.upstream_rq_503", |refused| refused >= 4).await;
        go_on.store(true, Ordering::SeqCst);
    });
    let answers = [a, b, c, d, e, f];
    let how_many = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert!(how_many(200) >= 1, "what was under way goes on: {answers:?}");
    assert!(how_many(503) >= 4, "more than it bears: {answers:?}");
    assert_eq!(how_many(200) + how_many(503), 6, "{answers:?}");
    edge.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_silent_for_too_long_is_given_up() {
    let recorder = Recorder::start(|_: &Seen| Script::Hang(Vec::new())).await;
    let edge = edge("silence", &addresses(&[recorder.upstream.port], ", silence: 1s")).await;
    let answer = edge.call("/notes", &[]).await;
    assert_eq!(answer.status, 504, "{answer:?}");
    edge.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_may_speak_http2() {
    let server = FramesServer::start(|message| {
        let id = &message["id"];
        ("application/json", json!({"jsonrpc": "2.0", "id": id, "result": {"content": []}}).to_string())
    })
    .await;
    let edge = edge("http2", &addresses(&[server.upstream.port], ", protocol: http2")).await;
    let answer = edge.call("/notes", &[]).await;
    assert_eq!((answer.status, server.take().len()), (200, 1), "{answer:?}");
    edge.discard().await;
}
