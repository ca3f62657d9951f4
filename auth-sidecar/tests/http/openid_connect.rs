//! OpenID Connect on top of the code flow: ID tokens, userinfo, and what a request may say.

use std::time::Duration;

use jwt_simple::prelude::{
    ECDSAP256PublicKeyLike as _, ES256PublicKey, Ed25519PublicKey, EdDSAPublicKeyLike as _, NoCustomClaims,
    RS256PublicKey, RSAPublicKeyLike as _, VerificationOptions,
};
use serde_json::{Value, json};

use crate::world::browser::Browser;
use crate::world::client::{Client, REDIRECT, Tokens, at_hash, decode, redeemed};
use crate::world::{ISSUER, World, form_headers};

const T0: u64 = 1_800_000_000;

/// Tokens of a sign-in that asked for `scope` and more.
pub(crate) async fn tokens_for(world: &World, client: &Client, changes: &[(&str, &str)]) -> Tokens {
    let page = Browser::default().approve(world, &client.link(changes)).await;
    redeemed(world, client, &page).await
}

/// Header and claims of the ID token, verified with the published key.
async fn verified(world: &World, tokens: &Tokens) -> (Value, Value) {
    let token = tokens.body["id_token"].as_str().expect("an ID token");
    let (header, claims) = decode(token);
    let jwks: Value = world.get("/jwks").await.json().await.unwrap();
    let key = jwks["keys"].as_array().unwrap().iter().find(|key| key["kid"] == header["kid"]).unwrap();
    let (key, options) = (key.to_string(), || {
        Some(VerificationOptions {
            artificial_time: Some(jwt_simple::prelude::Duration::from_secs(T0 + 1)),
            ..VerificationOptions::default()
        })
    });
    match header["alg"].as_str().unwrap() {
        "ES256" => ES256PublicKey::from_jwk(&key).unwrap().verify_token::<NoCustomClaims>(token, options()),
        "EdDSA" => Ed25519PublicKey::from_jwk(&key).unwrap().verify_token::<NoCustomClaims>(token, options()),
        "RS256" => RS256PublicKey::from_jwk(&key).unwrap().verify_token::<NoCustomClaims>(token, options()),
        other => panic!("{other}"),
    }
    .unwrap();
    (header, claims)
}

#[tokio::test]
async fn an_id_token_says_who_signed_in_and_when() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let asked = [("scope", "openid mcp:read"), ("nonce", "n-0S6 _Wz&A2M\u{e9}")];
    let tokens = tokens_for(&world, &client, &asked).await;
    assert_eq!(tokens.body["scope"], "mcp:read openid");
    let (header, claims) = verified(&world, &tokens).await;
    assert_eq!((&header["alg"], &header["typ"]), (&json!("ES256"), &json!("JWT")));
    assert_eq!(
        claims,
        json!({
            "iss": ISSUER, "sub": "alice", "aud": client.id, "iat": T0, "exp": T0 + 600, "auth_time": T0,
            "nonce": "n-0S6 _Wz&A2M\u{e9}", "at_hash": at_hash(&tokens.access),
        })
    );
    let without_nonce = tokens_for(&world, &client, &[("scope", "openid")]).await;
    assert!(verified(&world, &without_nonce).await.1.get("nonce").is_none());
    let plain = client.tokens(&world).await;
    assert!(plain.body.get("id_token").is_none(), "only where openid was asked for");
}

#[tokio::test]
async fn id_tokens_are_signed_as_registered_or_configured() {
    let world = World::start_with(|yaml| yaml + "signing: {id_token: EdDSA}\n").await;
    let held = World::start().await;
    let refused = json!({"redirect_uris": [REDIRECT], "id_token_signed_response_alg": "EdDSA"});
    let refused = held.http.post(held.url("/register")).json(&refused).send().await.unwrap();
    let (status, body) = crate::world::read(refused).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_client_metadata")), "not held there");
    for (registered, wanted) in [(None, "EdDSA"), (Some("RS256"), "RS256"), (Some("ES256"), "ES256")] {
        let mut metadata = json!({"token_endpoint_auth_method": "none"});
        if let Some(algorithm) = registered {
            metadata["id_token_signed_response_alg"] = json!(algorithm);
        }
        let client = Client::register(&world, metadata).await;
        let tokens = tokens_for(&world, &client, &[("scope", "openid mcp:read")]).await;
        assert_eq!(verified(&world, &tokens).await.0["alg"], wanted);
        assert_eq!(tokens.decoded().0["alg"], "ES256", "access tokens stay what they are");
    }
}

#[tokio::test]
async fn a_refreshed_id_token_is_about_the_same_sign_in() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let first = tokens_for(&world, &client, &[("scope", "openid mcp:read"), ("nonce", "n")]).await;
    world.advance(Duration::from_secs(500));
    let (_, body) = client.refresh(&world, &first.refresh, &[]).await;
    let (_, claims) = decode(body["id_token"].as_str().unwrap());
    assert_eq!((&claims["auth_time"], &claims["iat"]), (&json!(T0), &json!(T0 + 500)));
    assert_eq!((&claims["sub"], &claims["aud"]), (&json!("alice"), &json!(client.id)));
    assert!(claims.get("nonce").is_none());
    let refresh = body["refresh_token"].as_str().unwrap();
    let (_, body) = client.refresh(&world, refresh, &[("scope", "mcp:read")]).await;
    assert!(body.get("id_token").is_none(), "without openid there is none");
}

#[tokio::test]
async fn a_mere_sign_in_needs_no_resource() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let tokens = tokens_for(&world, &client, &[("scope", "openid profile"), ("resource", "")]).await;
    assert_eq!(tokens.decoded().1["aud"], ISSUER, "its token is for us alone");
    assert_eq!(tokens.body["scope"], "openid profile");
    let link = client.link(&[("scope", "openid mcp:read"), ("resource", "")]);
    let page = Browser::default().get(&world, &link).await;
    assert_eq!(page.param("error").unwrap(), "invalid_target");
}

#[tokio::test]
async fn the_redirect_uri_must_be_named() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let page =
        Browser::default().get(&world, &client.link(&[("scope", "openid"), ("redirect_uri", "")])).await;
    assert_eq!((page.status, page.left_for), (400, None));
    let page = Browser::default().get(&world, &client.link(&[("redirect_uri", "")])).await;
    assert!(page.has_field("password"), "plain OAuth may leave it out: {page:?}");
}

#[tokio::test]
async fn requests_may_be_posted() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let post = async |changes: &[(&str, &str)], cookie: &str| {
        let link = client.link(changes);
        let (path, query) = link.split_once('?').unwrap();
        let request = world.http.post(world.url(path)).headers(form_headers()).header("cookie", cookie);
        let response = request.body(query.to_owned()).send().await.unwrap();
        let location = response.headers().get("location").map(|value| value.to_str().unwrap().to_owned());
        (response.status().as_u16(), location.unwrap_or_default())
    };
    let (status, location) = post(&[], "").await;
    assert_eq!(status, 303);
    assert!(location.starts_with("/authorize?") && location.contains("code_challenge="), "{location}");
    let page = Browser::default().approve(&world, &location).await;
    assert!(page.param("code").is_some(), "the same request: {page:?}");

    // A pushed one is not used up by the post.
    let parameters = client.link(&[]);
    let (_, query) = parameters.split_once('?').unwrap();
    let request = world.http.post(world.url("/par")).headers(form_headers()).body(query.to_owned());
    let body: Value = request.send().await.unwrap().json().await.unwrap();
    let uri = body["request_uri"].as_str().unwrap();
    let (status, location) = post(&[("request_uri", uri)], "").await;
    assert!(status == 303 && location.starts_with("/authorize?"), "{status} {location}");
    let page = Browser::default().approve(&world, &location).await;
    assert!(page.param("code").is_some(), "{page:?}");

    let (status, location) = post(&[], "wicketgate_browser=known").await;
    assert!(status == 303 && location.starts_with("/login?request="), "{location}");
    let (_, location) = post(&[("response_type", "token")], "").await;
    assert!(location.starts_with(REDIRECT) && location.contains("unsupported_response_type"));
    let (_, location) = post(&[("scope", "a"), ("scope", "b")], "").await;
    assert!(location.contains("error=invalid_request"), "{location}");
    assert_eq!(post(&[("redirect_uri", "https://evil.example/cb")], "").await, (400, String::new()));
}

#[tokio::test]
async fn what_is_not_supported_is_said() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let long = "x".repeat(2000);
    for (changes, error) in [
        ([("request", "eyJ")], "request_not_supported"),
        ([("request_uri", "https://app.example/r")], "request_uri_not_supported"),
        ([("registration", "{}")], "registration_not_supported"),
        ([("response_mode", "form_post")], "invalid_request"),
        ([("response_mode", "fragment")], "invalid_request"),
        ([("prompt", "create")], "invalid_request"),
        ([("prompt", "none consent")], "invalid_request"),
        ([("max_age", "soon")], "invalid_request"),
        ([("id_token_hint", "x")], "invalid_request"),
        ([("nonce", long.as_str())], "invalid_request"),
        ([("login_hint", long.as_str())], "invalid_request"),
        ([("response_type", "id_token")], "unsupported_response_type"),
        ([("response_type", "code id_token")], "unsupported_response_type"),
    ] {
        let page = Browser::default().get(&world, &client.link(&changes)).await;
        assert_eq!(page.param("error").as_deref(), Some(error), "{changes:?}: {page:?}");
        assert_eq!(
            (page.param("iss").unwrap(), page.param("state").unwrap()),
            (ISSUER.into(), "st ate&1".into())
        );
    }
    for ignored in [("acr_values", "1"), ("ui_locales", "fr"), ("display", "popup"), ("claims", "{}")] {
        let page = Browser::default().get(&world, &client.link(&[ignored])).await;
        assert!(page.has_field("password"), "{ignored:?}");
    }
}

#[tokio::test]
async fn hints_say_whom_the_client_means() {
    let bob = |yaml: String| {
        yaml.replace("clients:\n", "  - {name: bob, password: {file: FOLDER/alice.password}}\nclients:\n")
    };
    let world = World::start_with(bob).await;
    let client = Client::public(&world).await;
    let page = Browser::default().get(&world, &client.link(&[("login_hint", "al\"ice")])).await;
    assert!(page.body.contains("value=\"al&#34;ice\""), "{}", page.body);

    let openid = [("scope", "openid mcp:read")];
    let mut alice = Browser::default();
    let page = alice.approve(&world, &client.link(&openid)).await;
    let (_, body) = client.redeem(&world, &page.param("code").unwrap(), &[]).await;
    let id_token = body["id_token"].as_str().unwrap();
    let hinted = [openid[0], ("id_token_hint", id_token)];
    let silent = [hinted[0], hinted[1], ("prompt", "none")];
    assert!(alice.get(&world, &client.link(&silent)).await.param("code").is_some(), "it is alice");

    let mut other = Browser::default();
    let login = other.get(&world, &client.link(&hinted)).await.form();
    let login = login.with("username", "bob").with("password", crate::world::PASSWORD);
    let page = other.submit(&world, &login).await;
    assert_eq!(page.param("error").as_deref(), Some("login_required"), "bob is not meant: {page:?}");
    let page = other.get(&world, &client.link(&silent)).await;
    assert_eq!(page.param("error").as_deref(), Some("login_required"), "{page:?}");
    assert!(other.get(&world, &client.link(&hinted)).await.has_field("password"), "alice may sign in");

    world.advance(Duration::from_secs(3600));
    assert!(
        alice.get(&world, &client.link(&silent)).await.param("code").is_some(),
        "an expired hint will do"
    );
    let access = [openid[0], ("id_token_hint", body["access_token"].as_str().unwrap())];
    let page = alice.get(&world, &client.link(&access)).await;
    assert_eq!(page.param("error").as_deref(), Some("invalid_request"), "an access token is no ID token");
}

#[tokio::test]
async fn a_registered_max_age_is_obeyed() {
    let world = World::start().await;
    let metadata = json!({"token_endpoint_auth_method": "none", "default_max_age": 60});
    let client = Client::register(&world, metadata).await;
    let mut browser = Browser::default();
    browser.approve(&world, &client.link(&[])).await;
    assert!(browser.get(&world, &client.link(&[])).await.param("code").is_some());
    assert!(browser.get(&world, &client.link(&[("max_age", "0")])).await.has_field("password"), "always");
    world.advance(Duration::from_secs(61));
    assert!(browser.get(&world, &client.link(&[])).await.has_field("password"));
    assert!(browser.get(&world, &client.link(&[("max_age", "600")])).await.param("code").is_some());
}

#[tokio::test]
async fn the_id_token_of_another_client_is_no_hint() {
    let world = World::start().await;
    let (client, other) = (Client::public(&world).await, Client::public(&world).await);
    let tokens = tokens_for(&world, &other, &[("scope", "openid mcp:read")]).await;
    let hint = ("id_token_hint", tokens.body["id_token"].as_str().unwrap());
    for (asks, error) in [(&client, Some("invalid_request")), (&other, None)] {
        let page = Browser::default().get(&world, &asks.link(&[hint])).await;
        assert_eq!(page.param("error").as_deref(), error, "{page:?}");
    }
}

/// RFC 8252 section 7.3: a program on the user's machine listens on another port each time.
#[tokio::test]
async fn a_consent_counts_for_every_port_of_the_machine() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let mut browser = Browser::default();
    assert!(browser.approve(&world, &client.link(&[])).await.param("code").is_some());
    for (redirect, is_asked) in [
        ("http://127.0.0.1:7777/cb", false),
        ("http://127.0.0.1:50123/cb", false),
        ("http://127.0.0.1/cb", false),
    ] {
        let page = browser.get(&world, &client.link(&[("redirect_uri", redirect)])).await;
        assert_eq!(page.has_field("decision"), is_asked, "{redirect}: {page:?}");
        assert_eq!(page.param("code").is_some(), !is_asked, "{redirect}");
    }
}
