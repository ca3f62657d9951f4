//! Does the same listener speak HTTP/3, and is a request there judged as any other? A QUIC client of the test's own.

use std::error::Error;
use std::sync::Arc;

use h3_quinn::quinn;
use quinn::crypto::rustls::QuicClientConfig;
use tokio::time::timeout;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::version::TLS13;

use super::super::recorder::Recorder;
use super::super::stage::{DEADLINE, eventually};
use super::authority::{Authority, of};
use super::certificates::{FORGED, server};
use super::stage::{Drawn, Edge, call, envoy_minor};
use super::tls::{anywhere, place};

/// A POST over HTTP/3 with these header fields besides: its status and its body, or why there is none.
async fn post(
    port: u16,
    tls: &Arc<ClientConfig>,
    path: &str,
    (fields, body): (&[(&str, &str)], &str),
) -> Result<(u16, Vec<u8>), Box<dyn Error>> {
    let tls = QuicClientConfig::try_from(tls.as_ref().clone()).unwrap();
    let mut endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(tls)));
    let connection = endpoint.connect(([127, 0, 0, 1], port).into(), "a.example").unwrap().await?;
    let (mut driver, mut requests) = h3::client::new(h3_quinn::Connection::new(connection)).await?;
    let driven =
        tokio::spawn(async move { std::future::poll_fn(|context| driver.poll_close(context)).await });
    let mut request = http::Request::post(format!("https://a.example:{port}{path}"))
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let mut stream = requests.send_request(request.body(()).unwrap()).await?;
    stream.send_data(bytes::Bytes::copy_from_slice(body.as_bytes())).await?;
    stream.finish().await?;
    let status = stream.recv_response().await?.status().as_u16();
    let mut answer = Vec::new();
    while let Some(mut chunk) = stream.recv_data().await? {
        let length = bytes::Buf::remaining(&chunk);
        answer.extend_from_slice(&bytes::Buf::copy_to_bytes(&mut chunk, length));
    }
    drop(requests);
    driven.abort();
    Ok((status, answer))
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
        let tls = authority.client(None, &[&TLS13], &["h3"]);
        async move { timeout(DEADLINE, post(edge.port, &tls, path, (&[], &body))).await.unwrap().unwrap() }
    };
    let (status, answer) = ask("/notes", call().to_string()).await;
    assert!(status == 200 && !answer.is_empty(), "{status} {answer:?}");
    assert_eq!(upstream.take().len(), 1);
    // A key that stands twice is refused by the filter alone.
    let twice = call().to_string().replacen('{', "{\"id\":1,", 1);
    assert_eq!(ask("/notes", twice).await.0, 400);
    assert_eq!(ask("/elsewhere", call().to_string()).await.0, 404);
    assert_eq!(upstream.bytes(), 0, "{}", upstream.raw());
    assert_eq!(edge.stat("http.public_udp.downstream_rq_http3_total").await, 3);
    let mut lines = String::new();
    eventually("each leaves both records", DEADLINE, || {
        lines = std::fs::read_to_string(edge.state.join("audit.jsonl")).unwrap_or_default();
        let count = |kind: &str| lines.matches(&format!("\"record\":\"{kind}\"")).count();
        let seen = [count("decision"), count("completion")];
        async move { if seen == [3, 3] { Ok(()) } else { Err(format!("{seen:?}")) } }
    })
    .await;
    edge.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_asked_for_and_told_of_over_http3_too() {
    if envoy_minor() < 40 {
        // It refuses to ask for any there, and so does `render --envoy-version`.
        return;
    }
    let upstream = Recorder::echo().await;
    let (state, ports) = place("http3-certificates");
    let authority = Authority::new(state.join("tls"), "ca");
    let stranger = Authority::new(state.join("tls"), "stranger");
    let own = authority.vouch("a", of(&["a.example"]));
    let mut drawn = Drawn::of(&server(
        "alone",
        upstream.upstream.port,
        "    client_certificates: alone\n",
        "      - {id: machine, allow: {who: {certificates: [\"spiffe://example/agent\"]}, tools: [\"*\"]}}\n",
    ));
    drawn.listen = format!(
        ", tls: {{certificates: [{{{}}}], http3: true, clients: {{roots: \"{}\"}}}}",
        own.yaml(),
        authority.roots().display()
    );
    let edge = Edge::start_in(state, ports, &drawn).await;
    let showing = |by: &Authority, file: &str, names| {
        let pair = by.vouch(file, of(names));
        authority.client(Some(&pair), &[&TLS13], &["h3"])
    };
    let agent = showing(&authority, "agent", &["spiffe://example/agent"]);
    let other = showing(&authority, "other", &["spiffe://example/other"]);
    let strange = showing(&stranger, "strange", &["spiffe://example/agent"]);
    let nobody = authority.client(None, &[&TLS13], &["h3"]);
    let body = call().to_string();
    let ask = async |tls: &Arc<ClientConfig>, fields: &[(&str, &str)]| {
        timeout(DEADLINE, post(edge.port, tls, "/alone", (fields, &body))).await.unwrap()
    };
    assert_eq!(ask(&agent, &[]).await.unwrap().0, 200);
    assert_eq!(upstream.take().len(), 1);
    for fields in [&[][..], &[FORGED]] {
        // No token would help: there are no issuers.
        let answer = String::from_utf8(ask(&other, fields).await.unwrap().1).unwrap();
        assert!(answer.contains("Unknown tool"), "{answer}");
        for who in [&strange, &nobody] {
            let met = ask(who, fields).await;
            assert!(met.is_err(), "{met:?}");
        }
    }
    assert_eq!(upstream.bytes(), 0, "{}", upstream.raw());
    edge.discard().await;
}
