//! Does the same listener speak HTTP/3, and is a request there judged as any other? A QUIC client of the test's own.

use std::sync::Arc;

use h3_quinn::quinn;
use quinn::crypto::rustls::QuicClientConfig;
use tokio::time::timeout;
use tokio_rustls::rustls::version::TLS13;

use super::super::recorder::Recorder;
use super::super::stage::DEADLINE;
use super::authority::{Authority, of};
use super::stage::{Drawn, Edge, call};
use super::tls::{anywhere, place};

/// A POST over HTTP/3; its status, the length of its body, and whether the server said so.
async fn post(port: u16, authority: &Authority, path: &str, body: &str) -> (u16, usize) {
    let tls = authority.client(None, &[&TLS13], &["h3"]);
    let tls = QuicClientConfig::try_from(tls.as_ref().clone()).unwrap();
    let mut endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(tls)));
    let connection = endpoint.connect(([127, 0, 0, 1], port).into(), "a.example").unwrap().await.unwrap();
    let (mut driver, mut requests) = h3::client::new(h3_quinn::Connection::new(connection)).await.unwrap();
    let driven =
        tokio::spawn(async move { std::future::poll_fn(|context| driver.poll_close(context)).await });
    let request = http::Request::post(format!("https://a.example:{port}{path}"))
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .body(())
        .unwrap();
    let mut stream = requests.send_request(request).await.unwrap();
    stream.send_data(bytes::Bytes::copy_from_slice(body.as_bytes())).await.unwrap();
    stream.finish().await.unwrap();
    let status = stream.recv_response().await.unwrap().status().as_u16();
    let mut length = 0;
    while let Some(chunk) = stream.recv_data().await.unwrap() {
        length += bytes::Buf::remaining(&chunk);
    }
    drop(requests);
    driven.abort();
    (status, length)
}

#[tokio::test(flavor = "multi_thread")]
async fn http3_is_judged_like_any_other() {
    let upstream = Recorder::echo().await;
    let (state, ports) = place("http3");
    let authority = Authority::new(state.join("tls"), "ca");
    let pair = authority.vouch("a", of(&["a.example"]));
    let mut drawn = Drawn::of(&anywhere("notes", upstream.upstream.port, ""));
    drawn.listen = format!(", tls: {{certificates: [{{{}}}], http3: true}}", pair.yaml());
    let edge = Edge::start_in(state, ports, &drawn).await;
    let ask = |path: &'static str, body: String| {
        let authority = &authority;
        async move { timeout(DEADLINE, post(edge.port, authority, path, &body)).await.unwrap() }
    };
    let (status, length) = ask("/notes", call().to_string()).await;
    assert!(status == 200 && length > 0, "{status} {length}");
    assert_eq!(upstream.take().len(), 1);
    // A key that stands twice is refused by the filter alone.
    let twice = call().to_string().replacen('{', "{\"id\":1,", 1);
    assert_eq!(ask("/notes", twice).await.0, 400);
    assert_eq!(ask("/elsewhere", call().to_string()).await.0, 404);
    assert_eq!(upstream.bytes(), 0, "{}", upstream.raw());
    assert_eq!(edge.stat("http.public_udp.downstream_rq_http3_total").await, 3);
    edge.discard().await;
}
