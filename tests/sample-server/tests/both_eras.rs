//! Does the server speak both protocol eras, and does it offer what its documentation says?

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail that way")]

use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

const LEGACY: &str = "2025-11-25";
const MODERN: &str = "2026-07-28";

async fn post(router: &axum::Router, headers: &[(&str, &str)], body: &Value) -> Response<Body> {
    let mut request = Request::post("/mcp")
        .header(header::HOST, "127.0.0.1:3001")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json, text/event-stream");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    router.clone().oneshot(request.body(Body::from(body.to_string())).unwrap()).await.unwrap()
}

/// All JSON-RPC messages of an answer, from its JSON body or its events.
async fn messages(response: Response<Body>) -> Vec<Value> {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    if text.starts_with('{') {
        return vec![serde_json::from_str(&text).unwrap()];
    }
    let data = text.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim);
    data.filter(|data| !data.is_empty()).map(|data| serde_json::from_str(data).unwrap()).collect()
}

async fn modern(router: &axum::Router, method: &str, name: Option<&str>, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "progressToken": "p",
    });
    let mut headers = vec![("mcp-protocol-version", MODERN), ("mcp-method", method)];
    headers.extend(name.map(|name| ("mcp-name", name)));
    let body = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
    let answer = post(router, &headers, &body).await;
    let messages = messages(answer).await;
    let last = messages.last().unwrap().clone();
    assert_eq!(last["id"], 7, "{last}");
    last
}

async fn legacy_session(router: &axum::Router) -> String {
    let params = json!({"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}});
    let answer =
        post(router, &[], &json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}))
            .await;
    assert_eq!(answer.status(), StatusCode::OK);
    let session = answer.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    assert_eq!(messages(answer).await[0]["result"]["protocolVersion"], LEGACY);
    let headers = [("mcp-session-id", session.as_str()), ("mcp-protocol-version", LEGACY)];
    let accepted =
        post(router, &headers, &json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    assert_eq!(accepted.status(), StatusCode::ACCEPTED);
    session
}

fn names(list: &Value, key: &str) -> Vec<String> {
    let mut names: Vec<_> = list["result"][key]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["name"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn the_modern_era_lists_everything() {
    let router = wicketgate_sample_server::router();
    let tools = modern(&router, "tools/list", None, json!({})).await;
    let expected = [
        "delete_note",
        "drop_everything",
        "get_note",
        "read_config",
        "run_report",
        "search_notes",
        "write_note",
    ];
    assert_eq!(names(&tools, "tools"), expected);
    assert_eq!(tools["result"]["resultType"], "complete");
    // The SDK's default for tools: true here, and exactly what the gateway has to change once it filters the list.
    assert_eq!(tools["result"]["cacheScope"], "public");
    for tool in tools["result"]["tools"].as_array().unwrap() {
        assert!(tool["annotations"]["readOnlyHint"].is_boolean(), "{tool}");
    }

    let prompts = modern(&router, "prompts/list", None, json!({})).await;
    assert_eq!(names(&prompts, "prompts"), ["summarize_note", "weekly_digest"]);
    let templates = modern(&router, "resources/templates/list", None, json!({})).await;
    assert_eq!(templates["result"]["resourceTemplates"][0]["uriTemplate"], "notes://note/{id}");
    let resources = modern(&router, "resources/list", None, json!({})).await;
    assert_eq!(resources["result"]["resources"].as_array().unwrap().len(), 7);
    let discovered = modern(&router, "server/discover", None, json!({})).await;
    assert!(
        discovered["result"]["supportedVersions"].as_array().unwrap().contains(&json!(MODERN)),
        "{discovered}"
    );
}

#[tokio::test]
async fn the_modern_era_calls_reads_and_completes() {
    let router = wicketgate_sample_server::router();
    let call = json!({"name": "get_note", "arguments": {"id": "ideas"}});
    let note = modern(&router, "tools/call", Some("get_note"), call).await;
    assert_eq!(note["result"]["structuredContent"]["title"], "Ideas");

    let missing = json!({"name": "get_note", "arguments": {"id": "nothing"}});
    let missing = modern(&router, "tools/call", Some("get_note"), missing).await;
    assert_eq!(missing["result"]["isError"], true);

    let config = json!({"name": "read_config", "arguments": {}});
    let config = modern(&router, "tools/call", Some("read_config"), config).await;
    let text = config["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains(wicketgate_sample_server::FAKE_ACCESS_KEY));

    let read =
        modern(&router, "resources/read", Some("notes://index"), json!({"uri": "notes://index"})).await;
    assert!(read["result"]["contents"][0]["text"].as_str().unwrap().contains("ideas: Ideas"));

    let complete = json!({"ref": {"type": "ref/prompt", "name": "summarize_note"}, "argument": {"name": "id", "value": "i"}});
    let completed = modern(&router, "completion/complete", None, complete).await;
    assert_eq!(completed["result"]["completion"]["values"], json!(["ideas", "incident-42"]));
}

#[tokio::test]
async fn the_slow_tool_reports_progress_in_a_legacy_session() {
    let router = wicketgate_sample_server::router();
    let session = legacy_session(&router).await;
    let headers = [("mcp-session-id", session.as_str()), ("mcp-protocol-version", LEGACY)];
    let params = json!({"name": "run_report", "arguments": {"seconds": 1}, "_meta": {"progressToken": "p"}});
    let answer = post(
        &router,
        &headers,
        &json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params}),
    )
    .await;
    let messages = messages(answer).await;
    let progress: Vec<_> =
        messages.iter().filter(|message| message["method"] == "notifications/progress").collect();
    assert_eq!(progress.len(), 2, "{messages:?}");
    assert_eq!(progress[1]["params"]["progress"], 1.0);
    let result = messages.iter().find(|message| message["id"] == 2).unwrap();
    assert_eq!(result["result"]["structuredContent"]["notes"], 6, "{result}");
    assert!(result["result"].get("resultType").is_none(), "a modern member in a legacy answer: {result}");
}

#[tokio::test]
async fn what_one_client_writes_another_reads() {
    let router = wicketgate_sample_server::router();
    let session = legacy_session(&router).await;
    let headers = [("mcp-session-id", session.as_str()), ("mcp-protocol-version", LEGACY)];
    let params = json!({"name": "write_note", "arguments": {"id": "new", "title": "New", "body": "text"}});
    let written = post(
        &router,
        &headers,
        &json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params}),
    )
    .await;
    assert!(
        messages(written).await.iter().any(|message| message["result"]["structuredContent"]["version"] == 1)
    );
    let call = json!({"name": "get_note", "arguments": {"id": "new"}});
    let note = modern(&router, "tools/call", Some("get_note"), call).await;
    assert_eq!(note["result"]["structuredContent"]["body"], "text");
}

#[tokio::test]
async fn only_loopback_hosts_are_served() {
    let router = wicketgate_sample_server::router();
    let request = Request::post("/mcp").header(header::HOST, "evil.example.com").body(Body::empty()).unwrap();
    let answer = router.oneshot(request).await.unwrap();
    assert!(answer.status().is_client_error(), "{}", answer.status());
}

#[tokio::test]
async fn a_name_that_is_not_loopback_is_answered_where_that_is_asked_for() {
    let routers = [wicketgate_sample_server::router(), wicketgate_sample_server::router_for_any_host()];
    for (router, status) in routers.into_iter().zip([StatusCode::FORBIDDEN, StatusCode::OK]) {
        let request = Request::post("/mcp")
            .header(header::HOST, "notes.mcp.svc.cluster.local:3001")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json, text/event-stream")
            .header("mcp-protocol-version", LEGACY);
        let params = json!({"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}});
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params});
        let answer = router.oneshot(request.body(Body::from(body.to_string())).unwrap()).await.unwrap();
        assert_eq!(answer.status(), status);
    }
}
