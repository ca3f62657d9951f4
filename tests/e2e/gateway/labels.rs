//! Do labels make a body something else? Media types, mirrors, ids, methods, and fields that Envoy takes orders by.

use serde_json::{Value, json};
use wicketgate_e2e::client::mcp::MODERN;
use wicketgate_e2e::world::HostMode;

use super::recorder::{Recorder, Script, json_answer, result};
use super::scene::{Scene, call};
use super::stage::{self, exchange, request};

#[tokio::test(flavor = "multi_thread")]
async fn no_label_hides_a_body() {
    let scene = Scene::start("labels").await;
    let good = call("get_note");
    for label in [
        "application/json; charset=utf-16",
        "application/json; charset=utf-7",
        "application/json;charset=utf-8;charset=utf-16",
        "application/json, text/plain",
        "application/jsonx",
        "application/json; boundary=x",
        "text/json",
        "multipart/form-data",
        "application/json-seq",
        "application/x-www-form-urlencoded",
        "",
    ] {
        scene.refused(label, &scene.post(&good, &[("Content-Type", label)]), 415, Value::Null).await;
    }
    let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let bytes = request(&scene.world, "POST /mcp", Some(&scene.token), &[], &utf16);
    scene.refused("utf-16", &bytes, 400, json!(-32700)).await;
    for label in ["application/json;charset=\"UTF-8\"", "APPLICATION/JSON ; charset=utf-8"] {
        scene.passes(label, &scene.post(&good, &[("Content-Type", label)])).await;
    }
    mirrors_are_one_name(&scene).await;
    scene.world.discard().await;
}

/// Names of fields are one name in any case, also those that mirror the body.
async fn mirrors_are_one_name(scene: &Scene) {
    let context = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {},
    });
    let mut message = stage::tool_call(5, "drop_everything", &json!({}));
    message["params"]["_meta"] = context;
    let denied = message.to_string();
    for fields in [
        [("mcp-protocol-version", MODERN), ("MCP-METHOD", "tools/call"), ("mcp-NAME", "get_note")],
        [("MCP-PROTOCOL-VERSION", MODERN), ("mcp-method", "tools/list"), ("mCP-nAME", "drop_everything")],
    ] {
        scene.refused("a mirror", &scene.post(&denied, &fields), 400, json!(-32020)).await;
    }
    let mirrored = [("mcp-protocol-version", MODERN), ("MCP-METHOD", "tools/call"), ("mcp-NAME", "get_note")];
    for (name, value) in [("mcp-name", "drop_everything"), ("MCP-Method", "tools/call"), ("mcp-param-x", "1")]
    {
        let twice = [mirrored.as_slice(), &[(name, value), (name, value)]].concat();
        let allowed = denied.replace("drop_everything", "get_note");
        scene.refused(name, &scene.post(&allowed, &twice), 400, json!(-32020)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_id_and_no_method_confuses() {
    let scene = Scene::start("labels-ids").await;
    for id in
        ["1.5", "-0", "1e400", "[1]", "{}", "true", &"9".repeat(400), &format!("\"{}\"", "x".repeat(60_000))]
    {
        for (name, answered) in [("get_note", "result"), ("drop_everything", "error")] {
            let body = call(name).replace("\"id\":5", &format!("\"id\":{id}"));
            let answer = exchange(&scene.world, &scene.post(&body, &[])).await;
            let seen = scene.recorder.take();
            let passed = answer.status == 200 && answered == "result";
            assert_eq!(seen.len(), usize::from(passed), "{id} {name}: {answer:?} {seen:?}");
            assert!(answer.json().is_object(), "{id} {name}: {answer:?}");
            assert!(matches!(answer.status, 200 | 400), "{id} {name}: {answer:?}");
        }
    }
    for method in ["TOOLS/CALL", "Tools/call", " tools/call", "tools/call ", "tools//call", "tools.call"] {
        let body = call("get_note").replace("tools/call", method);
        scene.refused(method, &scene.post(&body, &[]), 200, json!(-32601)).await;
    }
    for method in ["tools/call\\u0000", "tools/call\\n"] {
        let body = call("get_note").replace("tools/call", method);
        scene.refused(method, &scene.post(&body, &[]), 400, json!(-32600)).await;
    }
    let silent = call("drop_everything").replace("\"id\":5,", "");
    scene.refused("a notification", &scene.post(&silent, &[]), 403, Value::Null).await;
    scene.world.discard().await;
}

/// What Envoy itself takes orders by is not for clients: a call would run twice, or another name would be recorded.
#[tokio::test(flavor = "multi_thread")]
async fn no_field_gives_envoy_orders() {
    let recorder = Recorder::start(|seen| match seen.json()["params"]["arguments"]["id"].as_str() {
        Some("flaky") => Script::Answer(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n".to_vec()),
        _ => Script::Answer(json_answer(&result(seen))),
    })
    .await;
    let scene = Scene::before(recorder, "labels-orders", |_| {}).await;
    let orders = [
        ("x-forwarded-for", "10.0.0.1"),
        ("x-envoy-retry-on", "5xx,gateway-error,retriable-status-codes"),
        ("x-envoy-retriable-status-codes", "503"),
        ("x-envoy-max-retries", "3"),
        ("x-envoy-upstream-rq-timeout-ms", "1"),
        ("x-envoy-original-path", "/elsewhere"),
        ("x-envoy-internal", "true"),
        ("x-request-id", "11111111-2222-4333-8444-555555555555"),
    ];
    let body = call("get_note").replace("ideas", "flaky");
    // With a forwarded address and without: who has one looks like a proxy, who has none like a neighbour.
    for orders in [&orders[..], &orders[1..]] {
        let answer = exchange(&scene.world, &scene.post(&body, orders)).await;
        assert_eq!(answer.status, 503, "{answer:?}");
        let seen = scene.recorder.take();
        assert_eq!(seen.len(), 1, "a client ordered retries: {seen:?}");
        let head = seen[0].head.to_lowercase();
        assert!(!head.contains("x-envoy-internal") && !head.contains("11111111"), "{head}");
        let records = stage::records(&scene.world, answer.field("x-request-id").unwrap()).await;
        let recorded = (&records[0]["source"], &records[0]["path"]);
        assert_eq!(recorded, (&json!("127.0.0.1"), &json!("/mcp")), "{records:?}");
    }
    let lines = scene.world.records("access.log").unwrap().join("\n");
    assert!(!lines.contains("elsewhere"), "{lines}");
    scene.world.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_trailer_is_sent_on_that_may_not_be_a_header() {
    let scene = Scene::start("labels-trailers").await;
    let body = call("get_note");
    let framed = format!(
        "{:x}\r\n{body}\r\n0\r\nAuthorization: Bearer one\r\nX-Kept: yes\r\nx-wicketgate-subject: root\r\n\
         Mcp-Name: drop_everything\r\nx-envoy-retry-on: 5xx\r\nCookie: a=two\r\nauthorization: Bearer three\r\n\r\n",
        body.len()
    );
    let bytes = scene.post(&framed, &[("Transfer-Encoding", "chunked")]);
    assert_eq!(exchange(&scene.world, &bytes).await.status, 200);
    let raw = scene.recorder.raw().to_lowercase();
    assert!(raw.contains(&body.to_lowercase()), "{raw}");
    // A buffer filter behind gives the request a length, and Envoy then sends no trailers at all.
    let kept = scene.world.host_mode == HostMode::Hold;
    assert_eq!(raw.contains("x-kept: yes"), kept, "{raw}");
    for name in ["authorization", "x-wicketgate", "cookie", "mcp-name", "x-envoy-retry-on"] {
        assert!(!raw.contains(name), "{name}: {raw}");
    }
    scene.world.discard().await;
}
