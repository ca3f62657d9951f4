//! Dynamic client registration over HTTP (RFC 7591); the fields one by one are tested beside `oauth/registration.rs`.

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::browser::Browser;
use crate::world::client::{Client, REDIRECT};
use crate::world::{ISSUER, World, read};

async fn register(world: &World, body: &Value) -> (u16, Value) {
    read(world.http.post(world.url("/register")).json(body).send().await.unwrap()).await
}

#[tokio::test]
async fn the_response_echoes_what_was_registered() {
    let world = World::start().await;
    let asked = json!({
        "redirect_uris": [REDIRECT, "https://app.example/cb"], "client_name": "Ünïcode",
        "token_endpoint_auth_method": "none", "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"], "application_type": "native", "scope": "mcp:read", "contacts": ["a@b.example"],
        "client_uri": "https://app.example/", "logo_uri": "https://app.example/logo.png",
        "tos_uri": "https://app.example/tos", "policy_uri": "https://app.example/policy",
        "software_id": "s", "software_version": "1",
    });
    let response = world.http.post(world.url("/register")).json(&asked).send().await.unwrap();
    assert_eq!(response.headers()["cache-control"], "no-store");
    let (status, answer) = read(response).await;
    assert_eq!(status, 201);
    let mut wanted = asked.clone();
    wanted["client_id"] = answer["client_id"].clone();
    wanted["client_id_issued_at"] = json!(1_800_000_000);
    wanted["id_token_signed_response_alg"] = json!("ES256"); // the default, which clients take for RS256 otherwise
    let id = answer["client_id"].as_str().unwrap();
    wanted["registration_client_uri"] = json!(format!("{ISSUER}/register/{id}"));
    wanted["registration_access_token"] = answer["registration_access_token"].clone();
    assert!(answer["registration_access_token"].as_str().unwrap().starts_with("mreg_"));
    assert_eq!(answer, wanted, "every field, no null, nothing else");
}

#[tokio::test]
async fn a_confidential_client_is_told_its_secret_once() {
    let world = World::start().await;
    let (_, answer) = register(&world, &json!({"redirect_uris": [REDIRECT]})).await;
    assert_eq!(answer["token_endpoint_auth_method"], "client_secret_basic");
    assert!(answer["client_secret"].as_str().unwrap().starts_with("ms_"));
    assert_eq!(answer["client_secret_expires_at"], 0);
    let (_, other) = register(&world, &json!({"redirect_uris": [REDIRECT]})).await;
    assert!(answer["client_secret"] != other["client_secret"] && answer["client_id"] != other["client_id"]);
}

#[tokio::test]
async fn refusals_are_json_with_the_codes_of_the_rfc() {
    let world = World::start().await;
    for (body, error) in [
        (json!({}), "invalid_redirect_uri"),
        (json!({"redirect_uris": ["http://evil.example/cb"]}), "invalid_redirect_uri"),
        (json!({"redirect_uris": [REDIRECT], "client_name": 7}), "invalid_client_metadata"),
        (
            json!({"redirect_uris": [REDIRECT], "jwks_uri": "https://127.0.0.1/jwks"}),
            "invalid_client_metadata",
        ),
        (json!({"redirect_uris": [REDIRECT], "jwks_uri": "https://[::1]/jwks"}), "invalid_client_metadata"),
        (json!({"redirect_uris": [REDIRECT], "jwks_uri": "https://0x7f.1/jwks"}), "invalid_client_metadata"),
        (json!("text"), "invalid_client_metadata"),
    ] {
        let (status, answer) = register(&world, &body).await;
        assert_eq!((status, &answer["error"]), (400, &json!(error)), "{body}");
    }
    let not_json = world.http.post(world.url("/register")).body("{}").send().await.unwrap();
    assert_eq!(read(not_json).await.1["error"], "invalid_client_metadata");
    let (status, answer) =
        register(&world, &json!({"redirect_uris": [REDIRECT], "x": "x".repeat(70_000)})).await;
    assert_eq!((status, &answer["error"]), (413, &json!("invalid_request")));
}

#[tokio::test]
async fn registrations_are_limited_per_address_and_hour() {
    let world =
        World::start_with(|yaml| yaml.replace("open: true", "open: true, per_address_per_hour: 2")).await;
    let body = json!({"redirect_uris": [REDIRECT]});
    for wanted in [201, 201, 429] {
        assert_eq!(register(&world, &body).await.0, wanted);
    }
    world.advance(Duration::from_secs(3600));
    assert_eq!(register(&world, &body).await.0, 201);
}

#[tokio::test]
async fn registrations_are_limited_altogether() {
    let world = World::start_with(|yaml| yaml.replace("open: true", "open: true, per_hour: 1")).await;
    let body = json!({"redirect_uris": [REDIRECT]});
    let bad = json!({"redirect_uris": []});
    for (body, wanted) in [(&bad, 400), (&body, 201), (&bad, 400), (&body, 429)] {
        assert_eq!(register(&world, body).await.0, wanted, "what is refused does not count");
    }
}

#[tokio::test]
async fn an_initial_access_token_opens_what_is_closed() {
    let tokens = "open: false, per_address_per_hour: 1, initial_access_tokens: [{file: FOLDER/initial}]";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("initial");
    std::fs::write(&file, "a-token-that-is-long-enough\n").unwrap();
    let tokens = tokens.replace("FOLDER/initial", file.to_str().unwrap());
    let mut world = World::start_with(|yaml| yaml.replace("open: true", &tokens)).await;
    let metadata: Value = world.get("/.well-known/oauth-authorization-server").await.json().await.unwrap();
    assert_eq!(metadata["registration_endpoint"], format!("{ISSUER}/register"));
    let body = json!({"redirect_uris": [REDIRECT]});
    let with = |world: &World, token: &str| {
        let request = world.http.post(world.url("/register")).json(&body);
        if token.is_empty() { request } else { request.header("authorization", token) }
    };
    for _ in 0..3 {
        let response = with(&world, "Bearer a-token-that-is-long-enough").send().await.unwrap();
        assert_eq!(response.status(), 201, "without limits");
    }
    for (token, challenge) in [
        ("", "Bearer realm=\"wicketgate\""),
        ("Basic YTpi", "Bearer realm=\"wicketgate\""),
        ("Bearer wrong", "Bearer realm=\"wicketgate\", error=\"invalid_token\""),
    ] {
        let response = with(&world, token).send().await.unwrap();
        assert_eq!(response.headers()["www-authenticate"], challenge, "{token}");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let (status, answer) = read(response).await;
        assert_eq!((status, &answer["error"]), (401, &json!("invalid_token")), "{token}");
    }
    world.restart_with(|yaml| yaml.replace("open: false", "open: true")).await;
    assert_eq!(with(&world, "").send().await.unwrap().status(), 201, "open to all, within limits");
    assert_eq!(with(&world, "").send().await.unwrap().status(), 429);
    assert_eq!(with(&world, "Bearer wrong").send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn identical_public_clients_may_share_one_registration() {
    let world =
        World::start_with(|yaml| yaml.replace("open: true", "open: true, share_identical: true")).await;
    let public = json!({"redirect_uris": [REDIRECT], "token_endpoint_auth_method": "none"});
    let (status, first) = register(&world, &public).await;
    assert_eq!(
        (status, first.get("registration_access_token")),
        (201, None),
        "nobody manages what is shared"
    );
    assert_eq!(register(&world, &public).await, (201, first.clone()));
    let mut other = public.clone();
    other["client_name"] = json!("Other");
    assert_ne!(register(&world, &other).await.1["client_id"], first["client_id"]);
    let secret = json!({"redirect_uris": [REDIRECT]});
    let (_, one) = register(&world, &secret).await;
    assert!(one.get("registration_access_token").is_some());
    assert_ne!(register(&world, &secret).await.1["client_id"], one["client_id"]);
}

#[tokio::test]
async fn an_unused_client_is_forgotten_and_a_used_one_kept() {
    let world = World::start().await;
    let unused = Client::public(&world).await;
    let used = Client::public(&world).await;
    used.tokens(&world).await;
    world.advance(Duration::from_secs(24 * 3600));
    assert_eq!(Browser::default().get(&world, &unused.link(&[])).await.status, 400);
    assert!(Browser::default().get(&world, &used.link(&[])).await.has_field("password"));
}
