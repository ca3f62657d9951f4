//! Does `openapi/internal-v1.yaml` describe what the internal listener does?

use serde_json::{Value, json};

use crate::described::{assert_complete, assert_matches, schema};
use crate::world::client::Client;
use crate::world::{RESOURCE, World};

fn document() -> Value {
    serde_saphyr::from_str(include_str!("../../openapi/internal-v1.yaml")).unwrap()
}

#[tokio::test]
async fn every_described_operation_answers_and_no_other_exists() {
    let world = World::start().await;
    let source = include_str!("../../src/endpoints/internal/mod.rs");
    assert_complete(&world, &document(), &world.internal, source).await;
}

#[tokio::test]
async fn answers_are_as_described() {
    let world = World::start().await;
    let document = document();
    let client = Client::public(&world).await;
    let tokens = client.tokens(&world).await;

    let jwks = world.http.get(format!("{}/v1/jwks", world.internal)).send().await.unwrap();
    assert_eq!(jwks.headers()["cache-control"], "public, max-age=300");
    let jwks: Value = jwks.json().await.unwrap();
    assert_matches(&document, schema(&document, "JwkSet"), &jwks);
    assert_eq!(jwks, world.get("/jwks").await.json::<Value>().await.unwrap());

    let ask = async |question: Value| {
        let url = format!("{}/v1/validate", world.internal);
        crate::world::read(world.http.post(url).json(&question).send().await.unwrap()).await
    };
    let (status, active) = ask(json!({"token": tokens.access, "resource": RESOURCE})).await;
    assert_eq!((status, &active["sub"]), (200, &json!("alice")));
    assert_matches(&document, schema(&document, "Active"), &active);
    for (token, resource) in [(tokens.access.as_str(), "http://127.0.0.1:8080/other"), ("x", RESOURCE)] {
        let (status, inactive) = ask(json!({"token": token, "resource": resource})).await;
        assert_eq!((status, &inactive), (200, &json!({"active": false})));
        assert_matches(&document, schema(&document, "Inactive"), &inactive);
    }
    for bad in
        [json!({}), json!({"token": 1, "resource": "x"}), json!({"token": "x", "resource": "x", "more": 1})]
    {
        let (status, error) = ask(bad).await;
        assert_eq!(status, 400);
        assert_matches(&document, schema(&document, "Error"), &error);
    }
    let (status, error) = ask(json!({"token": "x".repeat(70_000), "resource": RESOURCE})).await;
    assert_eq!(status, 413);
    assert_matches(&document, schema(&document, "Error"), &error);
}
