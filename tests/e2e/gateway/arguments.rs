//! What may a call be made with? Arguments that a rule refuses cost the upstream nothing; all others pass byte for byte.

use serde_json::{Value, json};

use super::recorder::Recorder;
use super::scene::Scene;
use super::stage;

const RULES: &str = r#"      - id: some
        allow:
          who: {scopes: [mcp:read]}
          tools: [get_note]
          arguments:
            limit: {type: integer, max: 100}
            path: {within: /srv/notes}
            url: {hosts: ["api.example.com", "*.example.org"]}
            "items[].mode": {one_of: [read]}
      - {id: never, deny: {who: any, tools: [get_note], arguments: {query: {one_of: [all]}}}}
"#;

async fn scene(name: &str) -> Scene {
    Scene::before(Recorder::echo().await, name, |plan| {
        plan.set_policy(&stage::policy("{request_bytes: 64KiB}", RULES)).unwrap();
    })
    .await
}

fn call(arguments: &Value) -> String {
    stage::tool_call(5, "get_note", arguments).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_rule_refuses_of_arguments_reaches_nobody() {
    let scene = scene("arguments").await;
    for arguments in [
        json!({"id": "ideas", "limit": 100, "path": "/srv/notes/a", "url": "https://api.example.com/x"}),
        json!({"items": [{"mode": "read"}, {}], "url": "https://a.b.example.org/", "query": "some"}),
    ] {
        scene.passes(&arguments.to_string(), &scene.post(&call(&arguments), &[])).await;
    }
    for (arguments, path, constraint) in [
        (json!({"limit": 101}), "limit", "max"),
        (json!({"limit": "1"}), "limit", "type"),
        (json!({"Limit": 101}), "limit", "letter case of the name"),
        (json!({"path": "/srv/notes/../secret"}), "path", "within"),
        (json!({"path": "/srv/notes/%2e%2e/secret"}), "path", "within"),
        (json!({"url": "http://169.254.169.254/"}), "url", "hosts"),
        (json!({"url": "https://api.example.com@evil.example/"}), "url", "hosts"),
        (json!({"items": [{"mode": "read"}, {"mode": "write"}]}), "items[].mode", "one_of"),
        (json!({"query": "all"}), "query", "one_of"),
        (json!({"query": ["all"]}), "query", "one_of"),
    ] {
        let bytes = scene.post(&call(&arguments), &[]);
        let said = scene.refused(&arguments.to_string(), &bytes, 200, json!(-32602)).await;
        assert_eq!(said["id"], 5);
        assert_eq!(said["error"]["data"], json!({"argument": path, "constraint": constraint}), "{arguments}");
    }
    let other = stage::tool_call(6, "drop_note", &json!({"limit": 101})).to_string();
    let said =
        scene.refused("a tool that is not allowed", &scene.post(&other, &[]), 200, json!(-32602)).await;
    assert_eq!(said["error"]["message"], "Unknown tool: drop_note");
    scene.world.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_value_is_written_nowhere() {
    let scene = scene("argument-record").await;
    let secret = "s3cret-value-of-an-argument";
    let bytes = scene.post(&call(&json!({"path": secret})), &[("x-request-id", "refused-argument")]);
    let answer = stage::exchange(&scene.world, &bytes).await;
    assert!(!answer.content().contains(secret), "{answer:?}");
    let records =
        stage::records(&scene.world, answer.field("x-request-id").unwrap_or("refused-argument")).await;
    let decision = records.iter().find(|record| record["record"] == "decision").unwrap();
    assert_eq!(
        (&decision["reason"], &decision["detail"]),
        (&json!("argument_refused"), &json!("path: within"))
    );
    assert_eq!(decision["rule"], "some");
    for name in ["audit.jsonl", "access.log", "envoy.log"] {
        let written = scene.world.records(name).unwrap_or_default().join("\n");
        assert!(!written.contains(secret), "{name}");
    }
    scene.world.discard().await;
}
