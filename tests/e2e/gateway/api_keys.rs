//! Do API keys of the authorization server open the gateway, for what they are for, until they are revoked?

use serde_json::json;
use wicketgate_e2e::world::World;

use super::recorder::Recorder;
use super::scene::call;
use super::stage::{self, DEADLINE, eventually};

/// Tokens that are no JWTs are asked about, and what is revoked is heard.
fn policy() -> String {
    let rules =
        "      - {id: reports, allow: {who: {groups: [reports], scopes: [mcp:read]}, tools: [get_note]}}\n";
    let asks =
        "    clock_skew: 1s\n    validate: {cluster: auth_internal, path: /v1/validate, remember: 60s}\n";
    stage::hearing(&stage::policy("{request_bytes: 64KiB}", rules)).replace("    clock_skew: 1s\n", asks)
}

async fn calls(world: &World, key: &str, tool: &str) -> stage::Raw {
    let bytes = stage::request(world, "POST /mcp", Some(key), &[], call(tool).as_bytes());
    stage::exchange(world, &bytes).await
}

#[tokio::test]
async fn a_key_opens_what_its_rules_say_until_it_is_revoked() {
    let recorder = Recorder::echo().await;
    let world = stage::world("api-keys", |plan| {
        plan.upstream = Some(recorder.upstream.clone());
        plan.set_policy(&policy()).unwrap();
    })
    .await;
    let keys = format!("http://{}/v1/api-keys", world.sidecar.listeners.admin);
    let wanted = json!({
        "name": "nightly", "service_account": "reporter", "groups": ["reports"], "scopes": ["mcp:read"], "resources": [world.mcp],
    });
    let made = world.http.post_json(&keys, &[], &wanted).await.unwrap();
    let made: serde_json::Value = serde_json::from_str(&made.text()).unwrap();
    let (id, key) = (made["id"].as_str().unwrap(), made["api_key"].as_str().unwrap());
    let good = calls(&world, key, "get_note").await;
    assert!(good.status == 200 && !good.content().contains("Unknown tool"), "{good:?}");
    assert!(calls(&world, key, "delete_note").await.content().contains("Unknown tool"));
    assert_eq!(calls(&world, &format!("{key}x"), "get_note").await.status, 401);

    let gone = world.http.send("DELETE", &format!("{keys}/{id}"), &[], Vec::new()).await.unwrap();
    assert_eq!(gone.status, 204);
    // Longer than that the answer would be remembered: it is the feed that says so.
    eventually("it is refused", DEADLINE, || async {
        let answer = calls(&world, key, "get_note").await;
        if answer.status == 401 { Ok(()) } else { Err(format!("{answer:?}")) }
    })
    .await;
}
