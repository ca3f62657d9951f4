//! Pushed authorization requests (RFC 9126).

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::browser::{Browser, Page};
use crate::world::client::{Client, REDIRECT, VERIFIER, challenge, decode};
use crate::world::publisher::Publisher;
use crate::world::signer::{ASSERTION, Signer};
use crate::world::{ISSUER, OTHER_RESOURCE, PASSWORD, RESOURCE, World, encode};

/// Pushes the usual request with `changes`, as `client` authenticates.
async fn push(world: &World, client: &Client, changes: &[(&str, &str)]) -> (u16, Value) {
    let challenge = challenge(VERIFIER);
    let form = [
        ("response_type", "code"),
        ("redirect_uri", REDIRECT),
        ("scope", "mcp:read"),
        ("state", "st ate&1"),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
        ("resource", RESOURCE),
    ];
    client.post(world, "/par", &form, changes).await
}

async fn pushed(world: &World, client: &Client) -> String {
    let (status, body) = push(world, client, &[]).await;
    assert_eq!(status, 201, "{body}");
    body["request_uri"].as_str().unwrap().to_owned()
}

fn link(client: &str, request_uri: &str) -> String {
    format!("/authorize?{}", encode(&[("client_id", client), ("request_uri", request_uri)]))
}

fn is_gone(page: &Page) -> bool {
    page.status == 400 && page.left_for.is_none() && page.body.contains("no longer open")
}

#[tokio::test]
async fn a_pushed_request_leads_to_tokens_once() {
    let world = World::start().await;
    for client in [Client::public(&world).await, Client::confidential(&world, "client_secret_basic").await] {
        let (status, body) = push(&world, &client, &[]).await;
        assert_eq!((status, &body["expires_in"]), (201, &json!(60)), "{body}");
        let uri = body["request_uri"].as_str().unwrap();
        assert!(uri.starts_with("urn:ietf:params:oauth:request_uri:") && uri.len() > 70, "{uri}");
        assert_eq!(body.as_object().unwrap().len(), 2);

        let mut browser = Browser::default();
        let page = browser.approve(&world, &link(&client.id, uri)).await;
        assert_eq!(page.param("state").as_deref(), Some("st ate&1"), "{page:?}");
        assert_eq!(page.param("iss").as_deref(), Some(ISSUER));
        let (status, body) = client.redeem(&world, &page.param("code").unwrap(), &[]).await;
        assert_eq!((status, &body["scope"]), (200, &json!("mcp:read")));
        assert!(is_gone(&browser.get(&world, &link(&client.id, uri)).await), "it works once");
    }
}

#[tokio::test]
async fn a_pushed_request_is_its_clients_and_short_lived() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let other = Client::public(&world).await;
    let uri = pushed(&world, &client).await;
    assert!(is_gone(&Browser::default().get(&world, &link(&other.id, &uri)).await), "another client's");
    assert!(Browser::default().get(&world, &link(&client.id, &uri)).await.has_field("password"), "unharmed");
    let uri = pushed(&world, &client).await;
    world.advance(Duration::from_secs(60));
    assert!(is_gone(&Browser::default().get(&world, &link(&client.id, &uri)).await), "expired");
    let unknown = "urn:ietf:params:oauth:request_uri:unknown";
    assert!(is_gone(&Browser::default().get(&world, &link(&client.id, unknown)).await));
    let no_client = format!("/authorize?{}", encode(&[("request_uri", unknown)]));
    assert_eq!(Browser::default().get(&world, &no_client).await.status, 400);
}

#[tokio::test]
async fn what_is_not_read_is_not_kept() {
    let mut world = World::start().await;
    let client = Client::public(&world).await;
    let large = format!("nobody-reads-this-{}", "x".repeat(50_000));
    let more = [
        ("scope", "openid mcp:read"),
        ("resource", RESOURCE),
        ("resource", OTHER_RESOURCE),
        ("response_mode", "query"),
        ("prompt", "consent"),
        ("max_age", "600"),
        ("nonce", "the nonce"),
        ("login_hint", "alice@example"),
        ("claims", large.as_str()),
    ];
    let (status, body) = push(&world, &client, &more).await;
    assert_eq!(status, 201, "{body}");
    let link = link(&client.id, body["request_uri"].as_str().unwrap());
    assert_eq!(push(&world, &client, &[("x", "1"), ("x", "2")]).await.0, 400, "though nobody reads it");
    world.stop().await;
    let kept = String::from_utf8_lossy(&world.kept()).into_owned();
    assert!(kept.contains("alice@example") && !kept.contains("nobody-reads-this"));
    world.start_prepared().await;
    let mut browser = Browser::default();
    let login = browser.get(&world, &link).await;
    assert!(login.body.contains("value=\"alice@example\""), "{}", login.body);
    let form = login.form().with("username", "alice").with("password", PASSWORD);
    let consent = browser.submit(&world, &form).await;
    for wanted in ["mcp:read", RESOURCE, OTHER_RESOURCE] {
        assert!(consent.body.contains(wanted), "{wanted}: {}", consent.body);
    }
    let page = browser.submit(&world, &consent.form().with("decision", "approve")).await;
    assert_eq!(page.param("state").as_deref(), Some("st ate&1"));
    let (status, body) = client.redeem(&world, &page.param("code").unwrap(), &[]).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(decode(body["id_token"].as_str().unwrap()).1["nonce"], "the nonce");
}

#[tokio::test]
async fn nothing_beside_the_uri_counts() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let uri = pushed(&world, &client).await;
    let more =
        [("request_uri", uri.as_str()), ("scope", "mcp:write"), ("redirect_uri", "https://evil.example/")];
    let page = Browser::default().approve(&world, &client.link(&more)).await;
    assert!(page.left_for.as_deref().unwrap().starts_with(REDIRECT), "{page:?}");
    assert_eq!(page.param("state").as_deref(), Some("st ate&1"));
    let (_, body) = client.redeem(&world, &page.param("code").unwrap(), &[]).await;
    assert_eq!(body["scope"], "mcp:read");
}

#[tokio::test]
async fn a_push_is_refused_as_the_authorization_and_token_endpoints_would() {
    let world = World::start().await;
    let client = Client::confidential(&world, "client_secret_basic").await;
    for (changes, error) in [
        (vec![("request_uri", "urn:ietf:params:oauth:request_uri:x")], "invalid_request"),
        (vec![("request", "eyJ")], "request_not_supported"),
        (vec![("redirect_uri", "https://evil.example/cb")], "invalid_request"),
        (vec![("response_type", "token")], "unsupported_response_type"),
        (vec![("response_type", "")], "invalid_request"),
        (vec![("code_challenge", "")], "invalid_request"),
        (vec![("code_challenge_method", "plain")], "invalid_request"),
        (vec![("scope", "nothing:known")], "invalid_scope"),
        (vec![("resource", "https://elsewhere.example")], "invalid_target"),
        (vec![("dpop_jkt", "short")], "invalid_request"),
        (vec![("client_id", "another")], "invalid_request"),
        (vec![("scope", "mcp:read"), ("scope", "mcp:write")], "invalid_request"),
    ] {
        let (status, body) = push(&world, &client, &changes).await;
        assert_eq!((status, &body["error"]), (400, &json!(error)), "{changes:?}: {body}");
    }
    let liar = Client { secret: Some("wrong".into()), id: client.id.clone(), method: client.method.clone() };
    let nobody = Client { secret: None, id: "c_unknown".into(), method: "none".into() };
    for caller in [&liar, &nobody] {
        let (status, body) = push(&world, caller, &[]).await;
        assert_eq!((status, &body["error"]), (401, &json!("invalid_client")));
    }
    assert_eq!(world.get("/par").await.status(), 405);
    let json_body = world.http.post(world.url("/par")).json(&json!({}));
    assert_eq!(json_body.send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn who_must_push_cannot_do_without() {
    let world = World::start().await;
    let metadata =
        json!({"token_endpoint_auth_method": "none", "require_pushed_authorization_requests": true});
    let strict = Client::register(&world, metadata).await;
    let page = Browser::default().get(&world, &strict.link(&[])).await;
    assert_eq!(page.param("error").as_deref(), Some("invalid_request"), "{page:?}");
    let uri = pushed(&world, &strict).await;
    assert!(Browser::default().approve(&world, &link(&strict.id, &uri)).await.param("code").is_some());

    let world = World::start_with(|yaml| yaml + "require_pushed_authorization_requests: true\n").await;
    let client = Client::public(&world).await;
    let page = Browser::default().get(&world, &client.link(&[])).await;
    assert_eq!(page.param("error").as_deref(), Some("invalid_request"));
    let uri = pushed(&world, &client).await;
    assert!(Browser::default().approve(&world, &link(&client.id, &uri)).await.param("code").is_some());
    let metadata: Value = world.get("/.well-known/oauth-authorization-server").await.json().await.unwrap();
    assert_eq!(metadata["require_pushed_authorization_requests"], true);
}

#[tokio::test]
async fn a_client_that_signs_may_name_each_endpoint_of_the_push() {
    let world = World::start().await;
    let signer = Signer::es256();
    let metadata = json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": signer.jwks()});
    let client = Client::register(&world, metadata).await;
    for (audience, wanted) in [
        (ISSUER.to_owned(), 201),
        (format!("{ISSUER}/token"), 201),
        (format!("{ISSUER}/par"), 201),
        (format!("{ISSUER}/authorize"), 401),
        ("https://other.example/par".to_owned(), 401),
    ] {
        let assertion = signer.assertion(&world, &client.id, |claims| claims["aud"] = json!(audience));
        let signed = [("client_assertion_type", ASSERTION), ("client_assertion", assertion.as_str())];
        let (status, body) = push(&world, &client, &signed).await;
        assert_eq!(status, wanted, "{audience}: {body}");
        if status == 201 {
            let uri = body["request_uri"].as_str().unwrap();
            let page = Browser::default().approve(&world, &link(&client.id, uri)).await;
            assert!(page.param("code").is_some(), "{page:?}");
        }
    }
}

#[tokio::test]
async fn a_client_that_publishes_itself_may_begin_with_a_push() {
    let publisher = Publisher::start().await;
    let world = World::start_with(|yaml| publisher.allowed(&yaml)).await;
    let id = publisher.url("/client.json");
    let document = json!({"client_id": id, "client_name": "Published", "redirect_uris": [REDIRECT]});
    publisher.publish("/client.json", &document);
    let client = Client { id, secret: None, method: "none".into() };
    let uri = pushed(&world, &client).await;
    let page = Browser::default().approve(&world, &link(&client.id, &uri)).await;
    let (status, body) = client.redeem(&world, &page.param("code").unwrap(), &[]).await;
    assert_eq!(status, 200, "{body}");
    for path in ["/absent.json", "/\u{e9}"] {
        let nobody = Client { id: publisher.url(path), secret: None, method: "none".into() };
        let (status, body) = push(&world, &nobody, &[]).await;
        assert_eq!((status, &body["error"]), (401, &json!("invalid_client")), "{path}");
    }
}

/// Programs that show previews of links ask with HEAD before their user follows one.
#[tokio::test]
async fn a_look_at_a_link_uses_nothing_up() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let link = link(&client.id, &pushed(&world, &client).await);
    for path in [link.as_str(), "/consent?request=x", "/logout", "/account"] {
        let answer = world.http.head(world.url(path)).send().await.unwrap();
        let allow = answer.headers().get("allow").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!((answer.status().as_u16(), allow.as_deref()), (405, Some("GET, POST")), "{path}");
    }
    assert!(Browser::default().approve(&world, &link).await.param("code").is_some());
    assert_eq!(world.http.head(world.url("/jwks")).send().await.unwrap().status(), 200, "reading is no act");
}
