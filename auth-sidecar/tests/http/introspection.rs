//! Who may know what about a token (RFC 7662), and who may end it (RFC 7009).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::world::browser::Browser;
use crate::world::client::{Client, Tokens};
use crate::world::{ISSUER, OTHER_RESOURCE, RESOURCE, World};

const DEAD: fn() -> (u16, Value) = || (200, json!({"active": false}));

fn resource_server() -> Client {
    Client::configured("resource-server")
}

async fn introspect(world: &World, caller: &Client, token: &str) -> (u16, Value) {
    caller.post(world, "/introspect", &[("token", token)], &[]).await
}

async fn revoke(world: &World, caller: &Client, token: &str) -> (u16, Value) {
    caller.post(world, "/revoke", &[("token", token)], &[]).await
}

#[tokio::test]
async fn a_token_is_shown_to_its_client_and_its_resource_server_alone() {
    let world = World::start().await;
    let client = Client::confidential(&world, "client_secret_basic").await;
    let stranger = Client::confidential(&world, "client_secret_post").await;
    let tokens = client.tokens(&world).await;
    for caller in [&client, &resource_server()] {
        let (status, answer) = introspect(&world, caller, &tokens.access).await;
        let mut wanted = tokens.decoded().1;
        wanted["active"] = json!(true);
        wanted["token_type"] = json!("Bearer");
        assert_eq!((status, answer), (200, wanted));
    }
    assert_eq!(introspect(&world, &stranger, &tokens.access).await, DEAD());

    let (status, answer) = introspect(&world, &client, &tokens.refresh).await;
    assert_eq!((status, &answer["active"], &answer["iss"]), (200, &json!(true), &json!(ISSUER)));
    assert_eq!(introspect(&world, &resource_server(), &tokens.refresh).await, DEAD());

    let elsewhere = [("resource", OTHER_RESOURCE), ("scope", "other:use")];
    let page = Browser::default().approve(&world, &client.link(&elsewhere)).await;
    let other = Tokens::of(client.redeem(&world, &page.param("code").unwrap(), &[]).await.1);
    assert_eq!(introspect(&world, &resource_server(), &other.access).await, DEAD(), "not its audience");
}

#[tokio::test]
async fn callers_must_prove_who_they_are() {
    let world = World::start().await;
    let public = Client::public(&world).await;
    let tokens = public.tokens(&world).await;
    let (status, answer) = introspect(&world, &public, &tokens.access).await;
    assert_eq!((status, &answer["error"]), (401, &json!("invalid_client")));
    let liar = Client { secret: Some("wrong".into()), ..resource_server() };
    assert_eq!(introspect(&world, &liar, &tokens.access).await.0, 401);
    assert_eq!(world.post("/introspect", &[("token", &tokens.access)]).await.0, 401);
    let (status, answer) = resource_server().post(&world, "/introspect", &[], &[]).await;
    assert_eq!((status, &answer["error"]), (400, &json!("invalid_request")), "token is missing");
}

#[tokio::test]
async fn dead_and_forged_tokens_are_dead() {
    let world = World::start().await;
    let client = Client::confidential(&world, "client_secret_basic").await;
    let tokens = client.tokens(&world).await;
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let (header, claims) = tokens.decoded();
    let [_, payload, signature] = tokens.access.split('.').collect::<Vec<_>>()[..] else { panic!() };
    let with_header = |key: &str, value: Value| {
        let mut header = header.clone();
        header[key] = value;
        format!("{}.{payload}.{signature}", encode(&header))
    };
    let mut longer = claims.clone();
    longer["exp"] = json!(9_999_999_999_u64);
    for forged in [
        String::new(),
        "x".into(),
        "a.b.c".into(),
        with_header("alg", json!("none")),
        with_header("alg", json!("HS256")),
        with_header("typ", json!("JWT")),
        with_header("kid", json!("other")),
        format!("{}.{payload}.", encode(&json!({"alg": "none", "typ": "at+jwt"}))),
        format!("{}.{}.{signature}", encode(&header), encode(&longer)),
        format!("{}x", tokens.access),
        "x".repeat(20_000),
    ] {
        let (status, answer) = introspect(&world, &client, &forged).await;
        let missing = forged.is_empty() && status == 400;
        assert!(missing || (status, answer) == DEAD(), "{forged}");
    }
    let (_, next) = client.refresh(&world, &tokens.refresh, &[]).await;
    assert_eq!(introspect(&world, &client, &tokens.refresh).await, DEAD(), "used");
    world.advance(Duration::from_secs(600));
    assert_eq!(introspect(&world, &client, &tokens.access).await, DEAD(), "expired to the second");
    assert_eq!(introspect(&world, &client, next["refresh_token"].as_str().unwrap()).await.1["active"], true);
}

#[tokio::test]
async fn revoking_either_token_ends_the_grant() {
    let world = World::start().await;
    let client = Client::confidential(&world, "client_secret_basic").await;
    for which in ["access", "refresh"] {
        let tokens = client.tokens(&world).await;
        let token = if which == "access" { &tokens.access } else { &tokens.refresh };
        assert_eq!(revoke(&world, &client, token).await.0, 200);
        assert_eq!(introspect(&world, &client, &tokens.access).await, DEAD(), "{which}");
        assert_eq!(introspect(&world, &client, &tokens.refresh).await, DEAD(), "{which}");
        let question = json!({"token": tokens.access, "resource": RESOURCE});
        let url = format!("{}/v1/validate", world.internal);
        assert_eq!(
            crate::world::read(world.http.post(url).json(&question).send().await.unwrap()).await,
            DEAD()
        );
        let (status, answer) = client.refresh(&world, &tokens.refresh, &[]).await;
        assert_eq!((status, &answer["error"]), (400, &json!("invalid_grant")));
        assert_eq!(revoke(&world, &client, token).await.0, 200, "again is no error");
    }
    assert_eq!(revoke(&world, &client, "mr_unknown").await.0, 200, "unknown is no error");
}

/// Whatever kind its token is, and wherever it is asked about. A client may end it all the same: the user may come back.
#[tokio::test]
async fn of_somebody_who_is_gone_no_token_is_alive() {
    for kind in ["jwt", "opaque"] {
        let kinds = format!("default_scopes: [mcp:read], access_tokens: {kind}}}");
        let mut world = World::start_with(|yaml| yaml.replace("default_scopes: [mcp:read]}", &kinds)).await;
        let client = Client::confidential(&world, "client_secret_basic").await;
        let (first, second) = (client.tokens(&world).await, client.tokens(&world).await);
        let answers = async |world: &World, tokens: &Tokens| {
            let asked = json!({"token": tokens.access, "resource": RESOURCE});
            let asked = world.http.post(format!("{}/v1/validate", world.internal)).json(&asked);
            let validated = crate::world::read(asked.send().await.unwrap()).await.1["active"].clone();
            let asked = world.http.get(format!("{}/verify/envoy/mcp", world.internal));
            let asked = asked.header("host", "127.0.0.1:8080").bearer_auth(&tokens.access);
            let verified = asked.send().await.unwrap().status().as_u16();
            let mut introspected = Vec::new();
            for token in [&tokens.access, &tokens.refresh] {
                introspected.push(introspect(world, &client, token).await.1["active"].clone());
            }
            (validated, verified, introspected)
        };
        let alive = (json!(true), 200, vec![json!(true); 2]);
        let dead = (json!(false), 401, vec![json!(false); 2]);
        assert_eq!(answers(&world, &first).await, alive, "{kind}");
        world.restart_with(|yaml| yaml.replace("{name: alice,", "{name: bob,")).await;
        assert_eq!(answers(&world, &first).await, dead, "{kind}");
        for token in [&first.access, &first.refresh] {
            // An operator finds the grant by it, and can end that.
            let asked = world.http.post(format!("{}/v1/tokens/inspect", world.admin));
            let asked = asked.json(&json!({"token": token})).send().await.unwrap();
            let (_, inspected) = crate::world::read(asked).await;
            assert_eq!((&inspected["active"], &inspected["grant"]["sub"]), (&json!(false), &json!("alice")));
        }
        assert_eq!(revoke(&world, &client, &first.access).await.0, 200);
        world.restart_with(|yaml| yaml.replace("{name: bob,", "{name: alice,")).await;
        assert_eq!(answers(&world, &first).await, dead, "{kind}: it was revoked");
        assert_eq!(answers(&world, &second).await, alive, "{kind}");
    }
}

#[tokio::test]
async fn nobody_revokes_the_tokens_of_others() {
    let world = World::start().await;
    let client = Client::confidential(&world, "client_secret_basic").await;
    let stranger = Client::public(&world).await;
    let tokens = client.tokens(&world).await;
    for token in [&tokens.access, &tokens.refresh] {
        let (status, answer) = revoke(&world, &stranger, token).await;
        assert_eq!((status, &answer["error"]), (400, &json!("invalid_grant")));
    }
    assert_eq!(introspect(&world, &client, &tokens.access).await.1["active"], true);
    assert_eq!(world.post("/revoke", &[("token", &tokens.refresh), ("client_id", &client.id)]).await.0, 401);
}

#[tokio::test]
async fn a_hint_is_only_a_hint() {
    let world = World::start().await;
    let client = Client::confidential(&world, "client_secret_basic").await;
    for hint in ["access_token", "refresh_token", "id_token", "nonsense"] {
        let tokens = client.tokens(&world).await;
        for token in [&tokens.access, &tokens.refresh] {
            let form = [("token", token.as_str()), ("token_type_hint", hint)];
            let (status, answer) = client.post(&world, "/introspect", &form, &[]).await;
            assert_eq!((status, &answer["active"]), (200, &json!(true)), "{hint}");
        }
        let form = [("token", tokens.access.as_str()), ("token_type_hint", hint)];
        assert_eq!(client.post(&world, "/revoke", &form, &[]).await.0, 200, "{hint}");
        assert_eq!(introspect(&world, &client, &tokens.refresh).await, DEAD(), "{hint}");
        let unknown = [("token", "unknown"), ("token_type_hint", hint)];
        assert_eq!(client.post(&world, "/revoke", &unknown, &[]).await.0, 200, "{hint}");
        assert_eq!(client.post(&world, "/introspect", &unknown, &[]).await, DEAD(), "{hint}");
    }
}

/// A load balancer sends what one replica has just issued to another one, whose clock may be behind.
#[tokio::test]
async fn a_token_lives_at_a_replica_whose_clock_is_behind() {
    let world = World::start().await;
    let client = Client::confidential(&world, "client_secret_basic").await;
    let tokens = client.tokens(&world).await;
    world.clock.set_back(Duration::from_secs(60));
    assert_eq!(introspect(&world, &client, &tokens.access).await.1["active"], json!(true));
    world.clock.set_back(Duration::from_secs(1));
    assert_eq!(introspect(&world, &client, &tokens.access).await, DEAD(), "further apart than clocks may be");
    world.advance(Duration::from_secs(11));
    assert_eq!(revoke(&world, &client, &tokens.access).await, (200, Value::Null));
    assert_eq!(introspect(&world, &client, &tokens.access).await, DEAD());
    assert_eq!(introspect(&world, &client, &tokens.refresh).await, DEAD());
}
