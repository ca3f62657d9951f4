//! Access tokens that say nothing.

use std::time::Duration;

use serde_json::{Value, json};

use crate::openid_connect::tokens_for;
use crate::world::client::{Client, Tokens, at_hash, decode};
use crate::world::{ISSUER, OTHER_RESOURCE, RESOURCE, World, read};

fn resource_server() -> Client {
    Client::configured("resource-server")
}

/// A world whose first resource server wants to be asked.
async fn world() -> World {
    World::start_with(|yaml| {
        yaml.replace("default_scopes: [mcp:read]}", "default_scopes: [mcp:read], access_tokens: opaque}")
    })
    .await
}

async fn introspect(world: &World, token: &str) -> Value {
    resource_server().post(world, "/introspect", &[("token", token)], &[]).await.1
}

/// What the gateway is told about a token.
pub(crate) async fn validate(world: &World, token: &str, resource: &str) -> Value {
    let question = json!({"token": token, "resource": resource});
    let url = format!("{}/v1/validate", world.internal);
    read(world.http.post(url).json(&question).send().await.unwrap()).await.1
}

#[tokio::test]
async fn what_it_stands_for_is_told_to_those_who_may_know() {
    let mut world = world().await;
    let client = Client::public(&world).await;
    let tokens = tokens_for(&world, &client, &[("scope", "openid mcp:read")]).await;
    assert!(tokens.access.starts_with("ma_") && !tokens.access.contains("eyJ"), "{}", tokens.access);
    let (_, id_claims) = decode(tokens.body["id_token"].as_str().unwrap());
    assert_eq!(id_claims["at_hash"], at_hash(&tokens.access));
    let active = introspect(&world, &tokens.access).await;
    assert_eq!(
        active,
        json!({
            "active": true, "token_type": "Bearer", "iss": ISSUER, "sub": "alice", "aud": RESOURCE,
            "iat": 1_800_000_000, "exp": 1_800_000_600, "auth_time": 1_800_000_000, "client_id": client.id,
            "scope": "mcp:read openid", "groups": ["engineering"], "roles": ["operator"], "org": "acme",
            "jti": active["jti"], "grant_id": active["grant_id"],
        })
    );
    world.restart().await;
    assert_eq!(validate(&world, &tokens.access, RESOURCE).await, active, "the gateway is told the same");
    assert_eq!(validate(&world, &tokens.access, OTHER_RESOURCE).await, json!({"active": false}));
    let bearer = format!("Bearer {}", tokens.access);
    let told = world.http.get(world.url("/userinfo")).header("authorization", bearer).send().await.unwrap();
    assert_eq!(read(told).await, (200, json!({"sub": "alice"})));
    let stranger = Client::confidential(&world, "client_secret_basic").await;
    let (_, answer) = stranger.post(&world, "/introspect", &[("token", &tokens.access)], &[]).await;
    assert_eq!(answer, json!({"active": false}));
}

#[tokio::test]
async fn it_ends_when_it_expires_and_with_its_grant() {
    let dead = json!({"active": false});
    let world = world().await;
    let client = Client::public(&world).await;
    let first = client.tokens(&world).await;
    let second = Tokens::of(client.refresh(&world, &first.refresh, &[]).await.1);
    for token in [&first.access, &second.access] {
        assert_eq!(introspect(&world, token).await["active"], true, "both live");
    }
    let guess = format!("{}.{}", second.access.split_once('.').unwrap().0, "A".repeat(43));
    assert_eq!(introspect(&world, &guess).await, dead);
    for hint in ["access_token", "refresh_token", "nonsense"] {
        let tokens = client.tokens(&world).await;
        let form = [("token", tokens.access.as_str()), ("token_type_hint", hint)];
        assert_eq!(client.post(&world, "/revoke", &form, &[]).await.0, 200);
        assert_eq!(introspect(&world, &tokens.access).await, dead, "{hint}");
        assert_eq!(client.refresh(&world, &tokens.refresh, &[]).await.0, 400, "the grant ends, too");
    }
    let stranger = Client::public(&world).await;
    let (status, body) = stranger.post(&world, "/revoke", &[("token", &second.access)], &[]).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_grant")));
    world.advance(Duration::from_secs(599));
    assert_eq!(introspect(&world, &second.access).await["active"], true);
    world.advance(Duration::from_secs(1));
    assert_eq!(introspect(&world, &second.access).await, dead, "expired to the second");
}

#[tokio::test]
async fn resource_and_client_say_which_kind_it_is() {
    let both = |yaml: String| {
        yaml.replace("default_scopes: [mcp:read]}", "default_scopes: [mcp:read], access_tokens: opaque}")
            + r"
  - {id: jwt-client, redirect_uris: ['http://127.0.0.1:7777/cb'], access_tokens: jwt}
  - {id: opaque-client, redirect_uris: ['http://127.0.0.1:7777/cb'], access_tokens: opaque}
"
    };
    let world = World::start_with(both).await;
    let named = |id: &str| Client { id: id.into(), secret: None, method: "none".into() };
    let registered = Client::public(&world).await;
    let other = [("resource", OTHER_RESOURCE), ("scope", "other:use")];
    let two = [("resource", RESOURCE), ("resource", OTHER_RESOURCE), ("scope", "mcp:read other:use")];
    for (client, changes, opaque) in [
        (&registered, &[][..], true),
        (&registered, &other, false),
        (&registered, &two, true),
        (&named("jwt-client"), &[], false),
        (&named("opaque-client"), &other, true),
    ] {
        let tokens = tokens_for(&world, client, changes).await;
        assert_eq!(tokens.access.starts_with("ma_"), opaque, "{} {changes:?}", client.id);
    }
}

#[tokio::test]
async fn an_id_token_cannot_be_revoked_or_introspected() {
    let world = World::start().await;
    let client = Client::confidential(&world, "client_secret_basic").await;
    let tokens = tokens_for(&world, &client, &[("scope", "openid mcp:read")]).await;
    let id_token = tokens.body["id_token"].as_str().unwrap();
    let (status, body) = client.post(&world, "/revoke", &[("token", id_token)], &[]).await;
    assert_eq!((status, &body["error"]), (400, &json!("unsupported_token_type")));
    let (_, answer) = client.post(&world, "/introspect", &[("token", id_token)], &[]).await;
    assert_eq!(answer, json!({"active": false}));
    assert_eq!(introspect(&world, &tokens.access).await["active"], true, "nothing has changed");
}
