//! Which server gets a request, by host and by path, and who answers what belongs to none?

use serde_json::json;

use super::super::recorder::Recorder;
use super::stage::{Drawn, Edge, server};

fn at(recorder: &Recorder, more: &str) -> String {
    format!("{{address: \"127.0.0.1:{}\"{more}}}", recorder.upstream.port)
}

/// Several servers at one listener, one of them at a host of its own, one below another's path, one at `/`.
async fn several() -> (Edge, [Recorder; 4]) {
    let all =
        [Recorder::echo().await, Recorder::echo().await, Recorder::echo().await, Recorder::echo().await];
    let [notes, deep, hosted, root] = &all;
    let anywhere = |path: &str| format!("match: {{hosts: [\"127.0.0.1\"], path: {path}}}");
    let servers = [
        server(
            "notes",
            "/notes",
            &at(notes, ", path: /mcp"),
            &["origins: [\"https://app.example.com\"]", &anywhere("/notes")],
        ),
        server("deep", "/notes/deep", &at(deep, ", path: /"), &[&anywhere("/notes/deep")]),
        server(
            "hosted",
            "/hosted",
            &at(hosted, ", host: keep"),
            &["match: {hosts: [\"a.example\"], path: /notes}"],
        ),
        server("root", "", &at(root, ""), &[&anywhere("/")]),
    ];
    (Edge::start("routes", &Drawn::of(&servers.concat())).await, all)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_request_reaches_the_server_of_its_host_and_path() {
    let (edge, [notes, deep, hosted, root]) = several().await;
    let own = format!("127.0.0.1:{}", edge.port);
    for (host, path, recorder, seen_path, seen_host) in [
        (own.as_str(), "/notes", &notes, "/mcp", format!("127.0.0.1:{}", notes.upstream.port)),
        (&own, "/notes/x", &notes, "/mcp/x", format!("127.0.0.1:{}", notes.upstream.port)),
        (&own, "/notes/deep", &deep, "/", format!("127.0.0.1:{}", deep.upstream.port)),
        (&own, "/notes/deep/er", &deep, "/er", format!("127.0.0.1:{}", deep.upstream.port)),
        (&own, "/notesanddeep", &root, "/notesanddeep", format!("127.0.0.1:{}", root.upstream.port)),
        ("A.Example", "/notes", &hosted, "/notes", "A.Example".into()),
        ("a.example:8443", "/notes/deep", &hosted, "/notes/deep", "a.example:8443".into()),
        (&own, "/", &root, "/", format!("127.0.0.1:{}", root.upstream.port)),
    ] {
        let answer = edge.call(path, &[("host", host)]).await;
        assert_eq!(answer.status, 200, "{host}{path}: {answer:?}");
        let seen = recorder.take();
        assert_eq!(seen.len(), 1, "{host}{path}");
        assert!(
            seen[0].head.starts_with(&format!("POST {seen_path} HTTP/1.1\r\n")),
            "{host}{path}: {}",
            seen[0].head
        );
        assert_eq!(seen[0].field("host"), Some(seen_host.as_str()), "{host}{path}");
        for other in [&notes, &deep, &hosted, &root] {
            assert_eq!(other.bytes(), 0, "{host}{path}: {}", other.raw());
        }
    }
    // Hosts of nobody, and one that only looks like another in a pattern.
    for (host, path) in [
        ("b.example", "/notes"),
        ("aXexample", "/notes"),
        ("a.example", "/hosted"),
        ("a.example.b", "/notes"),
    ] {
        let answer = edge.call(path, &[("host", host)]).await;
        assert_eq!(answer.status, 404, "{host}{path}: {answer:?}");
    }
    edge.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_and_the_authorization_server_come_before_every_server() {
    let (edge, recorders) = several().await;
    let metadata = edge.send("GET /.well-known/oauth-protected-resource/notes/deep", &[], "").await;
    assert_eq!((metadata.status, &metadata.json()["resource_name"]), (200, &json!("deep")), "{metadata:?}");
    let status = edge.send("GET /wicketgate/status", &[], "").await;
    assert_eq!(status.status, 200, "{status:?}");
    // Nobody listens there: Envoy says so, and no server at `/` is asked instead.
    for path in [
        "/.well-known/oauth-authorization-server",
        "/authorize?x=1",
        "/token",
        "/register",
        "/register/c1",
        "/assets/a.css",
    ] {
        let answer = edge.send(&format!("GET {path}"), &[], "").await;
        assert_eq!(answer.status, 503, "{path}: {answer:?}");
    }
    for recorder in recorders {
        assert_eq!(recorder.bytes(), 0, "{}", recorder.raw());
    }
    edge.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_verb_ends_in_a_decision() {
    let (edge, recorders) = several().await;
    let preflight =
        [("access-control-request-method", "POST"), ("access-control-request-headers", "authorization")];
    let asked = |origin| [preflight.as_slice(), &[("origin", origin)]].concat();
    let allowed = edge.send("OPTIONS /notes", &asked("https://app.example.com"), "").await;
    assert_eq!(allowed.status, 200, "{allowed:?}");
    assert_eq!(allowed.field("access-control-allow-origin"), Some("https://app.example.com"));
    assert!(allowed.field("access-control-allow-headers").unwrap().contains("authorization"));
    for (what, line, fields, status) in [
        ("a preflight of a stranger", "OPTIONS /notes", asked("https://evil.example"), 403),
        ("one where no page may call", "OPTIONS /notes/deep", asked("https://app.example.com"), 403),
        ("no preflight", "OPTIONS /notes", vec![], 405),
        ("PUT", "PUT /notes", vec![], 405),
        ("PATCH", "PATCH /notes", vec![], 405),
        ("TRACE", "TRACE /notes", vec![], 405),
        ("a verb that HTTP does not have, to Envoy itself", "MCP /notes", vec![], 400),
        (
            "a WebSocket",
            "GET /notes",
            vec![
                ("connection", "Upgrade"),
                ("upgrade", "websocket"),
                ("sec-websocket-version", "13"),
                ("sec-websocket-key", "eA=="),
            ],
            403,
        ),
    ] {
        let answer = edge.send(line, &fields, "").await;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        assert_eq!(answer.field("access-control-allow-origin"), None, "{what}: {answer:?}");
    }
    for recorder in &recorders {
        assert_eq!(recorder.bytes(), 0, "{}", recorder.raw());
    }
    // A page may read the answer, and what it needs of its header.
    let answer = edge.call("/notes", &[("origin", "https://app.example.com")]).await;
    assert_eq!(answer.field("access-control-allow-origin"), Some("https://app.example.com"), "{answer:?}");
    assert!(answer.field("access-control-expose-headers").unwrap().contains("mcp-session-id"), "{answer:?}");
    edge.discard().await;
}
