//! What becomes of a server that was honest when it was approved? One made with the official SDK turns, hides and asks.

use std::process::Command;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use wicketgate_e2e::client::http::Http;
use wicketgate_e2e::client::mcp::McpClient;
use wicketgate_e2e::upstream::Upstream;
use wicketgate_e2e::world::World;
use wicketgate_e2e::{files, layout};
use wicketgate_sample_server::Turncoat;

use super::stage;

const RULES: &str = "      - {id: all, allow: {who: {scopes: [mcp:read]}, tools: [\"*\"]}}\n";

/// A server that turns when it is told to, and where it is.
async fn turncoat() -> (Turncoat, Upstream) {
    let server = Turncoat::default();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let router = server.router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (server, Upstream { host: "127.0.0.1".into(), port, path: "/mcp".into() })
}

fn policy(more: &str) -> String {
    stage::policy("{}", RULES).replace("    limits:", &format!("{more}    limits:"))
}

async fn clients(world: &World) -> [McpClient; 2] {
    let token = stage::log_in(world, Some("mcp:read")).await.tokens.access_token;
    let legacy = McpClient::legacy(world.http.clone(), &world.mcp, Some(&token)).await.unwrap();
    [stage::modern(world, &token), legacy]
}

async fn tools(client: &mut McpClient) -> Vec<String> {
    client.names("tools/list", "tools").await.unwrap()
}

/// The value of a counter of findings.
async fn findings(world: &World, done: &str, why: &str) -> u64 {
    let page =
        world.http.get(&format!("{}/stats/prometheus", world.envoy.admin()), &[]).await.unwrap().text();
    let key = format!("wicketgate_answer_findings_total{{done=\"{done}\",why=\"{why}\"}}");
    page.lines()
        .find_map(|line| line.strip_prefix(&key)?.trim().parse().ok())
        .unwrap_or_else(|| panic!("no {key}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_turns_is_gone_for_everybody_until_it_is_as_it_was() {
    let (server, upstream) = turncoat().await;
    let world = stage::world("pinning-turns", |plan| {
        plan.upstream = Some(upstream);
        plan.set_policy(&policy("    tools: {pins: first_use, characters: quarantine}\n")).unwrap();
    })
    .await;
    let [mut modern, mut legacy] = clients(&world).await;
    let honest = ["add", "subtract", "ask_password", "ask_elsewhere", "ask_name"];
    assert_eq!(tools(&mut modern).await, honest, "what whispers is cut out");
    assert_eq!(tools(&mut legacy).await, honest);
    assert!(
        modern.call_tool("add", json!({})).await.is_ok() && legacy.call_tool("add", json!({})).await.is_ok()
    );
    server.turn(true);
    assert_eq!(tools(&mut legacy).await, honest[1..]);
    let calls = server.calls();
    for client in [&mut modern, &mut legacy] {
        for tool in ["add", "whisper", "no_such_tool"] {
            let called = client.call_tool(tool, json!({})).await;
            let refused = tool == "no_such_tool"
                || called.is_err_and(|why| why.0.contains(&format!("Unknown tool: {tool}")));
            assert!(refused, "{tool}");
        }
        assert!(client.call_tool("subtract", json!({})).await.is_ok());
    }
    assert_eq!(server.calls(), calls + 4, "what does not exist and what may be called got there, twice each");
    server.turn(false);
    assert_eq!(tools(&mut modern).await, honest);
    assert!(legacy.call_tool("add", json!({})).await.is_ok());
    assert_eq!(findings(&world, "quarantined", "drifted").await, 1);
    assert_eq!(findings(&world, "quarantined", "hidden_characters").await, 4);
    world.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_approved_is_all_there_is_and_a_new_approval_needs_no_restart() {
    let (server, upstream) = turncoat().await;
    let origin = format!("http://127.0.0.1:{}/mcp", upstream.port);
    let mut folder = None;
    let honest = listed(&origin).await;
    let world = stage::world("pinning-baseline", |plan| {
        plan.upstream = Some(upstream);
        approve(&plan.state, &honest, &["add", "subtract"]);
        plan.set_policy(&policy("    tools: {baseline: pins.yaml}\n")).unwrap();
        folder = Some(plan.state.clone());
    })
    .await;
    let [mut modern, mut legacy] = clients(&world).await;
    assert!(legacy.call_tool("ask_name", json!({})).await.is_err() && server.calls() == 0, "before any list");
    assert_eq!(tools(&mut modern).await, ["add", "subtract"]);
    server.turn(true);
    assert_eq!(tools(&mut legacy).await, ["subtract"]);
    assert!(modern.call_tool("add", json!({})).await.is_err() && server.calls() == 0);
    approve(&folder.unwrap(), &listed(&origin).await, &["add"]);
    stage::eventually("the new approval is in force", stage::DEADLINE, || {
        let mut modern = modern.clone();
        async move { modern.call_tool("add", json!({})).await.map(drop).map_err(|why| why.0) }
    })
    .await;
    assert_eq!(tools(&mut legacy).await, ["add"]);
    world.discard().await;
}

/// What the server answers to tools/list when nobody stands before it.
async fn listed(url: &str) -> Value {
    let mut client = McpClient::modern(Http::new().unwrap(), url, None);
    client.call("tools/list", json!({})).await.unwrap()
}

/// Pins these tools, as a person does.
fn approve(folder: &std::path::Path, list: &Value, names: &[&str]) {
    let all = list["tools"].as_array().unwrap().iter();
    let some: Vec<&Value> = all.filter(|tool| names.contains(&tool["name"].as_str().unwrap())).collect();
    files::write_private(&folder.join("list.json"), &json!({"tools": some}).to_string()).unwrap();
    let arguments = ["pins", "make", "list.json", "--out", "pins.yaml"];
    let made =
        Command::new(layout::binary("wicketgate").unwrap()).args(arguments).current_dir(folder).output();
    assert!(made.unwrap().status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_and_a_foreign_url_are_asked_for_in_vain() {
    let (_server, upstream) = turncoat().await;
    let world = stage::world("pinning-asks", |plan| {
        plan.upstream = Some(upstream);
        let asks = "    asks: {elicitation: {url_hosts: [login.example.com], sensitive_fields: deny}}\n";
        plan.set_policy(&policy(asks)).unwrap();
    })
    .await;
    let [mut modern, mut legacy] = clients(&world).await;
    for tool in ["ask_password", "ask_elsewhere"] {
        let refused = modern.call_tool(tool, json!({})).await.unwrap_err().0;
        assert!(refused.contains("-32603") && refused.contains("may not ask for"), "{tool}: {refused}");
        // The server waits for its answer; the client has one.
        let mut stream = legacy.open("tools/call", json!({"name": tool, "arguments": {}})).await.unwrap();
        let first = stream.next_message(stage::DEADLINE).await.unwrap();
        assert_eq!((&first["error"]["code"], first.get("method")), (&json!(-32603), None), "{tool}: {first}");
        while stream.next(stage::DEADLINE).await.is_ok_and(|event| event.is_some()) {}
        assert!(!stream.is_open().await, "nothing keeps it open");
    }
    let asked = modern.call_tool("ask_name", json!({})).await.unwrap();
    assert_eq!(asked["inputRequests"]["q"]["params"]["mode"], "form", "{asked}");
    let mut stream = legacy.open("tools/call", json!({"name": "ask_name", "arguments": {}})).await.unwrap();
    let first = stream.next_message(stage::DEADLINE).await.unwrap();
    assert_eq!(first["method"], "elicitation/create", "what may be asked comes through: {first}");
    drop(stream);
    assert_eq!(findings(&world, "refused", "sensitive_form").await, 2);
    assert_eq!(findings(&world, "refused", "url").await, 2);
    world.discard().await;
}
