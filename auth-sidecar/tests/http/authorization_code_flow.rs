//! From registration to a refreshed token, through the HTML forms.

use std::time::Duration;

use serde_json::json;

use crate::world::browser::Browser;
use crate::world::client::{Client, REDIRECT, Tokens};
use crate::world::{ISSUER, OTHER_RESOURCE, RESOURCE, World};

#[tokio::test]
async fn a_public_client_gets_tokens_through_the_forms() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let mut browser = Browser::default();
    let page = browser.approve(&world, &client.link(&[])).await;
    assert!(page.left_for.as_deref().unwrap().starts_with(&format!("{REDIRECT}?code=mc_")), "{page:?}");
    assert_eq!(page.param("state").unwrap(), "st ate&1");
    assert_eq!(page.param("iss").unwrap(), ISSUER);

    let (status, body) = client.redeem(&world, &page.param("code").unwrap(), &[]).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(600)));
    assert_eq!(body["scope"], "mcp:read mcp:write");
    assert!(body["refresh_token"].as_str().unwrap().starts_with("mr_"));

    let (header, claims) = Tokens::of(body).decoded();
    let jwks: serde_json::Value = world.get("/jwks").await.json().await.unwrap();
    assert_eq!(header, json!({"alg": "ES256", "typ": "at+jwt", "kid": jwks["keys"][0]["kid"]}));
    assert_eq!(
        claims,
        json!({
            "iss": ISSUER, "sub": "alice", "aud": RESOURCE, "iat": 1_800_000_000, "exp": 1_800_000_600,
            "auth_time": 1_800_000_000, "client_id": client.id, "scope": "mcp:read mcp:write",
            "groups": ["engineering"], "roles": ["operator"], "org": "acme",
            "jti": claims["jti"], "grant_id": claims["grant_id"],
        })
    );
    assert!(claims["jti"].as_str().unwrap().len() >= 22 && claims["grant_id"].as_str().unwrap().len() >= 22);
}

#[tokio::test]
async fn confidential_clients_authenticate_as_registered() {
    let world = World::start().await;
    for method in ["client_secret_basic", "client_secret_post"] {
        let client = Client::confidential(&world, method).await;
        let tokens = client.tokens(&world).await;
        let (status, body) = client.refresh(&world, &tokens.refresh, &[]).await;
        assert_eq!(status, 200, "{method}: {body}");
    }
}

#[tokio::test]
async fn a_request_that_names_no_resource_means_the_default() {
    let default = |yaml: String| yaml.replace("scopes: [other:use]", "scopes: [other:use], default: true");
    let world = World::start_with(default).await;
    let client = Client::public(&world).await;
    let page = Browser::default().approve(&world, &client.link(&[("resource", ""), ("scope", "")])).await;
    let (_, body) = client.redeem(&world, &page.param("code").unwrap(), &[]).await;
    assert_eq!(body["scope"], "other:use");
    assert_eq!(Tokens::of(body).decoded().1["aud"], OTHER_RESOURCE);
    let (_, body) = client.redeem(&world, &client.code(&world).await, &[]).await;
    assert_eq!(Tokens::of(body).decoded().1["aud"], RESOURCE, "a request that names one means that");
}

#[tokio::test]
async fn tokens_are_narrowed_by_scope_and_resource() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let both = [("resource", RESOURCE), ("resource", OTHER_RESOURCE), ("scope", "mcp:read other:use")];
    let page = Browser::default().approve(&world, &client.link(&both)).await;
    let (_, body) = client.redeem(&world, &page.param("code").unwrap(), &[]).await;
    let tokens = Tokens::of(body);
    assert_eq!(tokens.decoded().1["aud"].as_array().unwrap().len(), 2);
    assert_eq!(tokens.body["scope"], "mcp:read other:use");

    let (_, body) = client.refresh(&world, &tokens.refresh, &[("resource", OTHER_RESOURCE)]).await;
    let narrowed = Tokens::of(body);
    assert_eq!(narrowed.decoded().1["aud"], OTHER_RESOURCE);
    assert_eq!(narrowed.body["scope"], "other:use", "scopes of another resource are left out");

    let (_, body) = client.refresh(&world, &narrowed.refresh, &[("scope", "mcp:read")]).await;
    let narrowed = Tokens::of(body);
    assert_eq!(narrowed.body["scope"], "mcp:read");
    let (_, body) = client.refresh(&world, &narrowed.refresh, &[]).await;
    assert_eq!(body["scope"], "mcp:read other:use", "the refresh token keeps all that was granted");
}

#[tokio::test]
async fn scopes_default_and_unknown_ones_are_left_out() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    for (asked, granted) in [
        ("", "mcp:read"),
        ("openid mcp:write offline_access", "mcp:write openid"),
        ("profile mcp:write", "mcp:write"),
    ] {
        let page = Browser::default().approve(&world, &client.link(&[("scope", asked)])).await;
        let (_, body) = client.redeem(&world, &page.param("code").unwrap(), &[]).await;
        assert_eq!(body["scope"], granted);
    }
}

#[tokio::test]
async fn a_loopback_port_may_vary() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let other_port = "http://127.0.0.1:45678/cb";
    let page = Browser::default().approve(&world, &client.link(&[("redirect_uri", other_port)])).await;
    assert!(page.left_for.as_deref().unwrap().starts_with(other_port));
    let code = page.param("code").unwrap();
    let (status, body) = client.redeem(&world, &code, &[]).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_grant")), "the port of the request is meant");
    let (status, _) = client.redeem(&world, &code, &[("redirect_uri", other_port)]).await;
    assert_eq!(status, 200, "the mistake did not use the code up");
}

#[tokio::test]
async fn a_client_without_the_refresh_grant_gets_no_refresh_token() {
    let world = World::start().await;
    let only_code = json!({"token_endpoint_auth_method": "none", "grant_types": ["authorization_code"]});
    let client = Client::register(&world, only_code).await;
    let tokens = client.tokens(&world).await;
    assert!(tokens.body.get("refresh_token").is_none(), "{}", tokens.body);
    let (status, body) = client.refresh(&world, "mr_x", &[]).await;
    assert_eq!((status, &body["error"]), (400, &json!("unauthorized_client")));
}

#[tokio::test]
async fn a_consent_is_remembered_for_what_it_covered() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let mut browser = Browser::default();
    browser.approve(&world, &client.link(&[("scope", "mcp:read")])).await;

    let again = browser.get(&world, &client.link(&[("scope", "mcp:read")])).await;
    assert!(again.param("code").is_some(), "neither login nor consent: {again:?}");
    for (case, changes) in [
        ("more scopes", [("scope", "mcp:read mcp:write")]),
        ("another resource", [("resource", OTHER_RESOURCE)]),
        ("another destination", [("redirect_uri", "http://127.0.0.1:9999/cb")]),
        ("asked to", [("prompt", "consent")]),
    ] {
        let mut changes = changes.to_vec();
        if case == "another resource" {
            changes.push(("scope", "other:use"));
        }
        let page = browser.get(&world, &client.link(&changes)).await;
        assert!(page.has_field("decision"), "{case}: {page:?}");
    }
    let other = Client::public(&world).await;
    assert!(browser.get(&world, &other.link(&[("scope", "mcp:read")])).await.has_field("decision"));
}

#[tokio::test]
async fn prompt_and_max_age_are_obeyed() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let mut browser = Browser::default();
    let none = browser.get(&world, &client.link(&[("prompt", "none")])).await;
    assert_eq!(none.param("error").unwrap(), "login_required");
    assert_eq!(
        (none.param("iss").unwrap(), none.param("state").unwrap()),
        (ISSUER.into(), "st ate&1".into())
    );

    browser.answer(&world, &client.link(&[]), "deny").await;
    let none = browser.get(&world, &client.link(&[("prompt", "none")])).await;
    assert_eq!(none.param("error").unwrap(), "consent_required");

    browser.approve(&world, &client.link(&[])).await;
    assert!(browser.get(&world, &client.link(&[("prompt", "none")])).await.param("code").is_some());
    assert!(browser.get(&world, &client.link(&[("prompt", "login")])).await.has_field("password"));
    assert!(browser.approve(&world, &client.link(&[("prompt", "login")])).await.param("code").is_some());
    world.advance(Duration::from_secs(100));
    assert!(browser.get(&world, &client.link(&[("max_age", "1000")])).await.param("code").is_some());
    assert!(browser.get(&world, &client.link(&[("max_age", "10")])).await.has_field("password"));
    for malformed in ["+5", "-1", "1.0", "1 ", "ten"] {
        let page = browser.get(&world, &client.link(&[("max_age", malformed)])).await;
        assert_eq!(page.param("error").as_deref(), Some("invalid_request"), "{malformed:?}");
    }
}

#[tokio::test]
async fn denial_is_told_to_the_client() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let page = Browser::default().answer(&world, &client.link(&[]), "deny").await;
    assert_eq!(
        (page.param("error").unwrap(), page.param("iss").unwrap()),
        ("access_denied".into(), ISSUER.into())
    );
    assert!(page.param("code").is_none());
}

#[tokio::test]
async fn sign_ins_and_tokens_survive_a_restart() {
    let mut world = World::start().await;
    let client = Client::public(&world).await;
    let mut browser = Browser::default();
    let page = browser.approve(&world, &client.link(&[])).await;
    let (_, body) = client.redeem(&world, &page.param("code").unwrap(), &[]).await;
    let keys: serde_json::Value = world.get("/jwks").await.json().await.unwrap();
    world.restart().await;
    assert_eq!(world.get("/jwks").await.json::<serde_json::Value>().await.unwrap(), keys);
    assert!(browser.get(&world, &client.link(&[])).await.param("code").is_some());
    let (status, _) = client.refresh(&world, &Tokens::of(body).refresh, &[]).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn a_user_who_was_taken_out_gets_no_further_token() {
    let mut world = World::start().await;
    let client = Client::public(&world).await;
    let mut browser = Browser::default();
    let page = browser.approve(&world, &client.link(&[])).await;
    let (_, body) = client.redeem(&world, &page.param("code").unwrap(), &[]).await;
    let waiting = browser.get(&world, &client.link(&[])).await.param("code").unwrap();
    world.restart_with(|yaml| yaml.replace("name: alice", "name: alan")).await;
    let (status, answer) = client.refresh(&world, &Tokens::of(body).refresh, &[]).await;
    assert_eq!((status, &answer["error"]), (400, &json!("invalid_grant")));
    let (status, answer) = client.redeem(&world, &waiting, &[]).await;
    assert_eq!((status, &answer["error"]), (400, &json!("invalid_grant")));
    assert!(browser.get(&world, &client.link(&[])).await.has_field("password"), "signed in no more");
}
