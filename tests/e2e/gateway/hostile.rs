//! What becomes of requests that two parsers could read in two ways? Each is refused in words of ours, and not one byte
//! of it reaches the upstream.

use serde_json::{Value, json};
use wicketgate_e2e::client::mcp::MODERN;
use wicketgate_e2e::world::HostMode;

use super::scene::{Scene, call};
use super::stage::{self, exchange, mirrored, request};

const SMALL: usize = 64 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn bodies_with_two_meanings_are_refused() {
    let scene = Scene::start("hostile-bodies").await;
    let invalid = json!(-32600);
    let unparsable = json!(-32700);
    let good = call("get_note");
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{{"name":"get_note","arguments":{}{}}}}}"#,
        "[".repeat(5000),
        "]".repeat(5000)
    );
    let cases = [
        ("a name twice", r#"{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"get_note","name":"drop_everything"}}"#.to_owned(), None),
        ("a method twice", r#"{"jsonrpc":"2.0","id":5,"method":"ping","method":"tools/call","params":{"name":"drop_everything"}}"#.to_owned(), None),
        ("an escaped key again", r#"{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"get_note","n\u0061me":"drop_everything"}}"#.to_owned(), None),
        ("a key twice, deep in the arguments", r#"{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"get_note","arguments":{"a":[{"b":1,"b":2}]}}}"#.to_owned(), None),
        ("a key in another case", r#"{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"get_note","Name":"drop_everything"}}"#.to_owned(), None),
        ("a lone key in another case", r#"{"jsonrpc":"2.0","id":5,"Method":"tools/call","method":"ping"}"#.to_owned(), None),
        ("a key that folds to a known one", "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"ping\",\"param\u{17f}\":{\"name\":\"drop_everything\"}}".to_owned(), None),
        ("a batch", format!("[{good}]"), Some(&invalid)),
        ("trailing bytes", format!("{good}{}", call("drop_everything")), Some(&unparsable)),
        ("a byte-order mark", format!("\u{feff}{good}"), Some(&unparsable)),
        ("deep nesting", deep, None),
        ("a lone surrogate", good.replace("ideas", "\\ud800"), None),
        ("an id of null", good.replace("\"id\":5", "\"id\":null"), Some(&invalid)),
        ("half a document", good[..good.len() - 1].to_owned(), Some(&unparsable)),
    ];
    for (what, body, code) in cases {
        let expected = code.cloned().unwrap_or_default();
        let answer = scene.refused(what, &scene.post(&body, &[]), 400, expected).await;
        let code = &answer["error"]["code"];
        assert!(*code == invalid || *code == unparsable, "{what}: {answer}");
    }
    let not_text =
        [&good.as_bytes()[..good.len() - 10], &[0xff, 0xfe], &good.as_bytes()[good.len() - 10..]].concat();
    let bytes = request(&scene.world, "POST /mcp", Some(&scene.token), &[], &not_text);
    scene.refused("not UTF-8", &bytes, 400, Value::Null).await;
    scene.passes("at last", &scene.post(&good, &[])).await;
    scene.world.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn framing_hides_nothing() {
    let scene = Scene::start("hostile-framing").await;
    let good = call("get_note");
    let gzip = scene.post(&good, &[("Content-Encoding", "gzip")]);
    scene.refused("gzip", &gzip, 415, Value::Null).await;
    let text = scene.post(&good, &[("Content-Type", "text/plain")]);
    scene.refused("text/plain", &text, 415, Value::Null).await;

    let chunked = [("Transfer-Encoding", "chunked"), ("Trailer", "X-After")];
    for (what, name) in [("allowed", "get_note"), ("denied", "drop_everything")] {
        let body = call(name);
        let framed = format!(
            "{:x}\r\n{}\r\n{:x}\r\n{}\r\n0\r\nX-After: yes\r\n\r\n",
            20,
            &body[..20],
            body.len() - 20,
            &body[20..]
        );
        let bytes = scene.post(&framed, &chunked);
        if what == "allowed" {
            scene.passes("chunks and trailers", &bytes).await;
        } else {
            scene.refused("chunks and trailers", &bytes, 200, json!(-32602)).await;
        }
    }
    what_may_not_be_a_header_may_not_be_a_trailer(&scene).await;
    let large = call("get_note").replace("ideas", &"x".repeat(SMALL));
    scene.refused("a large Content-Length", &scene.post(&large, &[]), 413, Value::Null).await;
    let framed = format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
    let bytes = scene.post(&framed, &[("Transfer-Encoding", "chunked")]);
    scene.refused("large chunks", &bytes, 413, Value::Null).await;
    let endless =
        scene.post(&framed[..framed.len() - "0\r\n\r\n".len()], &[("Transfer-Encoding", "chunked")]);
    scene.refused("large chunks without an end", &endless, 413, Value::Null).await;
    let both = format!("{:x}\r\n{good}\r\n0\r\n\r\n", good.len());
    let length = both.len().to_string();
    let bytes = scene.post(&both, &[("Transfer-Encoding", "chunked"), ("Content-Length", &length)]);
    scene.refused("length and chunks", &bytes, 400, Value::Null).await;

    for verb in ["GET", "DELETE"] {
        let line = format!("{verb} /mcp");
        let bytes = request(
            &scene.world,
            &line,
            Some(&scene.token),
            &[("Content-Type", "application/json")],
            good.as_bytes(),
        );
        let answer = exchange(&scene.world, &bytes).await;
        assert!((400..500).contains(&answer.status), "{verb} with a body: {answer:?}");
        assert_eq!(scene.recorder.bytes(), 0, "{verb} with a body reached the upstream");
    }
    for verb in ["PUT", "PATCH", "OPTIONS", "HEAD", "TRACE"] {
        let bytes = request(&scene.world, &format!("{verb} /mcp"), Some(&scene.token), &[], b"");
        let answer = exchange(&scene.world, &bytes).await;
        assert!(matches!(answer.status, 404 | 405), "{verb}: {answer:?}");
        assert_eq!(scene.recorder.bytes(), 0, "{verb} reached the upstream");
    }
    scene.passes("at last", &scene.post(&good, &[])).await;
    scene.world.discard().await;
}

async fn what_may_not_be_a_header_may_not_be_a_trailer(scene: &Scene) {
    let good = call("get_note");
    let hidden = [
        "Authorization: Bearer hidden",
        "Cookie: hidden",
        "Mcp-Name: hidden",
        "MCP-Session-Id: hidden",
        "X-Forwarded-For: hidden",
        "X-Wicketgate-Principal: hidden",
        "Proxy-Authorization: hidden",
    ];
    let trailers = hidden.join("\r\n");
    let framed = format!("{:x}\r\n{good}\r\n0\r\n{trailers}\r\nX-After: yes\r\n\r\n", good.len());
    let answer = exchange(&scene.world, &scene.post(&framed, &[("Transfer-Encoding", "chunked")])).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let raw = scene.recorder.raw().to_lowercase();
    assert!(!raw.contains("hidden"), "{raw}");
    // A buffer filter behind gives the body a length, and then HTTP/1.1 has no place for trailers.
    assert_eq!(raw.contains("\r\nx-after: yes\r\n"), scene.world.host_mode == HostMode::Hold, "{raw}");
    scene.recorder.take();
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_hosts_and_fields_mean_one_thing() {
    let scene = Scene::start("hostile-heads").await;
    let good = call("get_note");
    for (path, statuses) in [
        ("/mcp/../x", &[404][..]),
        ("/mcp/..", &[404]),
        ("/mcp%2f..%2fx", &[400]),
        ("/mcp%2Fx", &[400]),
        ("/mcp;a=b", &[404]),
        ("/MCP", &[404]),
        ("/mcpx", &[404]),
        ("/mcp/%2e%2e/x", &[400, 404]),
    ] {
        let bytes = request(&scene.world, &format!("POST {path}"), Some(&scene.token), &[], good.as_bytes());
        let answer = exchange(&scene.world, &bytes).await;
        assert!(statuses.contains(&answer.status), "{path}: {answer:?}");
        assert_eq!(scene.recorder.bytes(), 0, "{path} reached the upstream");
    }
    // Spellings that Envoy makes one before anybody looks: decided like it.
    for path in ["//mcp", "/x/../mcp", "/mcp\\x"] {
        let denied = call("drop_everything");
        let bytes =
            request(&scene.world, &format!("POST {path}"), Some(&scene.token), &[], denied.as_bytes());
        scene.refused(path, &bytes, 200, json!(-32602)).await;
        let bytes = request(&scene.world, &format!("POST {path}"), None, &[], good.as_bytes());
        scene.refused(path, &bytes, 401, Value::Null).await;
    }
    let foreign = scene.post(&good, &[("Origin", "https://evil.example")]);
    scene.refused("a foreign Origin", &foreign, 403, json!(-31004)).await;
    let foreign = scene.post(&good, &[("Host", "evil.example")]);
    scene.refused("a foreign Host", &foreign, 404, Value::Null).await;
    for (field, value) in [
        ("Content-Type", "application/json"),
        ("MCP-Protocol-Version", MODERN),
        ("Mcp-Method", "ping"),
        ("Mcp-Session-Id", "a"),
        ("Origin", "https://evil.example"),
    ] {
        let bytes = scene.post(&good, &[(field, value), (field, value)]);
        let answer = exchange(&scene.world, &bytes).await;
        assert!((400..500).contains(&answer.status), "{field} twice: {answer:?}");
        assert_eq!(scene.recorder.bytes(), 0, "{field} twice reached the upstream");
    }
    let underscore = scene.post(&good, &[("mcp_method", "tools/call")]);
    scene.refused("an underscore", &underscore, 400, Value::Null).await;
    scene.passes("at last", &scene.post(&good, &[])).await;
    scene.world.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn modern_headers_agree_with_the_body() {
    let scene = Scene::start("hostile-mirrors").await;
    let modern = |name: &str| {
        let mut message = stage::tool_call(5, name, &json!({}));
        message["params"]["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        message.to_string()
    };
    let good = modern("get_note");
    let with = |method: &'static str, name: Option<&'static str>| mirrored(method, name);
    scene.passes("agreement", &scene.post(&good, &with("tools/call", Some("get_note")))).await;
    scene
        .passes(
            "agreement in Base64",
            &scene.post(&good, &with("tools/call", Some("=?base64?Z2V0X25vdGU=?="))),
        )
        .await;
    for (what, body, fields) in [
        ("another name in the body", modern("drop_everything"), with("tools/call", Some("get_note"))),
        ("another name in the header", good.clone(), with("tools/call", Some("drop_everything"))),
        ("another method", good.clone(), with("ping", Some("get_note"))),
        ("a method in capitals", good.clone(), with("TOOLS/CALL", Some("get_note"))),
        ("no name", good.clone(), with("tools/call", None)),
        ("bad Base64", good.clone(), with("tools/call", Some("=?base64?Z2V0X25vdGU?="))),
        (
            "another version in the body",
            good.replace(MODERN, "2025-11-25"),
            with("tools/call", Some("get_note")),
        ),
    ] {
        let answer = scene.refused(what, &scene.post(&body, &fields), 400, json!(-32020)).await;
        assert_eq!(answer["id"], 5, "{what}: {answer}");
    }
    let denied = scene.post(&modern("drop_everything"), &with("tools/call", Some("drop_everything")));
    scene.refused("a denied tool", &denied, 200, json!(-32602)).await;

    let unknown = good.replace(MODERN, "2099-01-01");
    let fields =
        [("MCP-Protocol-Version", "2099-01-01"), ("Mcp-Method", "tools/call"), ("Mcp-Name", "get_note")];
    let answer =
        scene.refused("an unknown version", &scene.post(&unknown, &fields), 400, json!(-32022)).await;
    // What a header may name: legacy revisions are agreed on by `initialize`.
    let supported = &answer["error"]["data"]["supported"];
    assert_eq!((supported, &answer["id"]), (&json!([MODERN]), &json!(5)), "{answer}");
    for verb in ["GET", "DELETE"] {
        let bytes = request(
            &scene.world,
            &format!("{verb} /mcp"),
            Some(&scene.token),
            &[("MCP-Protocol-Version", MODERN)],
            b"",
        );
        scene.refused(verb, &bytes, 405, Value::Null).await;
    }
    scene.world.discard().await;
}
