//! Whose task is it? To everybody but the principal to whom an answer handed it out, on whichever worker, it does not exist.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use wicketgate_e2e::client::mcp::LEGACY;
use wicketgate_e2e::client::oauth;
use wicketgate_e2e::world::World;

use super::recorder::{Recorder, Script, Seen, event_stream, json_answer};
use super::stage::{self, Raw, exchange, request};

/// Each is a connection of its own, so that both workers are asked.
const ASKED: usize = 8;

/// A server that answers calls with tasks, every second one as an event, and lists all of them.
async fn server() -> Recorder {
    let made = AtomicUsize::new(0);
    Recorder::start(move |seen: &Seen| {
        let message = seen.json();
        let task = |number: usize| json!({"taskId": format!("task-{number}"), "status": "working"});
        let result = match message["method"].as_str() {
            Some("tools/call") => json!({"task": task(made.fetch_add(1, Ordering::SeqCst))}),
            Some("tasks/list") => json!({"tasks": (0..9).map(task).collect::<Vec<_>>()}),
            _ => json!({"taskId": message["params"]["taskId"], "status": "working"}),
        };
        let body = json!({"jsonrpc": "2.0", "id": message["id"], "result": result}).to_string();
        if body.contains("\"task\"") && made.load(Ordering::SeqCst).is_multiple_of(2) {
            let mut answer = event_stream(&format!("data: {body}\n\n"));
            answer.extend_from_slice(b"0\r\n\r\n");
            return Script::Answer(answer);
        }
        Script::Answer(json_answer(&body))
    })
    .await
}

async fn send(world: &World, token: &str, method: &str, params: Value) -> Raw {
    let message = json!({"jsonrpc": "2.0", "id": 5, "method": method, "params": params}).to_string();
    let fields = [("MCP-Protocol-Version", LEGACY)];
    exchange(world, &request(world, "POST /mcp", Some(token), &fields, message.as_bytes())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn anothers_task_does_not_exist() {
    let recorder = server().await;
    let upstream = recorder.upstream.clone();
    let rules = "      - {id: some, allow: {who: {scopes: [mcp:read]}, tools: [get_note]}}\n";
    let world = stage::world("bound-tasks", |plan| {
        plan.users = vec![stage::operator("alice"), stage::operator("bob")];
        plan.upstream = Some(upstream);
        plan.set_policy(&stage::policy("{}", rules)).unwrap();
    })
    .await;
    let alice = stage::log_in(&world, Some("mcp:read")).await.tokens.access_token;
    let bob = oauth::log_in(&world.http, &world.mcp, &stage::operator("bob").login, Some("mcp:read")).await;
    let bob = bob.unwrap().tokens.access_token;

    let mut owned: Vec<(&str, String)> = Vec::new();
    for owner in [&alice, &alice, &bob, &bob] {
        let answer = send(&world, owner, "tools/call", json!({"name": "get_note", "arguments": {}})).await;
        let id = answer.json()["result"]["task"]["taskId"].as_str().map(str::to_owned);
        owned.push((owner, id.unwrap_or_else(|| panic!("{answer:?}"))));
    }
    for (owner, id) in &owned {
        recorder.take();
        for (asker, method) in
            [(&alice, "tasks/get"), (&bob, "tasks/result"), (&alice, "tasks/cancel"), (&bob, "tasks/get")]
        {
            for _ in 0..ASKED {
                let answer = send(&world, asker, method, json!({"taskId": id})).await;
                let own = asker == owner;
                assert_eq!(
                    answer.json()["result"]["taskId"].as_str(),
                    own.then_some(id.as_str()),
                    "{answer:?}"
                );
                assert_eq!(answer.code(), if own { Value::Null } else { json!(-32602) }, "{answer:?}");
            }
        }
        assert_eq!(recorder.take().len(), 2 * ASKED, "what is another's reaches nobody");
    }
    for asker in [&alice, &bob] {
        let answer = send(&world, asker, "tasks/list", json!({})).await;
        let listed = answer.json()["result"]["tasks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|t| t["taskId"].clone())
            .collect::<Vec<_>>();
        let own: Vec<_> = owned.iter().filter(|(owner, _)| owner == asker).map(|(_, id)| json!(id)).collect();
        assert_eq!(listed, own, "{answer:?}");
    }
    world.discard().await;
}
