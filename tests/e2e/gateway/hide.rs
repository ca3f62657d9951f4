//! What does `hide` change? Lists alone: with or without it a call is answered with a challenge.

use serde_json::{Value, json};

use super::recorder::{Recorder, Script, Seen, json_answer, result};
use super::scene::{Scene, call};
use super::stage::{self, exchange};

const RULES: &str = r#"      - {id: some, allow: {who: {scopes: [mcp:read]}, tools: [get_note]}}
      - {id: open, allow: {who: {scopes: ["mcp:write"]}, tools: ["edit_*"], prompts: [shown], resources: ["shown://*"]}}
      - {id: kept, allow: {who: {scopes: ["mcp:write"]}, tools: ["write_*"], prompts: [hidden], resources: ["hidden://*"], hide: true}}
"#;

fn script(seen: &Seen) -> Script {
    let message = seen.json();
    let list = match message["method"].as_str() {
        Some("tools/list") => {
            json!({"tools": [{"name": "get_note"}, {"name": "edit_note"}, {"name": "write_note"}, {"name": "other"}]})
        }
        Some("prompts/list") => json!({"prompts": [{"name": "hidden"}, {"name": "shown"}]}),
        Some("resources/list") => json!({"resources": [{"uri": "hidden://a"}, {"uri": "shown://a"}]}),
        Some("resources/templates/list") => {
            json!({"resourceTemplates": [{"uriTemplate": "hidden://{a}"}, {"uriTemplate": "shown://{a}"}]})
        }
        _ => return Script::Answer(json_answer(&result(seen))),
    };
    Script::Answer(json_answer(&json!({"jsonrpc": "2.0", "id": message["id"], "result": list}).to_string()))
}

/// The list that this token gets, as it stands in the answer.
async fn list(scene: &Scene, token: &str, method: &str, member: &str) -> Value {
    let body = json!({"jsonrpc": "2.0", "id": 9, "method": method}).to_string();
    let bytes = stage::request(&scene.world, "POST /mcp", Some(token), &[], body.as_bytes());
    exchange(&scene.world, &bytes).await.json()["result"][member].take()
}

/// What a reader sees of each list, and a writer.
fn lists() -> [(&'static str, &'static str, Value, Value); 4] {
    [
        (
            "tools/list",
            "tools",
            json!([{"name": "get_note"}, {"name": "edit_note"}]),
            json!([{"name": "get_note"}, {"name": "edit_note"}, {"name": "write_note"}]),
        ),
        (
            "prompts/list",
            "prompts",
            json!([{"name": "shown"}]),
            json!([{"name": "hidden"}, {"name": "shown"}]),
        ),
        (
            "resources/list",
            "resources",
            json!([{"uri": "shown://a"}]),
            json!([{"uri": "hidden://a"}, {"uri": "shown://a"}]),
        ),
        (
            "resources/templates/list",
            "resourceTemplates",
            json!([{"uriTemplate": "shown://{a}"}]),
            json!([{"uriTemplate": "hidden://{a}"}, {"uriTemplate": "shown://{a}"}]),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_step_up_is_not_listed_and_yet_challenged() {
    let scene = Scene::before(Recorder::start(script).await, "hide", |plan| {
        plan.set_policy(&stage::policy("{}", RULES)).unwrap();
        plan.users = vec![stage::operator("demo")];
    })
    .await;
    let writer = stage::log_in(&scene.world, Some("mcp:read mcp:write")).await.tokens.access_token;
    for (method, member, reading, writing) in lists() {
        assert_eq!(list(&scene, &scene.token, method, member).await, reading, "{method}");
        assert_eq!(list(&scene, &writer, method, member).await, writing, "{method}, all scopes");
    }
    scene.recorder.take();
    // Whether there is such a tool does not show: the rules answer, not the server.
    for name in ["edit_note", "write_note", "write_nothing_that_exists"] {
        let challenge = scene.refused(name, &scene.post(&call(name), &[]), 403, json!(-31003)).await;
        assert_eq!(
            challenge["error"]["data"]["required_scopes"],
            json!(["mcp:read", "mcp:write"]),
            "{challenge}"
        );
    }
    let unknown = scene.refused("no rule", &scene.post(&call("other"), &[]), 200, json!(-32602)).await;
    assert_eq!(unknown["error"]["message"], "Unknown tool: other");
    scene.world.discard().await;
}
