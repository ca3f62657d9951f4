//! Tokens for a client in its own name (RFC 6749 section 4.4).

use serde_json::json;

use crate::world::client::{Client, Tokens};
use crate::world::dpop::Key;
use crate::world::{ISSUER, OTHER_RESOURCE, RESOURCE, World, encode, form_headers, read};

/// A client that may, beside the usual one that may not.
async fn world() -> (World, Client) {
    let machine = "  - id: machine\n    secret: {file: FOLDER/rs.secret}\n    grant_types: [client_credentials]\n    scopes: [mcp:read]\n";
    let world = World::start_with(|yaml| format!("{yaml}{machine}")).await;
    (world, Client::configured("machine"))
}

async fn ask(world: &World, client: &Client, form: &[(&str, &str)]) -> (u16, serde_json::Value) {
    client.post(world, "/token", &[("grant_type", "client_credentials")], form).await
}

#[tokio::test]
async fn the_token_is_the_clients_own() {
    let (world, machine) = world().await;
    for scope in ["", "mcp:read", "mcp:read mcp:write"] {
        let (status, body) = ask(&world, &machine, &[("resource", RESOURCE), ("scope", scope)]).await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(
            (&body["scope"], &body["token_type"]),
            (&json!("mcp:read"), &json!("Bearer")),
            "within the ceiling"
        );
        assert!(body.get("refresh_token").is_none(), "section 4.4.3");
        let (header, claims) = Tokens::of(body).decoded();
        assert_eq!(header["typ"], "at+jwt");
        assert_eq!((&claims["sub"], &claims["client_id"]), (&json!("machine"), &json!("machine")));
        assert_eq!((&claims["iss"], &claims["aud"]), (&json!(ISSUER), &json!(RESOURCE)));
        for absent in ["auth_time", "groups", "roles", "org"] {
            assert!(claims.get(absent).is_none(), "{absent}");
        }
    }
}

#[tokio::test]
async fn it_can_be_introspected_and_revoked() {
    let (world, machine) = world().await;
    let (_, body) = ask(&world, &machine, &[("resource", RESOURCE)]).await;
    let token = body["access_token"].as_str().unwrap();
    let introspect =
        async |client: &Client| client.post(&world, "/introspect", &[("token", token)], &[]).await.1;
    for client in [&machine, &Client::configured("resource-server")] {
        assert_eq!(introspect(client).await["active"], true);
    }
    assert_eq!(machine.post(&world, "/revoke", &[("token", token)], &[]).await.0, 200);
    for client in [&machine, &Client::configured("resource-server")] {
        assert_eq!(introspect(client).await, json!({"active": false}));
    }
}

#[tokio::test]
async fn it_can_be_registered_where_the_operator_says_for_what() {
    let scopes = "open: true, client_credentials_scopes: [mcp:read]";
    let world = World::start_with(|yaml| yaml.replace("open: true", scopes)).await;
    let body = json!({"grant_types": ["client_credentials"], "scope": "mcp:write"});
    let (status, answer) =
        read(world.http.post(world.url("/register")).json(&body).send().await.unwrap()).await;
    assert_eq!((status, &answer["grant_types"]), (201, &json!(["client_credentials"])), "{answer}");
    assert_eq!((&answer["response_types"], &answer["redirect_uris"]), (&json!([]), &json!([])));
    let text = |key: &str| answer[key].as_str().unwrap().to_owned();
    let client = Client {
        id: text("client_id"),
        secret: Some(text("client_secret")),
        method: text("token_endpoint_auth_method"),
    };
    let (status, body) = ask(&world, &client, &[("resource", RESOURCE)]).await;
    assert_eq!((status, &body["scope"]), (200, &json!("mcp:read")), "{body}");
    let (status, body) = ask(&world, &client, &[("resource", RESOURCE), ("scope", "mcp:write")]).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_scope")));
    let (status, body) = client.refresh(&world, "mr_x", &[]).await;
    assert_eq!((status, &body["error"]), (400, &json!("unauthorized_client")));
}

#[tokio::test]
async fn refusals() {
    let (world, machine) = world().await;
    for (client, form, status, error) in [
        (&Client::configured("resource-server"), vec![("resource", RESOURCE)], 400, "unauthorized_client"),
        (&machine, vec![], 400, "invalid_target"),
        (&machine, vec![("resource", "https://elsewhere.example/")], 400, "invalid_target"),
        (&machine, vec![("resource", RESOURCE), ("scope", "mcp:write")], 400, "invalid_scope"),
        (&machine, vec![("resource", OTHER_RESOURCE), ("scope", "other:use")], 400, "invalid_scope"),
        (&machine, vec![("resource", RESOURCE), ("scope", "a\"b")], 400, "invalid_scope"),
        (
            &Client { secret: Some("wrong".into()), ..Client::configured("machine") },
            vec![],
            401,
            "invalid_client",
        ),
    ] {
        let (got, body) = ask(&world, client, &form).await;
        assert_eq!((got, &body["error"]), (status, &json!(error)), "{form:?} {body}");
    }
    for (client, error) in [
        (Client::public(&world).await, "unauthorized_client"),
        (Client::configured("nobody"), "invalid_client"),
    ] {
        assert_eq!(ask(&world, &client, &[("resource", RESOURCE)]).await.1["error"], error);
    }
    let anonymous = encode(&[("grant_type", "client_credentials"), ("client_id", "machine")]);
    let request = world.http.post(world.url("/token")).headers(form_headers()).body(anonymous);
    assert_eq!(read(request.send().await.unwrap()).await.1["error"], "invalid_client");
}

#[tokio::test]
async fn it_can_be_opaque_and_bound_to_a_key() {
    let (mut world, machine) = world().await;
    world
        .restart_with(|yaml| {
            yaml.replace("scopes: [mcp:read]\n", "scopes: [mcp:read]\n    access_tokens: opaque\n")
        })
        .await;
    let key = Key::new("ES256");
    let form = [("grant_type", "client_credentials"), ("resource", RESOURCE)];
    let proof = key.proof("/token", 1_800_000_000);
    let (status, body) = machine.post_proving(&world, "/token", (&form, &[]), Some(&proof)).await;
    assert_eq!((status, &body["token_type"]), (200, &json!("DPoP")), "{body}");
    let token = body["access_token"].as_str().unwrap();
    assert!(token.starts_with("ma_"), "{token}");
    let (_, answer) =
        Client::configured("resource-server").post(&world, "/introspect", &[("token", token)], &[]).await;
    assert_eq!((&answer["active"], &answer["sub"]), (&json!(true), &json!("machine")), "{answer}");
    assert_eq!(answer["cnf"]["jkt"], key.thumbprint());
    assert!(answer.get("auth_time").is_none(), "nobody signed in");
}

/// A token that may do nothing is no answer to a client that may have none.
#[tokio::test]
async fn nothing_is_issued_where_the_client_may_do_nothing() {
    let bare = "  - {url: http://127.0.0.1:8080/bare, scopes: []}\n";
    let world = World::start_with(|yaml| {
        let yaml = yaml.replace("data_key:", &format!("{bare}data_key:"));
        let grants = "grant_types: [client_credentials, authorization_code, 'urn:ietf:params:oauth:grant-type:device_code']";
        let rest = "redirect_uris: ['http://127.0.0.1:7777/cb'], scopes: [mcp:read, openid]";
        format!("{yaml}  - {{id: machine, secret: {{file: FOLDER/rs.secret}}, {grants}, {rest}}}\n")
    })
    .await;
    let machine = Client::configured("machine");
    for (resource, scope, wanted) in [
        (OTHER_RESOURCE, "", Some("invalid_scope")),
        (OTHER_RESOURCE, "other:use", Some("invalid_scope")),
        (OTHER_RESOURCE, "openid", Some("invalid_scope")),
        (RESOURCE, "openid", Some("invalid_scope")),
        (RESOURCE, "openid mcp:read", None),
        ("http://127.0.0.1:8080/bare", "", None),
    ] {
        let (_, body) = ask(&world, &machine, &[("resource", resource), ("scope", scope)]).await;
        assert_eq!(body["error"].as_str(), wanted, "{resource} {scope} {body}");
    }
    let form = [("resource", OTHER_RESOURCE)];
    let (status, body) = machine.post(&world, "/device_authorization", &form, &[]).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_scope")), "{body}");
    let link = machine.link(&[("scope", ""), ("resource", OTHER_RESOURCE)]);
    let page = crate::world::browser::Browser::default().get(&world, &link).await;
    assert_eq!(page.param("error").as_deref(), Some("invalid_scope"), "{page:?}");
}
