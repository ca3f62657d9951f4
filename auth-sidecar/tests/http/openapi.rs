//! Does `openapi/internal-v1.yaml` describe what the internal listener does?

use serde_json::{Value, json};

use crate::external_issuers::Scene;
use crate::world::client::Client;
use crate::world::{RESOURCE, World};

fn document() -> Value {
    serde_saphyr::from_str(include_str!("../../openapi/internal-v1.yaml")).unwrap()
}

/// Checks the keywords that the document uses, so that a schema with another one fails here.
fn assert_matches(document: &Value, schema: &Value, value: &Value) {
    for (keyword, operand) in schema.as_object().unwrap() {
        match keyword.as_str() {
            "$ref" => {
                assert_matches(document, document.pointer(&operand.as_str().unwrap()[1..]).unwrap(), value)
            }
            "const" => assert_eq!(operand, value),
            "type" => {
                assert!(types(operand).iter().any(|name| is_of_type(name, value)), "{value} is no {operand}")
            }
            "items" => value
                .as_array()
                .into_iter()
                .flatten()
                .for_each(|item| assert_matches(document, operand, item)),
            "required" => operand
                .as_array()
                .unwrap()
                .iter()
                .for_each(|key| assert!(value.get(key.as_str().unwrap()).is_some(), "{key}")),
            "properties" => {
                for (key, member) in value.as_object().unwrap() {
                    let schema = operand.get(key).unwrap_or_else(|| panic!("{key} is not described"));
                    assert_matches(document, schema, member);
                }
            }
            "additionalProperties" => assert_eq!(operand, &json!(false)),
            "description" => {}
            other => panic!("the test does not know the keyword {other}"),
        }
    }
}

fn types(operand: &Value) -> Vec<&str> {
    match operand {
        Value::String(one) => vec![one],
        many => many.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect(),
    }
}

fn is_of_type(name: &str, value: &Value) -> bool {
    match name {
        "string" => value.is_string(),
        "integer" => value.is_u64(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the test does not know the type {other}"),
    }
}

fn schema<'a>(document: &'a Value, name: &str) -> &'a Value {
    &document["components"]["schemas"][name]
}

#[tokio::test]
async fn every_described_operation_answers_and_no_other_exists() {
    let world = World::start().await;
    let document = document();
    let mut described = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in ["get", "post", "put", "patch", "delete"] {
            let request = world
                .http
                .request(method.to_uppercase().parse().unwrap(), format!("{}{path}", world.internal));
            let status = request.send().await.unwrap().status().as_u16();
            let responses = operations.get(method).map(|operation| &operation["responses"]);
            match responses {
                Some(responses) => {
                    assert!(responses.get(status.to_string()).is_some(), "{method} {path}: {status}")
                }
                None => assert_eq!(status, 405, "{method} {path} is not described"),
            }
        }
        described.push(path.clone());
    }
    // The list of routes in the source, so that a new one cannot be forgotten in the document.
    let source = include_str!("../../src/endpoints/internal/mod.rs");
    let mut routes: Vec<String> =
        source.split(".route(\"").skip(1).map(|rest| rest.split_once('"').unwrap().0.to_owned()).collect();
    // What takes the rest of a path is a parameter like others there.
    routes.iter_mut().for_each(|route| *route = route.replace("{*", "{"));
    routes.sort();
    described.sort();
    assert_eq!(routes, described);
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

#[tokio::test]
async fn tokens_of_others_are_described_too() {
    let scene = Scene::of_keys(", jwks_uri: BASE/jwks").await;
    let document = document();
    let token = scene.token(|claims| claims.set("cnf", json!({"jkt": "x"})));
    let (status, active) = scene.validated(&token).await;
    assert_eq!((status, &active["token_type"]), (200, &json!("DPoP")));
    assert_matches(&document, schema(&document, "Active"), &active);
    let (status, keys) = scene.keys("x").await;
    assert_eq!(status, 200);
    assert_matches(&document, schema(&document, "IssuerJwkSet"), &keys);
    let away = Scene::of_keys(", jwks_uri: BASE/jwks").await;
    away.answers("/jwks", 503, "{}");
    for (status, error) in [away.validated(&away.token(|_| {})).await, away.keys("x").await] {
        assert_eq!(status, 503);
        assert_matches(&document, schema(&document, "Error"), &error);
    }
}
