//! An enterprise's provider of identity that lies, in one thing at a time: its assertion is then no grant.

use std::time::Duration;

use jwt_simple::prelude::ES256KeyPair;
use serde_json::{Value, json};

use crate::world::enterprise::{Enterprise, TYPE, claims, configured, trusted};
use crate::world::forgery::FORGERIES;
use crate::world::upstream::{Upstream, signed};
use crate::world::{ISSUER, OTHER_RESOURCE, RESOURCE, World};

const NOW: u64 = 1_800_000_000;

fn assert_refused((status, body): &(u16, Value), note: &str) {
    assert_eq!((*status, &body["error"]), (400, &json!("invalid_grant")), "{note} {body}");
    assert!(body.get("access_token").is_none());
}

#[tokio::test]
async fn no_claim_may_lie() {
    let scene = Enterprise::start().await;
    let base = scene.upstream.base.clone();
    for (claim, value, good) in [
        ("iss", json!(format!("{base}/")), false),
        ("iss", json!(base.to_uppercase()), false),
        ("iss", json!("https://elsewhere.example"), false),
        ("iss", json!(ISSUER), false),
        ("iss", json!([base]), false),
        ("aud", json!("https://elsewhere.example"), false),
        ("aud", json!(format!("{ISSUER}/")), false),
        ("aud", json!(format!("{ISSUER}/token")), false),
        ("aud", json!("agent"), false),
        ("aud", json!([ISSUER]), false),
        ("aud", json!([ISSUER, "https://elsewhere.example"]), false),
        ("aud", json!([]), false),
        ("aud", json!(null), false),
        ("client_id", json!("resource-server"), false),
        ("client_id", json!("AGENT"), false),
        ("client_id", json!(["agent"]), false),
        ("client_id", json!(7), false),
        ("exp", json!(NOW - 29), true),
        ("exp", json!(NOW - 30), false),
        ("exp", json!(NOW + 1200), true),
        ("exp", json!(NOW + 1201), false),
        ("exp", json!((NOW + 300).to_string()), false),
        ("exp", json!(-1), false),
        ("exp", json!(NOW as f64 + 300.5), false),
        ("iat", json!(NOW + 30), true),
        ("iat", json!(NOW + 31), false),
        ("iat", json!(NOW - 1200), true),
        ("iat", json!(NOW - 1201), false),
        ("iat", json!(NOW.to_string()), false),
        ("nbf", json!(NOW + 30), true),
        ("nbf", json!(NOW + 31), false),
        ("nbf", json!("0"), false),
        ("jti", json!(""), false),
        ("jti", json!("x".repeat(255)), true),
        ("jti", json!("x".repeat(256)), false),
        ("jti", json!(7), false),
        ("sub", json!(""), false),
        ("sub", json!(7), false),
        ("sub", json!(["u-1"]), false),
        ("sub", json!("x".repeat(256)), false),
        ("sub", json!("a\u{0}b"), false),
        ("resource", json!([RESOURCE]), true),
        ("resource", json!([RESOURCE, OTHER_RESOURCE]), false),
        ("resource", json!([]), false),
        ("resource", json!({"0": RESOURCE}), false),
        ("resource", json!("https://elsewhere.example/mcp"), false),
        ("resource", json!(OTHER_RESOURCE), false),
        ("resource", json!(format!("{RESOURCE}#x")), false),
        ("scope", json!(["mcp:read"]), false),
        ("scope", json!("a\"b"), false),
        ("scope", json!("other:use"), false),
        ("scope", json!(""), false),
        ("scope", json!(null), false),
        ("auth_time", json!(NOW + 31), false),
        ("auth_time", json!("0"), false),
        ("tenant", json!("t"), false),
        ("act", json!({"sub": "somebody"}), false),
        ("authorization_details", json!([]), false),
        ("cnf", json!({"jkt": "AAAA"}), false),
        ("cnf", json!({"jkt": 7}), false),
        ("cnf", json!({"x5t#S256": "AAAA"}), false),
        ("cnf", json!({}), false),
        ("cnf", json!(null), false),
        ("email", json!("alice"), true),
    ] {
        let answer = scene.presented(|claims| claims.set(claim, value.clone())).await;
        let note = format!("{claim} {value}");
        match good {
            true => assert_eq!(answer.0, 200, "{note} {}", answer.1),
            false => assert_refused(&answer, &note),
        }
    }
}

#[tokio::test]
async fn no_claim_may_be_missing_or_stand_twice() {
    let scene = Enterprise::start().await;
    for claim in ["iss", "sub", "aud", "client_id", "jti", "exp", "iat", "resource"] {
        assert_refused(&scene.presented(|claims| claims.remove(claim)).await, claim);
        let again = scene.presented(|claims| {
            let again = claims.0.iter().find(|(name, _)| name == claim).unwrap().clone();
            claims.0.push(again);
        });
        assert_refused(&again.await, claim);
    }
    let twice = |claims: &mut crate::world::upstream::Claims| {
        claims.0.extend([("x".into(), json!(1)), ("x".into(), json!(2))]);
    };
    assert_refused(&scene.presented(twice).await, "any other");
}

#[tokio::test]
async fn no_signature_may_lie() {
    let scene = Enterprise::start().await;
    for (note, forgery) in FORGERIES {
        let assertion = forgery(&scene.upstream.mock.lock().unwrap(), TYPE, scene.claims());
        let answer = scene.present(&assertion, &[]).await;
        if assertion.is_empty() {
            assert_eq!((answer.0, &answer.1["error"]), (400, &json!("invalid_request")), "{note}");
        } else {
            assert_refused(&answer, note);
        }
    }
    for typ in ["JWT", "oauth-id-jag", "application/oauth-id-jag+jwt", "client-authentication+jwt", ""] {
        let assertion = signed(&scene.upstream.mock.lock().unwrap().pair, typ, scene.claims());
        assert_refused(&scene.present(&assertion, &[]).await, typ);
    }
    let long = scene.assertion(|claims| claims.set("x", json!("x".repeat(64 * 1024))));
    assert_ne!(scene.present(&long, &[]).await.0, 200);
    assert_eq!(scene.presented(|_| {}).await.0, 200);
}

#[tokio::test]
async fn only_listed_algorithms_count() {
    for (listed, status) in [("ES256, EdDSA", 200), ("EdDSA, RS256, PS256", 400)] {
        let issuer = format!("allow: {{everyone: true}}, signing_algs: [{listed}]");
        let scene = Enterprise::with(&issuer, |yaml| yaml).await;
        assert_eq!(scene.presented(|_| {}).await.0, status, "{listed}");
    }
}

/// Two enterprises whose people have the same subjects.
#[tokio::test]
async fn no_issuer_speaks_for_another() {
    let (one, other) = (Upstream::start().await, Upstream::start().await);
    let second = trusted(&other, "allow: {everyone: true}");
    let second = second.strip_prefix("identity_assertions:\n").unwrap().replace(RESOURCE, OTHER_RESOURCE);
    let both = trusted(&one, "allow: {everyone: true}") + &second;
    let world = World::start_with(|yaml| configured(yaml) + &both).await;
    let scene = Enterprise { upstream: one, world, agent: crate::world::client::Client::configured("agent") };
    let by_other = |claims| signed(&other.mock.lock().unwrap().pair, TYPE, claims);
    assert_refused(&scene.present(&by_other(scene.claims()), &[]).await, "the other's key");
    assert_refused(&scene.present(&by_other(claims(&other.base)), &[]).await, "the first one's resource");
    let mut own = claims(&other.base);
    own.set("resource", json!(OTHER_RESOURCE));
    own.set("scope", json!("other:use"));
    own.set("jti", json!("the same"));
    let (status, body) = scene.present(&by_other(own), &[]).await;
    let subject = |body: &Value| {
        crate::world::client::decode(body["access_token"].as_str().unwrap()).1["sub"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!((status, subject(&body)), (200, format!("{}#u-1", other.base)), "{body}");
    let (status, body) = scene.presented(|claims| claims.set("jti", json!("the same"))).await;
    assert_eq!((status, subject(&body)), (200, format!("{}#u-1", scene.upstream.base)), "{body}");
}

#[tokio::test]
async fn of_several_tenants_one_is_meant() {
    let scene = Enterprise::with("allow: {everyone: true}, tenant: acme", |yaml| yaml).await;
    for (tenant, good) in [
        (json!("acme"), true),
        (json!("ACME"), false),
        (json!("other"), false),
        (json!(["acme"]), false),
        (json!(null), false),
    ] {
        let answer = scene.presented(|claims| claims.set("tenant", tenant.clone())).await;
        assert_eq!(answer.0 == 200, good, "{tenant} {}", answer.1);
    }
    assert_refused(&scene.presented(|_| {}).await, "none");
}

#[tokio::test]
async fn an_assertion_works_once() {
    let mut scene = Enterprise::start().await;
    let assertion = scene.assertion(|_| {});
    for (changes, error) in
        [([("resource", OTHER_RESOURCE)], "invalid_target"), ([("scope", "mcp:write")], "invalid_scope")]
    {
        assert_eq!(
            scene.present(&assertion, &changes).await.1["error"],
            error,
            "a mistake does not use it up"
        );
    }
    assert_eq!(scene.present(&assertion, &[]).await.0, 200);
    assert_refused(&scene.present(&assertion, &[]).await, "again");
    scene.world.restart().await;
    assert_refused(&scene.present(&assertion, &[]).await, "after a restart");
    scene.world.advance(Duration::from_secs(329));
    assert_refused(&scene.present(&assertion, &[]).await, "in its last second");
    scene.world.advance(Duration::from_secs(1));
    assert_refused(&scene.present(&assertion, &[]).await, "expired");
}

#[tokio::test]
async fn of_twenty_at_once_one_wins() {
    let scene = Enterprise::start().await;
    let assertion = scene.assertion(|_| {});
    let answers = crate::world::join_all((0..20).map(|_| scene.present(&assertion, &[]))).await;
    let (good, bad): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(status, _)| *status == 200);
    assert_eq!((good.len(), bad.len()), (1, 19));
    bad.iter().for_each(|answer| assert_refused(answer, "again"));
}

#[tokio::test]
async fn keys_are_fetched_when_they_are_new_and_missed_without_blame() {
    let scene = Enterprise::start().await;
    for (answer, status, error) in [
        ((503, "{}"), 503, "temporarily_unavailable"),
        ((302, "{}"), 400, "invalid_grant"),
        ((200, "{}"), 400, "invalid_grant"),
        ((200, "{\"keys\": [], \"keys\": []}"), 400, "invalid_grant"),
    ] {
        let instead = ("/jwks".to_owned(), (answer.0, answer.1.to_owned()));
        scene.upstream.set(|mock| mock.instead = [instead].into());
        let (got, body) = scene.presented(|_| {}).await;
        assert_eq!((got, &body["error"]), (status, &json!(error)), "{answer:?} {body}");
        scene.world.advance(Duration::from_secs(10));
    }
    scene.upstream.set(|mock| mock.instead.clear());
    assert_eq!(scene.presented(|_| {}).await.0, 200);
    scene.upstream.set(|mock| {
        mock.pair = ES256KeyPair::generate().with_key_id("k2");
        mock.kid = "k2".into();
        mock.jwks = json!({"keys": [mock.public_jwk()]});
    });
    let asked = scene.upstream.asked("/jwks");
    assert_refused(&scene.presented(|_| {}).await, "asked a moment ago");
    assert_eq!(scene.upstream.asked("/jwks"), asked);
    scene.world.advance(Duration::from_secs(10));
    assert_eq!(scene.presented(|_| {}).await.0, 200);
    assert_eq!(scene.upstream.asked("/jwks"), asked + 1);
    assert_eq!(
        scene.upstream.asked("/.well-known/openid-configuration"),
        0,
        "its keys have a place of their own"
    );
}
