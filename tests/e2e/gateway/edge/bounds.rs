//! Who is the client, and how much may come? Forwarding headers, the PROXY protocol, bounds of the listener and of the authorization
//! server.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;
use wicketgate_e2e::client::raw;
use wicketgate_e2e::files;

use super::super::recorder::Recorder;
use super::super::stage::{DEADLINE, eventually};
use super::stage::{Drawn, Edge, call, request, server};

fn drawn(recorder: &Recorder) -> Drawn {
    Drawn::of(&server(
        "notes",
        "/notes",
        &format!("{{address: \"127.0.0.1:{}\"}}", recorder.upstream.port),
        &[],
    ))
}

/// The source address in the last decision record, once there are `count`.
async fn source(edge: &Edge, count: usize) -> Value {
    let records = || -> Vec<Value> {
        let text = files::read(&edge.state.join("audit.jsonl")).unwrap_or_default();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|record| record["record"] == "decision").collect()
    };
    eventually("the decision is recorded", DEADLINE, || async {
        if records().len() >= count { Ok(()) } else { Err(records().len().to_string()) }
    })
    .await;
    records()[count - 1]["source"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_is_whom_the_trusted_proxies_name() {
    let recorder = Recorder::echo().await;
    for (name, hops, forwarded, expected) in [
        ("hops-0", "", "198.51.100.9", "127.0.0.1"),
        ("hops-1", ", trusted_hops: 1", "203.0.113.5, 198.51.100.9", "198.51.100.9"),
        ("hops-2", ", trusted_hops: 2", "192.0.2.1, 203.0.113.5, 198.51.100.9", "203.0.113.5"),
    ] {
        let mut drawn = drawn(&recorder);
        drawn.listen = hops.to_owned();
        let edge = Edge::start(name, &drawn).await;
        let answer = edge.call("/notes", &[("x-forwarded-for", forwarded)]).await;
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
        assert_eq!(source(&edge, 1).await, json!(expected), "{name}");
        edge.discard().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_is_whom_the_proxy_protocol_names() {
    let recorder = Recorder::echo().await;
    let mut drawn = drawn(&recorder);
    drawn.listen = ", proxy_protocol: true".to_owned();
    let edge = Edge::start("proxy-protocol", &drawn).await;
    let own = format!("127.0.0.1:{}", edge.port);
    let call = request("POST /notes", &own, &[("x-forwarded-for", "192.0.2.1")], &call().to_string());
    let mut v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    v2.extend([198, 51, 100, 7, 127, 0, 0, 1, 0x10, 0, 0x20, 0]);
    let headers =
        [(b"PROXY TCP4 198.51.100.9 127.0.0.1 4096 8080\r\n".to_vec(), "198.51.100.9"), (v2, "198.51.100.7")];
    for (at, (header, expected)) in headers.into_iter().enumerate() {
        let answer =
            raw::exchange(edge.port, &[header, call.clone()].concat(), Duration::from_secs(3)).await.unwrap();
        assert_eq!(raw::status(&answer).unwrap(), 200, "{expected}");
        assert_eq!(source(&edge, at + 1).await, json!(expected));
    }
    recorder.take();
    let answer = super::super::stage::answer_of(edge.port, &call).await;
    assert!(answer.is_none() && recorder.bytes() == 0, "without a header: {answer:?}");
    edge.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_connections_than_there_may_be_are_closed() {
    let recorder = Recorder::echo().await;
    let mut drawn = drawn(&recorder);
    drawn.edge = "  limits: {connections: 3}\n".to_owned();
    let edge = Edge::start("connections", &drawn).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(TcpStream::connect(("127.0.0.1", edge.port)).await.unwrap());
    }
    edge.until("listener_manager.total_listeners_active", |count| count == 1).await;
    edge.until("http.public.downstream_cx_active", |count| count == 3).await;
    let mut more = TcpStream::connect(("127.0.0.1", edge.port)).await.unwrap();
    let read = timeout(DEADLINE, more.read(&mut [0; 1])).await.unwrap();
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    drop(open);
    eventually("others are let in", DEADLINE, || async {
        let bytes = request("POST /notes", "127.0.0.1", &[], &call().to_string());
        let bytes =
            String::from_utf8(bytes).unwrap().replace("127.0.0.1", &format!("127.0.0.1:{}", edge.port));
        match super::super::stage::answer_of(edge.port, bytes.as_bytes()).await {
            Some(answer) if answer.status == 200 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    edge.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_may_ask_the_authorization_server_so_often() {
    let (recorder, sidecar) = (Recorder::echo().await, Recorder::echo().await);
    let mut drawn = drawn(&recorder);
    drawn.listen = ", trusted_hops: 1".to_owned();
    drawn.edge = format!(
        "  limits: {{oauth: {{rate: 1/d, burst: 3}}}}\n  authorization_server: {{public: \"127.0.0.1:{}\"}}\n",
        sidecar.upstream.port
    );
    let edge = Edge::start("oauth-limit", &drawn).await;
    let from = |address: &'static str| [("x-forwarded-for", address)];
    let mut answers = Vec::new();
    for path in ["/token", "/register", "/authorize", "/token", "/register", "/assets/a.css"] {
        answers.push(edge.send(&format!("POST {path}"), &from("198.51.100.9"), "{}").await.status);
    }
    assert_eq!(answers, [200, 200, 200, 429, 429, 429]);
    assert_eq!(edge.send("POST /token", &from("198.51.100.10"), "{}").await.status, 200, "another address");
    // Metadata is for everybody, and servers have limits of their own.
    for path in ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"] {
        assert_eq!(edge.send(&format!("GET {path}"), &from("198.51.100.9"), "").await.status, 200, "{path}");
    }
    assert_eq!(edge.call("/notes", &from("198.51.100.9")).await.status, 200);
    edge.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_does_not_come_whole_ends() {
    let recorder = Recorder::echo().await;
    let mut drawn = drawn(&recorder);
    drawn.edge = "  times: {headers: 1s, request: 2s}\n".to_owned();
    let edge = Edge::start("times", &drawn).await;
    let whole = request("POST /notes", &format!("127.0.0.1:{}", edge.port), &[], &call().to_string());
    for (what, bytes) in [("half a head", &whole[..30]), ("half a body", &whole[..whole.len() - 5])] {
        let answer = super::super::stage::answer_of(edge.port, bytes).await;
        assert_eq!(answer.map(|answer| answer.status), Some(408), "{what}");
    }
    assert_eq!(recorder.bytes(), 0, "{}", recorder.raw());
    edge.discard().await;
}
