//! The life of signing keys, seen from outside: by the hands of a clock that only the test moves.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::world::client::Client;
use crate::world::{CONFIGURED_SECRET, World, read};

const DAY: u64 = 24 * 60 * 60;

/// kid -> state, of the keys with this algorithm.
async fn states(world: &World, algorithm: &str) -> BTreeMap<String, String> {
    let (status, body) = read(world.http.get(format!("{}/v1/keys", world.admin)).send().await.unwrap()).await;
    assert_eq!(status, 200);
    let text = |key: &Value, name: &str| key[name].as_str().unwrap().to_owned();
    let keys = body["keys"].as_array().unwrap().iter().filter(|key| key["algorithm"] == algorithm);
    keys.map(|key| (text(key, "kid"), text(key, "state"))).collect()
}

async fn published(world: &World) -> Vec<String> {
    let jwks: Value = world.get("/jwks").await.json().await.unwrap();
    let keys = jwks["keys"].as_array().unwrap();
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

async fn rotate(world: &World, body: &Value) -> (u16, Value) {
    let request = world.http.post(format!("{}/v1/keys/rotate", world.admin)).json(body);
    read(request.send().await.unwrap()).await
}

fn kid_in(states: &BTreeMap<String, String>, state: &str) -> String {
    let mut found = states.iter().filter(|(_, of)| *of == state).map(|(kid, _)| kid.clone());
    let first = found.next().unwrap_or_else(|| panic!("no {state} key in {states:?}"));
    assert_eq!(found.next(), None, "one {state} key");
    first
}

async fn is_active(world: &World, token: &str) -> bool {
    let asker = Client {
        id: "resource-server".into(),
        secret: Some(CONFIGURED_SECRET.into()),
        method: "client_secret_basic".into(),
    };
    asker.post(world, "/introspect", &[("token", token)], &[]).await.1["active"] == true
}

#[tokio::test]
async fn keys_follow_their_schedule_without_a_restart() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let first = kid_in(&states(&world, "ES256").await, "active");
    assert_eq!(client.tokens(&world).await.decoded().0["kid"], json!(first));

    world.advance(Duration::from_secs(30 * DAY - 3600));
    let client = Client::public(&world).await;
    let both = states(&world, "ES256").await;
    let second = kid_in(&both, "next");
    assert_eq!(kid_in(&both, "active"), first);
    assert!(published(&world).await.contains(&second), "published before it signs");
    assert_eq!(client.tokens(&world).await.decoded().0["kid"], json!(first));

    world.advance(Duration::from_secs(3599));
    let last_of_the_first = client.tokens(&world).await;
    assert_eq!(last_of_the_first.decoded().0["kid"], json!(first));
    world.advance(Duration::from_secs(1));
    assert_eq!(client.tokens(&world).await.decoded().0["kid"], json!(second));
    assert_eq!(kid_in(&states(&world, "ES256").await, "retired"), first);
    assert!(is_active(&world, &last_of_the_first.access).await, "tokens of the retired key live on");

    world.advance(Duration::from_secs(600 + 60 - 1));
    assert!(published(&world).await.contains(&first), "until its last token has expired everywhere");
    world.advance(Duration::from_secs(1));
    assert!(!published(&world).await.contains(&first));
    assert!(!states(&world, "ES256").await.contains_key(&first));
}

#[tokio::test]
async fn keys_can_be_rotated_on_demand_and_survive_a_restart() {
    let mut world = World::start_with(|yaml| yaml + "signing: {rotate_every: 0s}\n").await;
    let client = Client::public(&world).await;
    let first = client.tokens(&world).await;
    let (status, body) = rotate(&world, &json!({})).await;
    assert_eq!(status, 200);
    let next = body["keys"].as_array().unwrap().iter().find(|key| key["state"] == "next").unwrap();
    assert_eq!(next["activates_at"], 1_800_003_600);
    let (_, again) = rotate(&world, &json!({"now": false})).await;
    assert_eq!(again, body, "one successor is enough");
    world.restart().await;
    let second = kid_in(&states(&world, "ES256").await, "next");
    world.advance(Duration::from_secs(3600));
    assert_eq!(kid_in(&states(&world, "ES256").await, "active"), second);

    let client = Client::public(&world).await;
    let before = client.tokens(&world).await;
    assert_eq!(before.decoded().0["kid"], json!(second));
    assert_eq!(rotate(&world, &json!({"now": true})).await.0, 200);
    let after = client.tokens(&world).await;
    assert_ne!(after.decoded().0["kid"], json!(second), "at once");
    assert!(is_active(&world, &before.access).await && !is_active(&world, &first.access).await);
    world.advance(Duration::from_secs(3000 * DAY));
    let kept = kid_in(&states(&world, "ES256").await, "active");
    assert_eq!(json!(kept), after.decoded().0["kid"], "no schedule");
}

#[tokio::test]
async fn what_is_no_order_rotates_nothing() {
    let world = World::start().await;
    let before = states(&world, "ES256").await;
    assert_eq!(rotate(&world, &json!({"algorithm": "none"})).await.0, 400);
    assert_eq!(rotate(&world, &json!({"now": "yes"})).await.0, 400);
    let form = world.http.post(format!("{}/v1/keys/rotate", world.admin)).body("{}");
    assert_eq!(form.header("content-type", "text/plain").send().await.unwrap().status(), 400, "a form");
    for base in [&world.public, &world.internal, &world.metrics] {
        assert_eq!(world.http.get(format!("{base}/v1/keys")).send().await.unwrap().status(), 404);
    }
    assert_eq!(states(&world, "ES256").await, before);
}

#[tokio::test]
async fn access_tokens_are_signed_as_configured() {
    for (algorithm, kty, held) in [("EdDSA", "OKP", 3), ("RS256", "RSA", 2), ("ES256", "EC", 2)] {
        let signing = format!("signing: {{algorithm: {algorithm}}}\n");
        let world = World::start_with(|yaml| yaml + &signing).await;
        let client = Client::public(&world).await;
        let tokens = client.tokens(&world).await;
        let (header, _) = tokens.decoded();
        assert_eq!((&header["alg"], &header["typ"]), (&json!(algorithm), &json!("at+jwt")));
        let jwks: Value = world.get("/jwks").await.json().await.unwrap();
        let keys = jwks["keys"].as_array().unwrap();
        assert_eq!(keys.len(), held, "{keys:?}");
        let key = keys.iter().find(|key| key["kid"] == header["kid"]).unwrap();
        let described = (&key["kty"], &key["alg"], &key["use"]);
        assert_eq!(described, (&json!(kty), &json!(algorithm), &json!("sig")));
        let private = ["d", "p", "q", "dp", "dq", "qi", "k"];
        assert!(keys.iter().all(|key| private.iter().all(|member| key.get(member).is_none())));
        assert!(is_active(&world, &tokens.access).await, "{algorithm}");
        assert!(!is_active(&world, &format!("{}A", tokens.access)).await, "{algorithm}");
    }
}

#[tokio::test]
async fn a_changed_algorithm_keeps_earlier_tokens_alive() {
    let mut world = World::start_with(|yaml| yaml + "signing: {algorithm: EdDSA}\n").await;
    let client = Client::public(&world).await;
    let tokens = client.tokens(&world).await;
    world.restart_with(|yaml| yaml.replace("algorithm: EdDSA", "algorithm: ES256")).await;
    assert!(is_active(&world, &tokens.access).await);
    assert_eq!(client.tokens(&world).await.decoded().0["alg"], "ES256");
    assert_eq!(states(&world, "EdDSA").await.into_values().collect::<Vec<_>>(), ["retired"]);
}
