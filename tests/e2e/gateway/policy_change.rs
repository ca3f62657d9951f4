//! Does an edit of the policy take effect at once, without costing anybody a stream, and does a bad one change nothing?

use std::time::Duration;

use serde_json::{Value, json};
use wicketgate_e2e::client::mcp::McpClient;
use wicketgate_e2e::files;
use wicketgate_e2e::world::World;

use super::stage::{self, eventually};

const STREAMS: usize = 50;
/// What the issue promises.
const EFFECTIVE: Duration = Duration::from_secs(2);

fn rules(tools: &str) -> String {
    let rules =
        format!("      - {{id: readers, allow: {{who: {{scopes: [mcp:read]}}, tools: [{tools}]}}}}\n");
    stage::policy("{flood: {rate: 6000/m, burst: 1000}}", &rules)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_takes_effect_and_costs_no_stream() {
    let first = rules("run_report, get_note");
    let world = stage::world("policy-change", |plan| plan.set_policy(&first).unwrap()).await;
    let token = stage::log_in(&world, Some("mcp:read")).await.tokens.access_token;
    let client = stage::modern(&world, &token);
    assert_eq!(decision(client.clone()).await, "allowed");

    let mut streams = Vec::new();
    for at in 0..STREAMS {
        let params =
            json!({"name": "run_report", "arguments": {"seconds": 20}, "_meta": {"progressToken": at}});
        let mut stream = client.clone().open("tools/call", params).await.unwrap();
        assert_eq!(stream.status(), 200, "stream {at}");
        let progress = stream.next_message(stage::DEADLINE).await.unwrap();
        assert_eq!(progress["params"]["progressToken"], at, "{progress}");
        streams.push(stream);
    }

    edit_until(&world, &client, &rules("run_report"), "denied").await;
    edit_until(&world, &client, &first, "allowed").await;
    a_bad_edit_changes_nothing(&world, &client, &first).await;
    edit_until(&world, &client, &rules("run_report"), "denied").await;

    // All four edits fell while every one of them was open.
    for (at, stream) in streams.iter_mut().enumerate() {
        assert!(stream.is_open().await, "stream {at} ended before the edits did");
    }
    for (at, stream) in streams.iter_mut().enumerate() {
        let result = loop {
            let message = stream.next_message(stage::DEADLINE).await;
            let message = message.unwrap_or_else(|failure| panic!("stream {at} was lost: {failure}"));
            if message.get("id").is_some() {
                break message;
            }
        };
        assert_eq!(result["result"]["structuredContent"]["seconds"], 20, "stream {at}: {result}");
    }
    world.discard().await;
}

async fn a_bad_edit_changes_nothing(world: &World, client: &McpClient, good: &str) {
    let (accepted, refused) = world.envoy.filter_updates().await.unwrap();
    let bad = good.replace("scopes: [mcp:read]}, tools", "scoops: [mcp:read]}, tools");
    let line = bad.lines().position(|line| line.contains("scoops")).unwrap() + 1;
    world.edit_policy(&bad).unwrap();
    let status = world.state.join("filter.yaml.status.json");
    eventually("the refusal is told", stage::DEADLINE, || async {
        let status: Value = serde_json::from_str(&files::read(&status).unwrap()).unwrap();
        let log = files::read(&world.state.join("render.log")).unwrap();
        let told = status["errors"].to_string();
        let named = told.contains("servers[0].rules[0]") && told.contains("scoops");
        let placed = status["errors"][0]["line"] == line;
        let logged = log.contains(&format!(":{line}")) && log.contains("scoops");
        let refused = status["state"] == "refused" && named && placed;
        if refused && logged { Ok(()) } else { Err(format!("{status}\n{log}")) }
    })
    .await;
    assert_eq!(decision(client.clone()).await, "allowed", "the old policy holds");
    assert_eq!(world.envoy.filter_updates().await.unwrap(), (accepted, refused), "Envoy was not troubled");
}

/// Writes the policy and asks with fresh calls until it decides so.
async fn edit_until(world: &World, client: &McpClient, policy: &str, expected: &str) {
    world.edit_policy(policy).unwrap();
    eventually(&format!("the call is {expected}"), EFFECTIVE, || async {
        let now = decision(client.clone()).await;
        if now == expected { Ok(()) } else { Err(now) }
    })
    .await;
    // Both workers have it: a fresh connection may land on either.
    eventually(&format!("every worker says {expected}"), EFFECTIVE, || async {
        for _ in 0..6 {
            let http = wicketgate_e2e::client::http::Http::new().unwrap();
            let token = client.clone();
            let now = decision(token.over(http)).await;
            if now != expected {
                return Err(now);
            }
        }
        Ok(())
    })
    .await;
}

async fn decision(mut client: McpClient) -> String {
    let answer = client.send("tools/call", json!({"name": "get_note", "arguments": {"id": "ideas"}})).await;
    let answer = answer.unwrap();
    let reply = stage::reply(&answer);
    match (answer.status, &reply["error"]["code"]) {
        (200, Value::Null) => "allowed".into(),
        (200, code) if *code == -32602 => "denied".into(),
        _ => format!("{} {reply}", answer.status),
    }
}
