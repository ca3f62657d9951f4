//! Are MCP servers asked as they must be, and is it known how they do? Each server here says one thing; a real one that dies and comes
//! back is met by the end-to-end tests.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, StatusCode};
use axum::routing::any;
use serde_json::{Value, json};

use crate::world::World;

/// What a server does.
#[derive(Clone, Copy, Debug)]
enum Does {
    /// Answers `server/discover`.
    Modern,
    /// The same in an event stream that stays open.
    Streams,
    /// Knows `initialize` alone, and hands out a session.
    Legacy,
    /// Takes the question and says nothing.
    Hangs,
    /// Answers with this status, and a page.
    Says(u16),
    /// Answers with an error, whatever it is asked.
    Refuses,
    /// Sends elsewhere.
    Redirects,
    /// Never ends.
    Floods,
}

struct Mcp {
    does: Mutex<Does>,
    asked: Mutex<Vec<(Method, HeaderMap, Value)>>,
    open: AtomicUsize,
}

/// A server, and its URL.
async fn server(does: Does) -> (Arc<Mcp>, String) {
    let mcp = Arc::new(Mcp { does: Mutex::new(does), asked: Mutex::default(), open: AtomicUsize::new(0) });
    let router = Router::new().route("/mcp", any(answer)).with_state(Arc::clone(&mcp));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (mcp, url)
}

async fn answer(
    State(mcp): State<Arc<Mcp>>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let message: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    mcp.asked.lock().unwrap().push((method.clone(), headers, message.clone()));
    let reply = |status: u16, media: &str, body: Body| {
        let status = StatusCode::from_u16(status).unwrap();
        Response::builder().status(status).header("content-type", media).body(body).unwrap()
    };
    let result = |result: Value| json!({"jsonrpc": "2.0", "id": message["id"], "result": result}).to_string();
    let discovered = result(json!({"supportedVersions": ["2026-07-28"], "capabilities": {}}));
    let does = *mcp.does.lock().unwrap();
    match (does, message["method"].as_str()) {
        (_, None) if method == Method::DELETE => {
            mcp.open.fetch_sub(1, Ordering::SeqCst);
            reply(204, "text/plain", Body::empty())
        }
        (Does::Modern, Some("server/discover")) => reply(200, "application/json", discovered.into()),
        (Does::Streams, Some("server/discover")) => {
            let event = format!(": hello\n\ndata: {discovered}\n\n");
            let first = futures_like(event.into_bytes());
            reply(200, "text/event-stream; charset=utf-8", first)
        }
        (Does::Legacy, Some("initialize")) => {
            mcp.open.fetch_add(1, Ordering::SeqCst);
            let body = result(json!({"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {}}));
            let mut answer = reply(200, "application/json", body.into());
            answer.headers_mut().insert("mcp-session-id", "a-session".parse().unwrap());
            answer
        }
        (Does::Hangs, _) => std::future::pending().await,
        (Does::Says(status), _) => reply(status, "text/html", "<p>no".into()),
        (Does::Redirects, _) => {
            let mut answer = reply(307, "text/plain", Body::empty());
            answer.headers_mut().insert("location", "/elsewhere".parse().unwrap());
            answer
        }
        (Does::Floods, _) => {
            let most = format!("data: {}\n\n", "x".repeat(300 * 1024));
            reply(200, "text/event-stream", futures_like(most.into_bytes()))
        }
        _ => {
            let error =
                json!({"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": "no"}});
            reply(400, "application/json", error.to_string().into())
        }
    }
}

/// A body that begins so and does not end.
fn futures_like(first: Vec<u8>) -> Body {
    let mut first = Some(Bytes::from(first));
    Body::new(Endless(std::iter::from_fn(move || first.take()).collect()))
}

struct Endless(std::collections::VecDeque<Bytes>);

impl axum::body::HttpBody for Endless {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        match self.0.pop_front() {
            Some(bytes) => std::task::Poll::Ready(Some(Ok(hyper::body::Frame::data(bytes)))),
            None => std::task::Poll::Pending,
        }
    }
}

fn configured(servers: &[(&str, &str)], more: &str) -> String {
    let list: Vec<String> =
        servers.iter().map(|(name, url)| format!("{{name: {name}, url: '{url}'}}")).collect();
    format!("mcp_servers: {{every: 30s, timeout: 1s{more}, servers: [{}]}}\n", list.join(", "))
}

async fn servers(world: &World) -> Value {
    let status: Value =
        world.http.get(format!("{}/status", world.admin)).send().await.unwrap().json().await.unwrap();
    status["mcp_servers"].clone()
}

/// Waits until `/status` says so of the servers.
async fn until(world: &World, what: &str, right: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let said = servers(world).await;
        if right(&said) {
            return said;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}: {said}");
    }
}

#[tokio::test]
async fn what_a_server_says_is_known_by_its_name() {
    let cases = [
        ("modern", Does::Modern, "well", Value::Null, json!("server/discover")),
        ("streams", Does::Streams, "well", Value::Null, json!("server/discover")),
        ("legacy", Does::Legacy, "well", Value::Null, json!("initialize")),
        ("hangs", Does::Hangs, "ill", json!("timed_out"), Value::Null),
        ("page", Does::Says(200), "ill", json!("no_mcp"), Value::Null),
        ("broken", Does::Says(500), "ill", json!("status"), Value::Null),
        ("absent", Does::Says(404), "ill", json!("no_mcp"), Value::Null),
        ("locked", Does::Says(401), "ill", json!("asks_for_credential"), Value::Null),
        ("refuses", Does::Refuses, "ill", json!("no_mcp"), Value::Null),
        ("redirects", Does::Redirects, "ill", json!("redirects"), Value::Null),
        ("floods", Does::Floods, "ill", json!("no_mcp"), Value::Null),
    ];
    let mut all = Vec::new();
    for (name, does, ..) in &cases {
        let (mcp, url) = server(*does).await;
        all.push((*name, mcp, url));
    }
    let named: Vec<(&str, &str)> = all.iter().map(|(name, _, url)| (*name, url.as_str())).collect();
    let world = World::start_with(|yaml| yaml + &configured(&named, ", ill: 1")).await;
    let none_unknown = |said: &Value| said.as_array().unwrap().iter().all(|one| one["state"] != "unknown");
    let said = until(&world, "each was asked", none_unknown).await;
    for (at, (name, _, state, why, answers)) in cases.iter().enumerate() {
        let one = &said[at];
        let expected = (&json!(name), &json!(state), why, answers);
        assert_eq!((&one["name"], &one["state"], &one["why"], &one["answers"]), expected, "{one}");
    }
    for (name, mcp, _) in &all {
        let asked = mcp.asked.lock().unwrap();
        assert!(asked.len() <= 3, "{name} is asked once a period: {}", asked.len());
        for (_, headers, _) in asked.iter() {
            for absent in ["authorization", "cookie", "referer"] {
                assert!(!headers.contains_key(absent), "{name}: {absent}");
            }
        }
    }
    let (_, legacy, _) = &all[2];
    assert_eq!(legacy.open.load(Ordering::SeqCst), 0, "its session was ended");
    let asked = legacy.asked.lock().unwrap().clone();
    let methods: Vec<_> = asked.iter().map(|(_, _, message)| message["method"].clone()).collect();
    assert_eq!(methods, [json!("server/discover"), json!("initialize"), Value::Null]);
    assert_eq!(asked[0].1["mcp-method"], "server/discover");
    assert_eq!(asked[2].1["mcp-protocol-version"], "2025-06-18");

    let metrics =
        world.http.get(format!("{}/metrics", world.metrics)).send().await.unwrap().text().await.unwrap();
    for line in [
        "mcp_server_well{server=\"legacy\"} 1",
        "mcp_server_well{server=\"hangs\"} 0",
        "mcp_probes_total{server=\"modern\",outcome=\"answered\"} 1",
        "mcp_probes_total{server=\"redirects\",outcome=\"redirects\"} 1",
    ] {
        assert!(metrics.contains(&format!("wicketgate_auth_{line}\n")), "{line}: {metrics}");
    }
}

#[tokio::test]
async fn thresholds_and_reloads_are_heeded() {
    let (mcp, url) = server(Does::Modern).await;
    let mut world = World::start_with(|yaml| yaml + &configured(&[("one", &url)], ", ill: 2, well: 2")).await;
    let state = |wanted: &'static str| move |said: &Value| said[0]["state"] == wanted;
    let asked = |times: usize| {
        let mcp = Arc::clone(&mcp);
        move |_: &Value| mcp.asked.lock().unwrap().len() >= times
    };
    let said = until(&world, "asked once", |said| said[0]["last_success_age"] == 0).await;
    assert_eq!(said[0]["state"], "unknown", "one answer is not two");
    world.advance(Duration::from_secs(29));
    assert_eq!(mcp.asked.lock().unwrap().len(), 1, "not before its time");
    world.advance(Duration::from_secs(1));
    until(&world, "well", state("well")).await;

    *mcp.does.lock().unwrap() = Does::Says(503);
    world.advance(Duration::from_secs(30));
    let said = until(&world, "one failure", |said| said[0]["failures"] == 1).await;
    assert_eq!((&said[0]["state"], &said[0]["why"]), (&json!("well"), &json!("status")));
    assert_eq!(said[0]["last_success_age"], 30);
    world.advance(Duration::from_secs(30));
    until(&world, "ill", state("ill")).await;

    // It is another server at another place, and none at all where nobody names it.
    let (_, moved) = server(Does::Modern).await;
    world.reload(|yaml| yaml.replace(&url, &moved).replace("well: 2", "well: 1")).await.unwrap();
    until(&world, "the other one is well", state("well")).await;
    let before = mcp.asked.lock().unwrap().len();
    world.reload(|yaml| yaml.replace("mcp_servers:", "#")).await.unwrap();
    assert_eq!(servers(&world).await, json!([]));
    let metrics = async || {
        world.http.get(format!("{}/metrics", world.metrics)).send().await.unwrap().text().await.unwrap()
    };
    let begun = Instant::now();
    while metrics().await.contains("mcp_server_well{") {
        assert!(begun.elapsed() < Duration::from_secs(60), "it is forgotten");
    }
    assert!(!asked(before + 1)(&Value::Null), "the old place is not asked any more");
}
