//! Signing in at an OpenID Connect provider, and what becomes of what it says.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::world::ISSUER;
use crate::world::browser::Browser;
use crate::world::client::Tokens;
use crate::world::signer::Signer;
use crate::world::upstream::{CLIENT_ID, Upstream, arrive, leave, tokens};

const EVERYONE: &str = "allow: {everyone: true}";
const MAPPED: &str = "allow: {everyone: true}, claims: {groups: {from: groups, only: [eng, ops], prefix: 'x:'}, \
    roles: {from: /realm_access/roles, names: {adm: admin}}, org: {from: hd}}";

fn claims(tokens: &Tokens) -> Value {
    tokens.decoded().1
}

#[tokio::test]
async fn a_sign_in_elsewhere_ends_in_tokens_of_ours() {
    let upstream = Upstream::start().await;
    upstream.lie(|claims| {
        claims.set("groups", json!(["eng", "everybody", "ops", "eng"]));
        claims.set("realm_access", json!({"roles": ["adm", "offline_access"]}));
        claims.set("hd", json!("acme.example"));
        claims.set("auth_time", json!(1_799_999_000));
    });
    let (world, client) = upstream.world(&upstream.oidc(MAPPED)).await;
    let said = claims(&tokens(&upstream, &world, &client).await);
    assert_eq!(said["sub"], format!("{}#u-1", upstream.base), "not the e-mail, which is a local user's name");
    assert_eq!(said["groups"], json!(["x:eng", "x:ops"]));
    assert_eq!((&said["roles"], &said["org"]), (&json!(["admin"]), &json!("acme.example")));
    assert_eq!(said["auth_time"], 1_799_999_000);
}

#[tokio::test]
async fn the_request_says_what_it_must() {
    let upstream = Upstream::start().await;
    let (world, client) =
        upstream.world(&upstream.oidc("allow: {everyone: true}, scopes: [openid, groups]")).await;
    let mut browser = Browser::default();
    let location = leave(&world, &mut browser, &client.link(&[])).await;
    let url = url::Url::parse(&location).unwrap();
    let params: std::collections::HashMap<_, _> = url.query_pairs().into_owned().collect();
    assert!(location.starts_with(&format!("{}/authorize?", upstream.base)));
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", CLIENT_ID),
        ("redirect_uri", &format!("{ISSUER}/callback/x")),
        ("scope", "openid groups"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(params[name], value);
    }
    for random in ["state", "nonce", "code_challenge"] {
        assert_eq!(params[random].len(), 43, "{random}");
    }
    assert!(!params.contains_key("prompt") && !params.contains_key("max_age"));
    let again =
        leave(&world, &mut Browser::default(), &client.link(&[("prompt", "login"), ("max_age", "5")])).await;
    assert!(again.contains("&prompt=login&max_age=5"), "{again}");
}

#[tokio::test]
async fn a_session_and_a_consent_last() {
    let upstream = Upstream::start().await;
    let (world, client) = upstream.world(&upstream.oidc(EVERYONE)).await;
    let mut browser = Browser::default();
    let location = leave(&world, &mut browser, &client.link(&[])).await;
    browser.get(&world, &upstream.sign_in(&location)).await;
    let page = browser.get(&world, &client.link(&[("prompt", "none")])).await;
    assert!(page.param("code").is_some(), "{page:?}");
    let page = browser.get(&world, &client.link(&[("scope", "mcp:read"), ("prompt", "consent")])).await;
    assert!(page.has_field("decision") && page.body.contains("#u-1"), "{}", page.body);
}

#[tokio::test]
async fn what_was_learned_stays_until_it_is_too_old() {
    let upstream = Upstream::start().await;
    upstream.lie(|claims| claims.set("groups", json!(["eng"])));
    let mapped = format!("{MAPPED}, remember_for: 2h");
    let (world, client) = upstream.world(&upstream.oidc(&mapped)).await;
    let first = tokens(&upstream, &world, &client).await;
    world.advance(Duration::from_secs(3600));
    let (status, body) = client.refresh(&world, &first.refresh, &[]).await;
    let second = Tokens::of(body);
    assert_eq!((status, &claims(&second)["groups"]), (200, &json!(["x:eng"])));

    upstream.lie(|claims| claims.set("groups", json!(["ops"])));
    upstream.set(|mock| mock.now += 3600);
    tokens(&upstream, &world, &client).await;
    let third = Tokens::of(client.refresh(&world, &second.refresh, &[]).await.1);
    assert_eq!(claims(&third)["groups"], json!(["x:ops"]), "a later sign-in counts for all");
    world.advance(Duration::from_secs(2 * 3600));
    let (status, body) = client.refresh(&world, &third.refresh, &[]).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_grant")));
}

#[tokio::test]
async fn other_rules_and_a_removed_provider_let_nobody_on() {
    let upstream = Upstream::start().await;
    let (mut world, client) = upstream.world(&upstream.oidc(EVERYONE)).await;
    let (first, second) =
        (tokens(&upstream, &world, &client).await, tokens(&upstream, &world, &client).await);
    world.restart_with(|yaml| yaml.replace("everyone: true", "subjects: [u-1]")).await;
    let (_, body) = client.refresh(&world, &first.refresh, &[]).await;
    assert_eq!(body["error"], "invalid_grant");
    tokens(&upstream, &world, &client).await;
    world.restart_with(|yaml| yaml.split("identity_providers").next().unwrap().to_owned()).await;
    let (_, body) = client.refresh(&world, &second.refresh, &[]).await;
    assert_eq!(body["error"], "invalid_grant");
    assert_eq!(world.get("/callback/x").await.status(), 404);
}

#[tokio::test]
async fn only_those_get_in_who_are_allowed() {
    let upstream = Upstream::start().await;
    upstream.lie(|claims| {
        claims.set("hd", json!("acme.example"));
        claims.set("groups", json!(["a", "b"]));
    });
    for (allow, good) in [
        ("{subjects: [u-1]}", true),
        ("{subjects: [u-2]}", false),
        ("{claims: {hd: [other.example, acme.example]}}", true),
        ("{claims: {hd: [acme]}}", false),
        ("{claims: {groups: [b]}}", true),
        ("{claims: {missing: [b]}}", false),
        ("{subjects: [u-2], claims: {groups: [a]}}", true),
    ] {
        let (world, client) = upstream.world(&upstream.oidc(&format!("allow: {allow}"))).await;
        let page = arrive(&upstream, &world, &client).await;
        assert_eq!(page.param("code").is_some(), good, "{allow}: {page:?}");
        assert!(good || page.param("error").as_deref() == Some("access_denied"));
    }
}

#[tokio::test]
async fn claims_of_the_wrong_kind_are_no_claims() {
    let upstream = Upstream::start().await;
    let (world, client) = upstream.world(&upstream.oidc(MAPPED)).await;
    for (name, value) in [
        ("groups", json!({"eng": true})),
        ("groups", json!(["eng", 7])),
        ("groups", json!(7)),
        ("hd", json!("a\nb")),
        ("hd", json!("x".repeat(300))),
        ("_claim_names", json!({"groups": "src1"})),
    ] {
        let lie = value.clone();
        upstream.lie(move |claims| claims.set(name, lie.clone()));
        let page = arrive(&upstream, &world, &client).await;
        assert_eq!(page.param("error").as_deref(), Some("access_denied"), "{name} {value}");
    }
    upstream.lie(|claims| claims.set("hd", json!(["a", "b"])));
    assert!(claims(&tokens(&upstream, &world, &client).await).get("org").is_none(), "two are none");
}

#[tokio::test]
async fn userinfo_adds_what_it_says_of_the_same_subject() {
    let upstream = Upstream::start().await;
    let (world, client) = upstream.world(&upstream.oidc(&format!("{MAPPED}, userinfo: true"))).await;
    upstream.lie(|claims| claims.set("hd", json!("signed")));
    upstream.set(|mock| mock.userinfo = json!({"sub": "u-1", "groups": ["eng"], "hd": "unsigned"}));
    let said = claims(&tokens(&upstream, &world, &client).await);
    assert_eq!((&said["groups"], &said["org"]), (&json!(["x:eng"]), &json!("signed")));
    for other in [json!({"sub": "u-2", "groups": ["eng"]}), json!({"groups": ["eng"]}), json!([])] {
        upstream.set(|mock| mock.userinfo = other);
        assert_eq!(arrive(&upstream, &world, &client).await.param("error").as_deref(), Some("access_denied"));
    }
}

#[tokio::test]
async fn a_client_may_ask_for_a_recent_sign_in() {
    let upstream = Upstream::start().await;
    let (world, client) = upstream.world(&upstream.oidc(EVERYONE)).await;
    for (auth_time, good) in
        [(Some(json!(1_799_999_950)), true), (Some(json!(1_799_999_000)), false), (None, false)]
    {
        let said = auth_time.clone();
        upstream.lie(move |claims| {
            if let Some(at) = &said {
                claims.set("auth_time", at.clone());
            }
        });
        let mut browser = Browser::default();
        let location = leave(&world, &mut browser, &client.link(&[("max_age", "60")])).await;
        let page = browser.get(&world, &upstream.sign_in(&location)).await;
        assert_eq!(page.param("code").is_some(), good, "{auth_time:?}");
    }
}

#[tokio::test]
async fn the_secret_goes_where_the_provider_wants_it() {
    let upstream = Upstream::start().await;
    upstream
        .set(|mock| mock.discovery["token_endpoint_auth_methods_supported"] = json!(["client_secret_post"]));
    let (world, client) = upstream.world(&upstream.oidc(EVERYONE)).await;
    tokens(&upstream, &world, &client).await;
}

/// What Entra and Keycloak publish: certificates beside keys, no `alg`, and keys that are not for signatures.
#[tokio::test]
async fn key_sets_of_known_providers_are_read() {
    let upstream = Upstream::start().await;
    let [signer, _] = Signer::rsa();
    let [other, _] = Signer::rsa();
    let mut key = signer.jwk();
    for (name, value) in [
        ("kid", json!("entra-1")),
        ("use", json!("sig")),
        ("x5t", json!("AAAA")),
        ("x5c", json!(["MIIC"])),
        ("cloud_instance_name", json!("microsoftonline.com")),
        ("issuer", json!("https://login.microsoftonline.com/{tenantid}/v2.0")),
    ] {
        key[name] = value;
    }
    key.as_object_mut().unwrap().remove("alg");
    let mut encryption = other.jwk();
    for (name, value) in [("kid", "enc"), ("use", "enc"), ("alg", "RSA-OAEP")] {
        encryption[name] = json!(value);
    }
    let foreign = json!({"kty": "EC", "crv": "P-521", "kid": "p521", "x": "AA", "y": "AA"});
    upstream.set(|mock| {
        mock.jwks = json!({"keys": [encryption, foreign, key]});
        mock.forge = Some(Arc::new(move |_, claims| signer.sign(&serde_json::to_value(&claims).unwrap())));
    });
    let (world, client) = upstream.world(&upstream.oidc(EVERYONE)).await;
    tokens(&upstream, &world, &client).await;
}

/// As Auth0's does.
#[tokio::test]
async fn an_issuer_may_end_with_a_slash() {
    let upstream = Upstream::start().await;
    let issuer = format!("{}/", upstream.base);
    upstream.set(|mock| {
        mock.discovery["issuer"] = json!(issuer);
        mock.base = issuer.clone();
    });
    let provider = upstream.oidc(EVERYONE).replace(&format!("'{}'", upstream.base), &format!("'{issuer}'"));
    let (world, client) = upstream.world(&provider).await;
    let said = claims(&tokens(&upstream, &world, &client).await);
    assert_eq!(said["sub"], format!("{issuer}#u-1"));
}
