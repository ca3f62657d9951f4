//! Do traces reach a collector, and no secret with them?

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

use super::{binary, configure, listening, serve_until_listening, terminate};

/// A post as it came: head and body.
struct Posted {
    head: String,
    body: Vec<u8>,
}

/// A collector: its address, and what comes.
fn collector() -> (String, Receiver<Posted>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // A connection may carry several.
            while let Some(posted) = receive(&mut stream) {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
                sender.send(posted).unwrap();
            }
        }
    });
    (address, receiver)
}

fn receive(stream: &mut TcpStream) -> Option<Posted> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let (_, length) = head.split_once("content-length: ").unwrap();
    let mut body = vec![0; length.split_once('\r').unwrap().0.parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    Some(Posted { head, body })
}

fn ask(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_request_is_a_trace_of_its_proxys() {
    let (collector, posts) = collector();
    let folder = tempfile::tempdir().unwrap();
    let config = configure(folder.path());
    std::fs::write(folder.path().join("otlp.token"), "the-token-of-the-collector").unwrap();
    let text = std::fs::read_to_string(&config).unwrap();
    let token = folder.path().join("otlp.token");
    let more = format!(
        "telemetry: {{otlp: {{endpoint: 'http://{collector}/v1/traces', headers: {{x-token: {{file: {}}}}}}}}}\n",
        token.display()
    );
    std::fs::write(&config, format!("{text}{more}forwarded: {{trusted_hops: 1}}\ncimd: {{enabled: true}}\n"))
        .unwrap();
    let mut served = serve_until_listening(folder.path(), &config);
    let addresses = std::fs::read(folder.path().join("run/addresses.json")).unwrap();
    let addresses: serde_json::Value = serde_json::from_slice(&addresses).unwrap();
    let public = addresses["public"].as_str().unwrap();
    let (trace, parent) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let head = format!("host: x\r\nconnection: close\r\ntraceparent: 00-{trace}-{parent}-01\r\n");
    let body = "grant_type=refresh_token&client_id=c_unknown&refresh_token=mr_s3cret";
    let form = "content-type: application/x-www-form-urlencoded\r\n";
    let length = body.len();
    let answer = ask(
        public,
        &format!("POST /token?x=s3cret HTTP/1.1\r\n{head}{form}content-length: {length}\r\n\r\n{body}"),
    );
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    let link = "/authorize?client_id=https%3A%2F%2Flocalhost%3A1%2Fc.json%3Fk%3Ds3cret";
    let answer = ask(public, &format!("GET {link} HTTP/1.1\r\n{head}\r\n"));
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    ask(public, &format!("S3CRET /s3cret HTTP/1.1\r\n{head}\r\n"));
    terminate(&mut served);

    let posts: Vec<Posted> = posts.try_iter().collect();
    assert!(!posts.is_empty());
    for post in &posts {
        assert!(post.head.starts_with("post /v1/traces http/1.1\r\n"), "{}", post.head);
        assert!(post.head.contains("\r\nx-token: the-token-of-the-collector\r\n"), "{}", post.head);
        let text = String::from_utf8_lossy(&post.body).to_ascii_lowercase();
        assert!(!text.contains("s3cret"), "{text}");
    }
    let spans: Vec<Span> = posts
        .iter()
        .flat_map(|post| ExportTraceServiceRequest::decode(post.body.as_slice()).unwrap().resource_spans)
        .flat_map(|resource| resource.scope_spans)
        .flat_map(|scope| scope.spans)
        .collect();
    let named = |name: &str| {
        spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("{name}: {spans:#?}"))
    };
    let token = named("POST /token");
    assert_eq!((hex(&token.trace_id), hex(&token.parent_span_id)), (trace.to_owned(), parent.to_owned()));
    let of_token = |span: &&Span| span.parent_span_id == token.span_id && span.trace_id == token.trace_id;
    assert!(spans.iter().filter(of_token).any(|span| span.name == "store get"), "{spans:#?}");
    let attributes: Vec<&str> = token.attributes.iter().map(|one| one.key.as_str()).collect();
    for wanted in ["http.request.method", "http.route", "http.response.status_code", "wicketgate.request_id"]
    {
        assert!(attributes.contains(&wanted), "{attributes:?}");
    }
    assert_eq!(named("GET").parent_span_id, named("GET /authorize").span_id, "what was fetched");
    named("_OTHER (none)");
    // The log is as it is without traces.
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(!log.contains("\"span\"") && !log.contains("spans_"), "{log}");
}

/// As in an image that holds nothing but the program.
#[test]
fn it_serves_where_the_system_has_no_authorities() {
    let folder = tempfile::tempdir().unwrap();
    let config = configure(folder.path());
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(
        &config,
        text + "telemetry: {otlp: {endpoint: \"https://collector.example/v1/traces\"}}\n",
    )
    .unwrap();
    let mut command = binary();
    command.args(["serve", "--config", config.to_str().unwrap()]);
    for name in ["SSL_CERT_FILE", "SSL_CERT_DIR"] {
        command.env(name, folder.path().join("none"));
    }
    let mut served = listening(folder.path(), &mut command);
    terminate(&mut served);
}
