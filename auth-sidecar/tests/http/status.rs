//! Does `/status` tell an operator how everything does, and no secret?

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::upstream::{Upstream, arrive};
use crate::world::{CONFIGURED_SECRET, PASSWORD, World};

async fn status(world: &World) -> Value {
    world.http.get(format!("{}/status", world.admin)).send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn it_says_how_everything_does() {
    let upstream = Upstream::start().await;
    let (mut world, client) = upstream.world(&upstream.oidc("allow: {everyone: true}")).await;
    let fresh = status(&world).await;
    let kind = if std::env::var("WICKETGATE_TEST_STORE").is_ok() { "redis" } else { "embedded" };
    assert_eq!(fresh["store"], json!({"kind": kind, "reachable": true}));
    assert_eq!(fresh["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!((&fresh["age"], &fresh["config"]["age"]), (&json!(0), &json!(0)));
    let unseen = json!([{"id": "x", "last_success_age": null, "last_failure_age": null}]);
    assert_eq!(fresh["identity_providers"], unseen);
    assert_eq!(fresh["gateways"], json!({"count": 0, "latest_age": null, "oldest_age": null}));
    // A successor is made an hour before thirty days have passed.
    assert_eq!(fresh["signing_keys"]["next_change"], 1_800_000_000_u64 + 30 * 24 * 3600 - 3600);

    let page = arrive(&upstream, &world, &client).await;
    let code = page.param("code").unwrap();
    let (_, body) = client.redeem(&world, &code, &[]).await;
    world.advance(Duration::from_secs(5));
    upstream.lie(|claims| claims.set("aud", json!("somebody else")));
    arrive(&upstream, &world, &client).await;
    world.http.get(format!("{}/v1/feed", world.internal)).send().await.unwrap();
    world.advance(Duration::from_secs(2));
    let token = [("token", body["refresh_token"].as_str().unwrap())];
    client.post(&world, "/revoke", &token, &[]).await;
    world.reload(|yaml| format!("{yaml}lifetimes: {{code: 30s}}\n")).await.unwrap();
    world.advance(Duration::from_secs(3));
    let later = status(&world).await;
    assert_eq!(
        later["identity_providers"],
        json!([{"id": "x", "last_success_age": 10, "last_failure_age": 5}])
    );
    assert_eq!(later["gateways"], json!({"count": 1, "latest_age": 5, "oldest_age": 5}));
    assert_eq!(later["feed"]["epoch"], fresh["feed"]["epoch"]);
    assert_eq!((&fresh["feed"]["seq"], &later["feed"]["seq"]), (&json!(0), &json!(1)));
    assert_eq!((&later["age"], &later["config"]["age"]), (&json!(10), &json!(3)));
    assert_ne!(later["config"]["digest"], fresh["config"]["digest"]);
    let ages: Vec<_> =
        later["signing_keys"]["keys"].as_array().unwrap().iter().map(|key| &key["age"]).collect();
    assert_eq!(ages, [10, 10]);
    let text = later.to_string();
    for secret in [PASSWORD, CONFIGURED_SECRET, "sealed", body["access_token"].as_str().unwrap()] {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn it_answers_while_the_store_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().join("redis.url");
    std::fs::write(&url, "redis://127.0.0.1:1").unwrap();
    let away = format!("store: {{redis: {{url: {{file: {}}}}}}}", url.display());
    let world = World::start_with(|yaml| yaml.replace("store: STORE", &away)).await;
    let status = status(&world).await;
    assert_eq!(status["store"], json!({"kind": "redis", "reachable": false}));
    assert_eq!((&status["feed"], &status["signing_keys"]["keys"]), (&Value::Null, &json!([])));
}
