//! A provider that lies, in one thing at a time. Nobody is signed in then, and the client is told so.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwt_simple::prelude::ES256KeyPair;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use std::sync::Arc;
use std::time::Duration;

use crate::world::World;
use crate::world::browser::{Browser, Page};
use crate::world::client::{Client, REDIRECT};
use crate::world::forgery::FORGERIES;
use crate::world::signer::Signer;
use crate::world::upstream::{ACCESS_TOKEN, CLIENT_ID, Mock, Upstream, arrive, leave, tokens};

const EVERYONE: &str = "allow: {everyone: true}";
const NOW: u64 = 1_800_000_000;

async fn honest() -> (Upstream, World, Client) {
    let upstream = Upstream::start().await;
    let (world, client) = upstream.world(&upstream.oidc(EVERYONE)).await;
    (upstream, world, client)
}

fn assert_refused(page: &Page, error: &str, note: &str) {
    assert!(page.left_for.as_deref().unwrap_or_default().starts_with(REDIRECT), "{note}: {page:?}");
    let told = ["code", "error", "state", "iss"].map(|name| page.param(name));
    let wanted = [None, Some(error), Some("st ate&1"), Some(crate::world::ISSUER)];
    assert_eq!(told.each_ref().map(Option::as_deref), wanted, "{note}");
    assert!(!page.headers.contains_key("set-cookie"), "{note}: no session");
}

#[tokio::test]
async fn no_claim_may_lie() {
    let (upstream, world, client) = honest().await;
    let base = upstream.base.clone();
    let at_hash = URL_SAFE_NO_PAD.encode(&Sha256::digest(ACCESS_TOKEN)[..16]);
    for (claim, value, good) in [
        ("iss", json!(format!("{base}/")), false),
        ("iss", json!(base.to_uppercase()), false),
        ("iss", json!([base]), false),
        ("aud", json!("somebody else"), false),
        ("aud", json!([CLIENT_ID]), true),
        ("aud", json!([]), false),
        ("aud", json!([CLIENT_ID, 7]), false),
        ("aud", json!({"0": CLIENT_ID}), false),
        ("aud", json!(["somebody else", CLIENT_ID]), false),
        ("azp", json!("somebody else"), false),
        ("azp", json!(null), false),
        ("azp", json!(CLIENT_ID), true),
        ("exp", json!(NOW - 29), true),
        ("exp", json!(NOW - 30), false),
        ("exp", json!((NOW + 300).to_string()), false),
        ("exp", json!(-1), false),
        ("exp", json!(NOW as f64 + 300.5), false),
        ("nbf", json!(NOW + 30), true),
        ("nbf", json!(NOW + 31), false),
        ("nbf", json!("0"), false),
        ("iat", json!(NOW + 30), true),
        ("iat", json!(NOW + 31), false),
        ("iat", json!(NOW - 601), false),
        ("iat", json!(NOW.to_string()), false),
        ("nonce", json!("another"), false),
        ("nonce", json!(""), false),
        ("nonce", json!(7), false),
        ("at_hash", json!(at_hash), true),
        ("at_hash", json!("AAAAAAAAAAAAAAAAAAAAAA"), false),
        ("at_hash", json!(null), false),
        ("auth_time", json!(NOW + 31), false),
        ("auth_time", json!("0"), false),
        ("sub", json!(""), false),
        ("sub", json!(7), false),
        ("sub", json!(null), false),
        ("sub", json!(["u-1"]), false),
        // Our own holds the provider's name, too.
        ("sub", json!("x".repeat(200)), true),
        ("sub", json!("x".repeat(255)), false),
        ("sub", json!("x".repeat(256)), false),
        ("sub", json!("ü"), false),
        ("sub", json!("a\u{0}b"), false),
    ] {
        let lie = value.clone();
        upstream.lie(move |claims| claims.set(claim, lie.clone()));
        let page = arrive(&upstream, &world, &client).await;
        match good {
            true => assert!(page.param("code").is_some(), "{claim} {value}: {page:?}"),
            false => assert_refused(&page, "access_denied", &format!("{claim} {value}")),
        }
    }
    upstream.lie(|claims| {
        claims.set("aud", json!(["somebody else", CLIENT_ID]));
        claims.set("azp", json!(CLIENT_ID));
    });
    assert!(arrive(&upstream, &world, &client).await.param("code").is_some());
}

#[tokio::test]
async fn no_claim_may_be_missing_or_stand_twice() {
    let (upstream, world, client) = honest().await;
    for claim in ["iss", "sub", "aud", "exp", "iat", "nonce"] {
        upstream.lie(move |claims| claims.remove(claim));
        assert_refused(&arrive(&upstream, &world, &client).await, "access_denied", claim);
        upstream.lie(move |claims| {
            let again = claims.0.iter().find(|(name, _)| name == claim).unwrap().clone();
            claims.0.push(again);
        });
        assert_refused(&arrive(&upstream, &world, &client).await, "access_denied", claim);
    }
    upstream.lie(|claims| claims.0.extend([("x".into(), json!(1)), ("x".into(), json!(2))]));
    assert_refused(&arrive(&upstream, &world, &client).await, "access_denied", "any other");
}

#[tokio::test]
async fn no_signature_may_lie() {
    let (upstream, world, client) = honest().await;
    for (note, forgery) in FORGERIES {
        let forge = move |mock: &Mock, claims| forgery(mock, "JWT", claims);
        upstream.set(|mock| mock.forge = Some(Arc::new(forge)));
        assert_refused(&arrive(&upstream, &world, &client).await, "access_denied", note);
    }
    upstream.set(|mock| mock.forge = None);
    tokens(&upstream, &world, &client).await;
}

#[tokio::test]
async fn only_listed_algorithms_count() {
    let upstream = Upstream::start().await;
    let [rs256, ps256] = Signer::rsa();
    for (signer, listed) in [(Signer::eddsa(), "EdDSA"), (rs256, "RS256"), (ps256, "PS256")] {
        let signer = Arc::new(signer);
        let jwks = signer.jwks();
        upstream.set(|mock| {
            mock.jwks = jwks;
            mock.forge =
                Some(Arc::new(move |_, claims| signer.sign(&serde_json::to_value(&claims).unwrap())));
        });
        let (world, client) = upstream.world(&upstream.oidc(EVERYONE)).await;
        tokens(&upstream, &world, &client).await;
        for (only, good) in [(listed, true), ("ES256", false)] {
            let provider = upstream.oidc(&format!("{EVERYONE}, signing_algs: [{only}]"));
            let (world, client) = upstream.world(&provider).await;
            let page = arrive(&upstream, &world, &client).await;
            assert_eq!(page.param("code").is_some(), good, "{listed} where {only} is listed");
        }
    }
}

#[tokio::test]
async fn new_keys_are_fetched_and_not_for_everybody() {
    let (upstream, world, client) = honest().await;
    tokens(&upstream, &world, &client).await;
    upstream.set(|mock| {
        mock.pair = ES256KeyPair::generate().with_key_id("k2");
        mock.kid = "k2".into();
        mock.jwks = json!({"keys": [mock.public_jwk()]});
    });
    assert_refused(&arrive(&upstream, &world, &client).await, "access_denied", "asked a moment ago");
    assert_eq!(upstream.asked("/jwks"), 1);
    world.advance(Duration::from_secs(10));
    tokens(&upstream, &world, &client).await;
    assert_eq!(upstream.asked("/jwks"), 2);
    tokens(&upstream, &world, &client).await;
    assert_eq!((upstream.asked("/jwks"), upstream.asked("/.well-known/openid-configuration")), (2, 1));
}

#[tokio::test]
async fn a_document_must_be_the_issuers_own() {
    let upstream = Upstream::start().await;
    let base = upstream.base.clone();
    for (member, value) in [
        ("issuer", json!(format!("{base}/"))),
        ("issuer", json!("https://other.example")),
        ("issuer", json!(null)),
        ("token_endpoint", json!("http://idp.example/token")),
        ("token_endpoint", json!("ftp://127.0.0.1/token")),
        ("token_endpoint", json!("http://user@127.0.0.1/token")),
        ("authorization_endpoint", json!("javascript:alert(1)")),
        ("authorization_endpoint", json!(format!("{base}/authorize#x"))),
        ("jwks_uri", json!(7)),
        ("jwks_uri", json!("http://169.254.169.254/jwks")),
    ] {
        let (world, client) = upstream.world(&upstream.oidc(EVERYONE)).await;
        let before = std::mem::take(&mut upstream.mock.lock().unwrap().discovery);
        let mut changed = before.clone();
        changed[member] = value.clone();
        upstream.set(|mock| mock.discovery = changed);
        assert_eq!(departure(&world, &client).await, 503, "{member} {value}");
        upstream.set(|mock| mock.discovery = before);
        assert_eq!(departure(&world, &client).await, 503, "remembered for a moment");
        world.advance(Duration::from_secs(10));
        assert_eq!(departure(&world, &client).await, 303);
    }
}

/// The status of the answer to an approval.
async fn departure(world: &World, client: &Client) -> u16 {
    let mut browser = Browser::default();
    let page = browser.get(world, &client.link(&[])).await;
    let handle = page.body.split_once("name=\"request\" value=\"").unwrap().1.split_once('"').unwrap().0;
    let page = browser.get(world, &format!("/signin/x?request={handle}")).await;
    browser.submit(world, &page.form().with("decision", "approve")).await.status
}

#[tokio::test]
async fn answers_are_short_and_soon() {
    let upstream = Upstream::start().await;
    let huge = format!("{{\"x\": \"{}\"}}", "x".repeat(300 * 1024));
    for (path, status, body, outcome) in [
        ("/.well-known/openid-configuration", 200, huge.as_str(), None),
        ("/.well-known/openid-configuration", 302, "{}", None),
        ("/.well-known/openid-configuration", 200, "[]", None),
        ("/.well-known/openid-configuration", 500, "{}", None),
        ("/jwks", 200, &huge, Some("access_denied")),
        ("/jwks", 200, "{}", Some("access_denied")),
        ("/jwks", 500, "{}", Some("temporarily_unavailable")),
        ("/token", 200, &huge, Some("access_denied")),
        ("/token", 200, "not JSON", Some("access_denied")),
        ("/token", 200, "{\"token_type\": \"Bearer\", \"access_token\": \"x\"}", Some("access_denied")),
        ("/token", 400, "{\"error\": \"invalid_grant\"}", Some("access_denied")),
        ("/token", 307, "{}", Some("access_denied")),
        ("/token", 503, "{}", Some("temporarily_unavailable")),
        ("/token", 0, "never", Some("temporarily_unavailable")),
    ] {
        let (world, client) = upstream.world(&upstream.oidc(EVERYONE)).await;
        upstream.set(|mock| mock.instead = [(path.to_owned(), (status, body.to_owned()))].into());
        match outcome {
            None => assert_eq!(departure(&world, &client).await, 503, "{path} {status}"),
            Some(error) => {
                let page = arrive(&upstream, &world, &client).await;
                assert_refused(&page, error, &format!("{path} {status}"));
            }
        }
        upstream.set(|mock| mock.instead.clear());
    }
}

#[tokio::test]
async fn what_was_good_stands_in_while_the_provider_rests() {
    let (upstream, world, client) = honest().await;
    tokens(&upstream, &world, &client).await;
    world.advance(Duration::from_secs(3600));
    upstream.set(|mock| {
        mock.now += 3600;
        mock.instead = ["/.well-known/openid-configuration", "/jwks"]
            .map(|path| (path.into(), (503, String::new())))
            .into();
    });
    tokens(&upstream, &world, &client).await;
    let location = leave(&world, &mut Browser::default(), &client.link(&[])).await;
    assert!(location.starts_with(&upstream.base));
}
