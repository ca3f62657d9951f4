//! Does a request hide in another one, or behind a head that two servers read in two ways? Whatever is answered, the
//! upstream sees nothing that was not allowed.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::scene::{Scene, call};
use super::stage::{self, exchange, request};

const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

/// What an attack may lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    /// Nothing at all.
    Nothing,
    /// The allowed call, once, as it was sent.
    Allowed,
}

/// Sends the bytes, reads until Envoy says that it closes, and looks at what the upstream got.
async fn attack(scene: &Scene, what: &str, bytes: &[u8], expected: Sent) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", stage::port(&scene.world))).await.unwrap();
    let _ = stream.write_all(bytes).await;
    let mut answer = String::new();
    let mut more = Vec::new();
    while !answer.contains("\r\nconnection: close\r\n") {
        match timeout(stage::DEADLINE, stream.read_buf(&mut more)).await {
            Ok(Ok(1..)) => answer = String::from_utf8_lossy(&more).into_owned(),
            Ok(_) => break,
            Err(_) => panic!("{what} hangs after {answer:?}"),
        }
    }
    // What would come late comes before the answer to this.
    let probe = exchange(&scene.world, &scene.post(&call("get_note").replace("ideas", "probe"), &[])).await;
    assert_eq!(probe.status, 200, "{what}: {probe:?}");
    let raw = scene.recorder.raw();
    assert!(!raw.contains("drop_everything"), "{what} reached the upstream: {raw}\nanswered: {answer}");
    let mut seen = scene.recorder.take();
    assert!(
        seen.pop().is_some_and(|last| last.json()["params"]["arguments"]["id"] == "probe"),
        "{what}: {raw}"
    );
    let calls: Vec<_> = seen.iter().map(|seen| String::from_utf8_lossy(&seen.body)).collect();
    let expected = if expected == Sent::Allowed { vec![call("get_note")] } else { Vec::new() };
    assert_eq!(calls, expected, "{what}: {raw}\nanswered: {answer}");
    answer
}

/// A head that says these lines about its framing, then this; at last a request after which Envoy closes.
fn framed(scene: &Scene, lines: &str, rest: &str) -> Vec<u8> {
    let (host, token) = (scene.world.origin.trim_start_matches("http://"), &scene.token);
    format!(
        "POST /mcp HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\n{lines}\r\n{rest}\
         GET /nowhere HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )
    .into_bytes()
}

/// Lines that say how long a body is, in ways that two servers could take differently, and what follows them: a body in one
/// chunk, or none and then a whole request.
fn lengths<'a>(good: &'a str, chunks: &'a str, smuggled: &'a str) -> Vec<(&'static str, String, &'a str)> {
    let (length, chunked) = (format!("Content-Length: {}\r\n", good.len()), CHUNKED);
    vec![
        ("length before chunks", format!("Content-Length: 5\r\n{chunked}"), smuggled),
        ("chunks before length", format!("{chunked}Content-Length: {}\r\n", smuggled.len()), smuggled),
        ("chunked twice", format!("{chunked}{chunked}"), smuggled),
        ("chunked and identity", "Transfer-Encoding: chunked, identity\r\n".into(), smuggled),
        ("identity", "Transfer-Encoding: identity\r\n".into(), smuggled),
        ("gzip and chunked", "Transfer-Encoding: gzip, chunked\r\n".into(), smuggled),
        ("a tab before chunked", "Transfer-Encoding:\t\x0bchunked\r\n".into(), smuggled),
        ("a space before the colon", format!("Transfer-Encoding : chunked\r\n{length}"), chunks),
        ("a folded line", format!("X: y\r\n Transfer-Encoding: chunked\r\n{length}"), chunks),
        ("a bare line feed", format!("X: y\nTransfer-Encoding: chunked\r\n{length}"), chunks),
        ("a bare carriage return", format!("X: y\rTransfer-Encoding: chunked\r\n{length}"), chunks),
        ("two lengths", format!("{length}Content-Length: 3\r\n"), good),
        ("two lengths in one", format!("Content-Length: {0}, {0}\r\n", good.len()), good),
        ("a signed length", format!("Content-Length: +{}\r\n", good.len()), good),
        ("a negative length", "Content-Length: -1\r\n".into(), good),
        ("a hexadecimal length", format!("Content-Length: {:#x}\r\n", good.len()), good),
        ("a NUL in a value", format!("X: a\0b\r\n{length}"), good),
        ("no name", format!(": y\r\n{length}"), good),
        ("an upgrade", format!("Connection: Upgrade\r\nUpgrade: websocket\r\n{length}"), good),
    ]
}

/// Bodies whose chunks cannot be counted in one way.
fn chunkings(good: &str, chunks: &str, bad: &str) -> Vec<(&'static str, String)> {
    vec![
        ("a signed chunk", format!("+{chunks}")),
        ("a chunk with a prefix", format!("0x{chunks}")),
        ("a chunk beyond 64 bits", format!("1000000000000000{chunks}")),
        ("a chunk too short", format!("5\r\n{good}\r\n0\r\n\r\n{bad}")),
        ("no last chunk", format!("{:x}\r\n{good}\r\n", good.len())),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_hides_in_the_framing_of_another() {
    let scene = Scene::start("smuggling-framing").await;
    let good = call("get_note");
    let bad = String::from_utf8(scene.post(&call("drop_everything"), &[])).unwrap();
    let bad = bad.replace("Connection: close\r\n", "");
    let chunks = format!("{:x}\r\n{good}\r\n0\r\n\r\n", good.len());
    for (what, lines, rest) in lengths(&good, &chunks, &format!("0\r\n\r\n{bad}")) {
        attack(&scene, what, &framed(&scene, &lines, rest), Sent::Nothing).await;
    }
    for (what, rest) in chunkings(&good, &chunks, &bad) {
        attack(&scene, what, &framed(&scene, CHUNKED, &rest), Sent::Nothing).await;
    }
    let extended = chunks.replacen("\r\n", ";a=\"0\";b\r\n", 1);
    attack(&scene, "chunk extensions", &framed(&scene, CHUNKED, &extended), Sent::Allowed).await;
    let length = format!("Content-Length: {}\r\n", good.len());
    let pipelined = framed(&scene, &length, &format!("{good}{bad}"));
    let answers = attack(&scene, "pipelined", &pipelined, Sent::Allowed).await;
    assert!(answers.contains("Unknown tool: drop_everything"), "{answers}");
    // Refused by its head alone: what follows is its body, whatever it looks like.
    let inner = String::from_utf8(scene.post(&good, &[])).unwrap();
    let length = format!("X: y\r\nOrigin: https://evil.example\r\nContent-Length: {}\r\n", inner.len());
    attack(&scene, "a request as a body", &framed(&scene, &length, &inner), Sent::Nothing).await;
    scene.world.discard().await;
}

/// Request lines that nobody may take for a request to the server.
const TARGETS: [&str; 12] = [
    "POST http://evil.example/mcp",
    "POST /mcp#x",
    "POST /mcp%00",
    "POST /mcp%0d%0aX:%20y",
    "POST /mcp/%252e%252e/x",
    "POST /mcp/..;/x",
    "POST mcp",
    "POST *",
    "post /mcp",
    "Post /mcp",
    "CONNECT /mcp",
    "POST /mcp HTTP/1.1 POST /mcp",
];

#[tokio::test(flavor = "multi_thread")]
async fn no_head_means_two_things() {
    let scene = Scene::start("smuggling-heads").await;
    let (good, bad) = (call("get_note"), call("drop_everything"));
    for (body, sent) in [(&good, Sent::Allowed), (&bad, Sent::Nothing)] {
        let expecting = scene.post(body, &[("Expect", "100-continue")]);
        attack(&scene, "an expectation", &expecting, sent).await;
        let host = scene.world.origin.clone();
        let absolute =
            request(&scene.world, &format!("POST {host}/mcp"), Some(&scene.token), &[], body.as_bytes());
        attack(&scene, "an absolute target", &absolute, sent).await;
        for path in ["/mcp?x=/../y", "/%6dcp", "/./mcp", "/mcp/below"] {
            let line = format!("POST {path}");
            let bytes = request(&scene.world, &line, Some(&scene.token), &[], body.as_bytes());
            attack(&scene, path, &bytes, sent).await;
        }
    }
    for line in TARGETS {
        let bytes = request(
            &scene.world,
            line,
            Some(&scene.token),
            &[("Content-Type", "application/json")],
            good.as_bytes(),
        );
        attack(&scene, line, &bytes, Sent::Nothing).await;
    }
    for version in ["HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/1.1x"] {
        let text = String::from_utf8(scene.post(&good, &[])).unwrap().replacen("HTTP/1.1", version, 1);
        attack(&scene, version, text.as_bytes(), Sent::Nothing).await;
    }
    for (what, name, value) in [
        ("an override", "X-HTTP-Method-Override", "DELETE"),
        ("another path", "X-Original-URL", "/admin"),
        ("a hop that drops a field", "Connection", "close, content-type, mcp-method"),
        ("an upgrade to HTTP/2", "Upgrade", "h2c"),
    ] {
        attack(&scene, what, &scene.post(&bad, &[(name, value)]), Sent::Nothing).await;
    }
    scene.world.discard().await;
}
