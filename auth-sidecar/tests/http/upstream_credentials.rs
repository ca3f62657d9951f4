//! What a gateway gets for the token of a client, to show to the server behind it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::described::{assert_matches, schema};
use crate::opaque_tokens::validate;
use crate::openid_connect::tokens_for;
use crate::token_exchange::configured;
use crate::world::client::{Client, decode};
use crate::world::{ISSUER, OTHER_RESOURCE, RESOURCE, World, read};

const T0: u64 = 1_800_000_000;

fn document() -> Value {
    serde_saphyr::from_str(include_str!("../../openapi/internal-v1.yaml")).unwrap()
}

/// With a gateway that may exchange.
async fn world() -> World {
    World::start_with(|yaml| configured(yaml) + "gateway_client: gateway\n").await
}

async fn ask(world: &World, path: &str, body: &Value) -> (u16, Value) {
    read(world.http.post(format!("{}/v1/{path}", world.internal)).json(body).send().await.unwrap()).await
}

fn wanted(token: &str) -> Value {
    json!({"token": token, "resource": RESOURCE, "audience": OTHER_RESOURCE})
}

fn identity(token: &str) -> Value {
    json!({"token": token, "resource": RESOURCE, "audience": "crm"})
}

#[tokio::test]
async fn a_token_for_the_servers_own_audience_is_narrower_and_of_the_same_grant() {
    let world = world().await;
    let document = document();
    let owner = Client::confidential(&world, "client_secret_basic").await;
    let tokens = tokens_for(&world, &owner, &[("scope", "openid mcp:read mcp:write")]).await;
    let (_, before) = tokens.decoded();
    world.advance(Duration::from_secs(100));
    assert_matches(&document, schema(&document, "WantedToken"), &wanted(&tokens.access));
    // What the token does not have is not there to be got; that is no mistake of the gateway.
    for scope in [None, Some("mcp:read"), Some("mcp:read other:use")] {
        let mut question = wanted(&tokens.access);
        scope.into_iter().for_each(|scope| question["scope"] = json!(scope));
        let (status, answer) = ask(&world, "exchange", &question).await;
        assert_eq!(status, 200, "{scope:?} {answer}");
        assert_matches(&document, schema(&document, "Given"), &answer);
        assert_eq!(answer["expires_in"], 500, "the rest of the token");
        let (header, claims) = decode(answer["credential"].as_str().unwrap());
        assert_eq!(header["typ"], "at+jwt");
        for (name, value) in [
            ("aud", json!(OTHER_RESOURCE)),
            ("client_id", json!("gateway")),
            ("grant_client_id", json!(owner.id)),
            ("grant_id", before["grant_id"].clone()),
            ("scope", json!("mcp:read")),
            ("exp", json!(T0 + 600)),
        ] {
            assert_eq!(claims[name], value, "{name}");
        }
    }
    assert_eq!(world.happened().iter().filter(|act| *act == "token_exchanged").count(), 3);
    let metrics = world.http.get(format!("{}/metrics", world.metrics)).send().await.unwrap();
    let counted = "wicketgate_auth_tokens_issued_total{grant_type=\"urn:ietf:params:oauth:grant-type:token-exchange\"} 3\n";
    let metrics = metrics.text().await.unwrap();
    assert!(metrics.contains(counted), "{metrics}");
    let (_, answer) = ask(&world, "exchange", &wanted(&tokens.access)).await;
    let given = answer["credential"].as_str().unwrap();
    assert_eq!(validate(&world, given, OTHER_RESOURCE).await["active"], true);
    owner.post(&world, "/revoke", &[("token", &tokens.refresh)], &[]).await;
    assert_eq!(validate(&world, given, OTHER_RESOURCE).await["active"], false, "it ends with the grant");
    for path in ["exchange", "identity"] {
        let question = if path == "exchange" { wanted(&tokens.access) } else { identity(&tokens.access) };
        assert_eq!(ask(&world, path, &question).await, (200, json!({"active": false})), "{path}");
    }
}

#[tokio::test]
async fn a_token_that_allows_nothing_there_is_told_what_would() {
    let world = world().await;
    let document = document();
    let client = Client::public(&world).await;
    let writes = tokens_for(&world, &client, &[("scope", "mcp:write")]).await;
    for scope in [None, Some("mcp:read"), Some("mcp:read other:use")] {
        let mut question = wanted(&writes.access);
        scope.into_iter().for_each(|scope| question["scope"] = json!(scope));
        let (status, answer) = ask(&world, "exchange", &question).await;
        let needs = json!({"active": true, "error": "insufficient_scope", "scope": "mcp:read"});
        assert_eq!((status, &answer), (200, &needs), "{scope:?}");
        assert_matches(&document, schema(&document, "Insufficient"), &answer);
    }
    assert!(!world.happened().contains(&"token_exchanged".to_owned()), "nothing was exchanged");
    // What no token for this resource could have is a mistake of the operator, and no reason to ask the user.
    let mut question = wanted(&writes.access);
    question["scope"] = json!("other:use");
    let (status, answer) = ask(&world, "exchange", &question).await;
    assert_eq!((status, &answer["error"]), (400, &json!("invalid_scope")), "{answer}");
}

#[tokio::test]
async fn who_asks_is_signed_for_a_minute_and_passes_for_no_token() {
    let world = world().await;
    let document = document();
    let client = Client::public(&world).await;
    let tokens = client.tokens(&world).await;
    assert_matches(&document, schema(&document, "WantedIdentity"), &identity(&tokens.access));
    let (status, answer) = ask(&world, "identity", &identity(&tokens.access)).await;
    assert_eq!((status, &answer["expires_in"]), (200, &json!(60)), "{answer}");
    assert_matches(&document, schema(&document, "Given"), &answer);
    let statement = answer["credential"].as_str().unwrap().to_owned();
    let (header, mut claims) = decode(&statement);
    assert_eq!((&header["typ"], &header["alg"]), (&json!("wicketgate-identity+jwt"), &json!("ES256")));
    let jwks = world.get("/jwks").await.json::<Value>().await.unwrap();
    assert!(jwks["keys"].as_array().unwrap().iter().any(|key| key["kid"] == header["kid"]), "{jwks}");
    claims["jti"] = Value::Null;
    assert_eq!(
        claims,
        json!({
            "iss": ISSUER, "sub": "alice", "aud": "crm", "iat": T0, "exp": T0 + 60, "jti": null,
            "client_id": client.id, "scope": "mcp:read mcp:write", "groups": ["engineering"], "roles": ["operator"], "org": "acme",
        })
    );
    let records = world.recorded();
    let signed = records.iter().find(|record| record["event"] == "identity_signed").unwrap();
    let (_, token) = tokens.decoded();
    assert_eq!((&signed["subject"], &signed["client_id"]), (&json!("alice"), &json!(client.id)));
    assert_eq!((&signed["grant_id"], &signed["reason"]), (&token["grant_id"], &json!("for crm")));
    // For the resource itself, and still nothing that opens it.
    let own = json!({"token": tokens.access, "resource": RESOURCE, "audience": RESOURCE});
    let (status, answer) = ask(&world, "identity", &own).await;
    assert_eq!(status, 200, "{answer}");
    let own = answer["credential"].as_str().unwrap();
    assert_eq!(validate(&world, own, RESOURCE).await, json!({"active": false}));
    for path in ["exchange", "identity"] {
        let question = if path == "exchange" { wanted(own) } else { identity(own) };
        assert_eq!(ask(&world, path, &question).await, (200, json!({"active": false})), "{path}");
    }
    world.advance(Duration::from_secs(570));
    let (_, answer) = ask(&world, "identity", &identity(&tokens.access)).await;
    assert_eq!(answer["expires_in"], 30, "no longer than the token");
    world.advance(Duration::from_secs(30));
    let ended = ask(&world, "identity", &identity(&tokens.access)).await;
    assert_eq!(ended, (200, json!({"active": false})), "to the second");
}

#[tokio::test]
async fn what_is_not_listed_or_would_pass_for_a_token_is_given_to_nobody() {
    let world = world().await;
    let client = Client::public(&world).await;
    let tokens = client.tokens(&world).await;
    let with = |question: Value, name: &str, value: &str| {
        let mut question = question;
        question[name] = json!(value);
        question
    };
    let token = &tokens.access;
    for (path, question, error) in [
        ("exchange", json!({}), "invalid_request"),
        ("exchange", with(wanted(token), "more", "x"), "invalid_request"),
        ("exchange", with(wanted(token), "audience", RESOURCE), "invalid_target"),
        ("exchange", with(wanted(token), "audience", "crm"), "invalid_target"),
        // Listed for another client.
        (
            "exchange",
            json!({"token": token, "resource": OTHER_RESOURCE, "audience": RESOURCE}),
            "invalid_target",
        ),
        ("exchange", with(wanted(token), "scope", "a\"b"), "invalid_scope"),
        ("exchange", with(wanted(token), "scope", "mcp:write"), "invalid_scope"),
        ("identity", json!({"token": token}), "invalid_request"),
        ("identity", with(identity(token), "scope", "x"), "invalid_request"),
        ("identity", with(identity(token), "audience", OTHER_RESOURCE), "invalid_target"),
        ("identity", with(identity(token), "audience", &format!("{OTHER_RESOURCE}/")), "invalid_target"),
        ("identity", with(identity(token), "audience", ISSUER), "invalid_target"),
        ("identity", with(identity(token), "audience", "resource-server"), "invalid_target"),
        ("identity", with(identity(token), "audience", &client.id), "invalid_target"),
        ("identity", with(identity(token), "audience", ""), "invalid_target"),
        ("identity", with(identity(token), "audience", "a b"), "invalid_target"),
    ] {
        let (status, answer) = ask(&world, path, &question).await;
        assert_eq!((status, &answer["error"]), (400, &json!(error)), "{path} {question} {answer}");
    }
    for (path, question) in [
        ("exchange", wanted("x")),
        ("exchange", wanted(&tokens.refresh)),
        ("identity", identity(&tokens.refresh)),
        ("identity", with(identity(token), "resource", OTHER_RESOURCE)),
        ("identity", with(identity(token), "resource", "x")),
    ] {
        assert_eq!(ask(&world, path, &question).await, (200, json!({"active": false})), "{path} {question}");
    }
    let without = World::start_with(configured).await;
    let (status, answer) = ask(&without, "exchange", &wanted("x")).await;
    assert_eq!((status, &answer["error"]), (400, &json!("unauthorized_client")), "{answer}");
}
