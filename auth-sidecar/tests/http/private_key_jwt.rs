//! Clients that sign for themselves (RFC 7523, OpenID Connect Core section 9).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::world::client::{Client, Tokens, basic};
use crate::world::publisher::Publisher;
use crate::world::signer::{ASSERTION, Signer, claims};
use crate::world::{ISSUER, OTHER_RESOURCE, World, encode, form_headers, read};

async fn registered(world: &World, keys: Value) -> Client {
    let mut body = json!({"token_endpoint_auth_method": "private_key_jwt"});
    for (key, value) in keys.as_object().unwrap() {
        body[key] = value.clone();
    }
    let client = Client::register(world, body).await;
    assert_eq!(client.secret, None);
    client
}

/// Asks for something that only an authenticated client is refused for another reason.
async fn present(world: &World, client: &Client, assertion: &str) -> (u16, Value) {
    let form = [("client_assertion_type", ASSERTION), ("client_assertion", assertion)];
    client.refresh(world, "mr_x", &form).await
}

fn accepted(answer: &(u16, Value)) -> bool {
    match (answer.0, answer.1["error"].as_str()) {
        (400, Some("invalid_grant")) => true,
        (401, Some("invalid_client")) => false,
        _ => panic!("{answer:?}"),
    }
}

#[tokio::test]
async fn every_algorithm_proves_the_client_everywhere() {
    let world = World::start().await;
    let [rs256, ps256] = Signer::rsa();
    for signer in [Signer::es256(), Signer::eddsa(), rs256, ps256] {
        let client = registered(&world, json!({"jwks": signer.jwks()})).await;
        let assertion = |id: &str| signer.assertion(&world, id, |_| {});
        let code = client.code(&world).await;
        let first = assertion(&client.id);
        let proof = |assertion: &str| {
            [("client_assertion_type", ASSERTION.to_owned()), ("client_assertion", assertion.to_owned())]
        };
        let proof_of = proof(&first);
        let form: Vec<(&str, &str)> = proof_of.iter().map(|(k, v)| (*k, v.as_str())).collect();
        let (status, body) = client.redeem(&world, &code, &form).await;
        assert_eq!(status, 200, "{body}");
        let tokens = Tokens::of(body);
        for path in ["/introspect", "/revoke"] {
            let next = assertion(&client.id);
            let form = [
                ("token", tokens.access.as_str()),
                ("client_assertion_type", ASSERTION),
                ("client_assertion", next.as_str()),
            ];
            let (status, body) = world.post(path, &form).await;
            assert_eq!(status, 200, "{path}: without client_id, which the assertion names. {body}");
            assert!(path == "/revoke" || body["active"] == true);
        }
        let (status, answer) = client.refresh(&world, &tokens.refresh, &[]).await;
        assert_eq!((status, &answer["error"]), (401, &json!("invalid_client")), "it must prove who it is");
    }
}

#[tokio::test]
async fn what_an_assertion_must_say() {
    let world = World::start().await;
    let signer = Signer::es256();
    let client = registered(&world, json!({"jwks": signer.jwks()})).await;
    let token_endpoint = format!("{ISSUER}/token");
    let now = claims(&world, "x")["iat"].as_u64().unwrap();
    for (field, value, good) in [
        ("aud", json!(token_endpoint), true),
        ("aud", json!([ISSUER]), true),
        ("aud", json!([ISSUER, token_endpoint]), true),
        ("aud", json!([ISSUER, "https://other.example"]), false),
        ("aud", json!([]), false),
        ("aud", json!("https://other.example"), false),
        ("aud", json!(format!("{ISSUER}/")), false),
        ("aud", json!(format!("{ISSUER}/revoke")), false),
        ("aud", json!(ISSUER.to_uppercase()), false),
        ("aud", json!(OTHER_RESOURCE), false),
        ("aud", Value::Null, false),
        ("iss", json!("c_other"), false),
        ("iss", json!(ISSUER), false),
        ("iss", Value::Null, false),
        ("exp", json!(now + 1), true),
        ("exp", json!(now + 3_600), true),
        ("exp", json!(now + 3_601), false),
        ("exp", json!(now), false),
        ("exp", json!(now - 1), false),
        ("exp", Value::Null, false),
        ("nbf", json!(now), true),
        ("nbf", json!(now + 30), true),
        ("nbf", json!(now + 120), false),
        ("iat", json!(now + 20), true),
        ("iat", json!(now + 120), false),
        ("iat", Value::Null, true),
        ("jti", Value::Null, false),
        ("jti", json!(""), false),
        ("jti", json!("x".repeat(256)), false),
    ] {
        let assertion = signer.assertion(&world, &client.id, |claims| {
            claims[field] = value.clone();
            claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        });
        assert_eq!(accepted(&present(&world, &client, &assertion).await), good, "{field} {value}");
    }
}

#[tokio::test]
async fn an_assertion_works_once() {
    let mut world = World::start().await;
    let signer = Signer::es256();
    let client = registered(&world, json!({"jwks": signer.jwks()})).await;
    let other = registered(&world, json!({"jwks": signer.jwks()})).await;
    let assertion = signer.assertion(&world, &client.id, |claims| claims["jti"] = json!("one"));
    let (one, two) = tokio::join!(present(&world, &client, &assertion), present(&world, &client, &assertion));
    assert!(accepted(&one) != accepted(&two), "of two at once one counts");
    world.restart().await;
    assert!(!accepted(&present(&world, &client, &assertion).await), "also after a restart");
    let same_name = signer.assertion(&world, &client.id, |claims| claims["jti"] = json!("one"));
    assert!(!accepted(&present(&world, &client, &same_name).await));
    let others = signer.assertion(&world, &other.id, |claims| claims["jti"] = json!("one"));
    assert!(accepted(&present(&world, &other, &others).await), "names are the client's own");
    world.advance(Duration::from_secs(60));
    let later = signer.assertion(&world, &client.id, |claims| claims["jti"] = json!("one"));
    assert!(accepted(&present(&world, &client, &later).await), "remembered until it had expired anyway");
}

#[tokio::test]
async fn forgeries_are_refused() {
    let world = World::start().await;
    let (signer, stranger) = (Signer::es256(), Signer::es256());
    let client = registered(&world, json!({"jwks": signer.jwks()})).await;
    let good = signer.assertion(&world, &client.id, |_| {});
    let [_, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!() };
    let with_header =
        |header: Value| format!("{}.{payload}.{signature}", URL_SAFE_NO_PAD.encode(header.to_string()));
    for forged in [
        stranger.assertion(&world, &client.id, |_| {}),
        Signer::eddsa().assertion(&world, &client.id, |_| {}),
        with_header(json!({"alg": "none"})),
        with_header(json!({"alg": "HS256", "typ": "JWT"})),
        with_header(json!({"alg": "ES256", "typ": "at+jwt"})),
        with_header(json!({"alg": "ES256", "crit": ["x"], "x": 1})),
        with_header(json!({"alg": "ES256", "jwk": stranger.jwk()})),
        format!("{}.{payload}.", URL_SAFE_NO_PAD.encode("{\"alg\":\"none\"}")),
        format!("{good}x"),
        "a.b.c".into(),
        "x".into(),
        "x".repeat(20_000),
    ] {
        assert!(!accepted(&present(&world, &client, &forged).await), "{forged}");
    }
    assert!(accepted(&present(&world, &client, &good).await), "forgeries use nothing up");
}

#[tokio::test]
async fn ways_are_not_mixed() {
    let world = World::start().await;
    let signer = Signer::es256();
    let client = registered(&world, json!({"jwks": signer.jwks()})).await;
    let secret = Client::confidential(&world, "client_secret_post").await;
    let public = Client::public(&world).await;
    let fresh = || signer.assertion(&world, &client.id, |_| {});
    let base = [("grant_type", "refresh_token"), ("refresh_token", "mr_x")];
    let kind = ("client_assertion_type", ASSERTION);
    let jwt = fresh();
    let assertion = ("client_assertion", jwt.as_str());
    let saml = "urn:ietf:params:oauth:client-assertion-type:saml2-bearer";
    for (form, status, error) in [
        (vec![kind], 400, "invalid_request"),
        (vec![assertion], 400, "invalid_request"),
        (vec![assertion, ("client_assertion_type", saml)], 401, "invalid_client"),
        (vec![assertion, kind, ("client_secret", "x")], 400, "invalid_request"),
        (vec![assertion, kind, kind], 400, "invalid_request"),
        (vec![assertion, assertion, kind], 400, "invalid_request"),
        (vec![assertion, kind, ("client_id", &public.id)], 401, "invalid_client"),
        (vec![("client_id", &client.id)], 401, "invalid_client"),
        (vec![("client_id", &client.id), ("client_secret", "x")], 401, "invalid_client"),
        (vec![assertion, kind], 400, "invalid_grant"),
    ] {
        let (got, body) = world.post("/token", &[&base[..], &form].concat()).await;
        assert_eq!((got, &body["error"]), (status, &json!(error)), "{form:?}: {body}");
    }
    let jwt = fresh();
    let form = encode(&[&base[..], &[kind, ("client_assertion", jwt.as_str())]].concat());
    let request = world.http.post(world.url("/token")).headers(form_headers()).body(form);
    let both = request.header("authorization", basic(&client.id, "x")).send().await.unwrap();
    assert_eq!(read(both).await.1["error"], "invalid_request");
    for other in [&secret, &public] {
        let borrowed = signer.assertion(&world, &other.id, |_| {});
        let form = [&base[..], &[kind, ("client_assertion", borrowed.as_str())]].concat();
        assert!(!accepted(&world.post("/token", &form).await), "not the registered method");
    }
}

#[tokio::test]
async fn the_registered_algorithm_is_the_only_one() {
    let world = World::start().await;
    let [rs256, ps256] = Signer::rsa();
    let mut jwk = rs256.jwk();
    jwk.as_object_mut().unwrap().remove("alg");
    let keys = json!({"jwks": {"keys": [jwk]}, "token_endpoint_auth_signing_alg": "PS256"});
    let client = registered(&world, keys).await;
    for (signer, good) in [(rs256, false), (ps256, true)] {
        let assertion = signer.assertion(&world, &client.id, |_| {});
        assert_eq!(accepted(&present(&world, &client, &assertion).await), good);
    }
}

#[tokio::test]
async fn keys_are_fetched_and_found_again_when_they_change() {
    let publisher = Publisher::start().await;
    let world = World::start_with(|yaml| publisher.allowed(&yaml) + "lifetimes: {unused_client: 7d}\n").await;
    let (first, second) = (Signer::es256(), Signer::eddsa());
    publisher.publish("/jwks", &first.jwks());
    let client = registered(&world, json!({"jwks_uri": publisher.url("/jwks")})).await;
    let ask = async |signer: &Signer| {
        accepted(&present(&world, &client, &signer.assertion(&world, &client.id, |_| {})).await)
    };
    assert!(ask(&first).await && ask(&first).await);
    assert_eq!(publisher.asked("/jwks"), 1, "remembered");
    publisher.publish("/jwks", &second.jwks());
    assert!(!ask(&second).await, "not fetched again at once");
    world.advance(Duration::from_secs(10));
    assert!(ask(&second).await && !ask(&first).await);
    assert_eq!(publisher.asked("/jwks"), 2);

    publisher.answer("/jwks", 503, "", "");
    world.advance(Duration::from_secs(3600));
    assert!(ask(&second).await, "the last good ones stand in");
    world.advance(Duration::from_secs(24 * 3600));
    let answer = present(&world, &client, &second.assertion(&world, &client.id, |_| {})).await;
    assert_eq!(
        (answer.0, &answer.1["error"]),
        (503, &json!("temporarily_unavailable")),
        "not invalid_client"
    );
    for path in ["/par", "/device_authorization"] {
        let assertion = second.assertion(&world, &client.id, |_| {});
        let form = [("client_assertion_type", ASSERTION), ("client_assertion", assertion.as_str())];
        let signing = Client { id: client.id.clone(), secret: None, method: "none".into() };
        let (status, body) = signing.post(&world, path, &form, &[]).await;
        assert_eq!((status, &body["error"]), (503, &json!("temporarily_unavailable")), "{path}: {body}");
    }
}

#[tokio::test]
async fn keys_are_not_fetched_from_private_places() {
    let publisher = Publisher::start().await;
    let world = World::start().await;
    let signer = Signer::es256();
    publisher.publish("/jwks", &signer.jwks());
    let client = registered(&world, json!({"jwks_uri": publisher.url("/jwks")})).await;
    let answer = present(&world, &client, &signer.assertion(&world, &client.id, |_| {})).await;
    assert_eq!(answer.0, 503);
    assert_eq!(publisher.asked("/jwks"), 0);
}

#[tokio::test]
async fn registrations_together_do_not_flood_a_host() {
    let publisher = Publisher::start().await;
    let world = World::start_with(|yaml| publisher.allowed(&yaml)).await;
    let signer = Signer::es256();
    publisher.publish("/jwks", &signer.jwks());
    for number in 0..62 {
        let path = if number == 0 { "/jwks".to_owned() } else { format!("/{number}") };
        let client = registered(&world, json!({"jwks_uri": publisher.url(&path)})).await;
        let answer = present(&world, &client, &signer.assertion(&world, &client.id, |_| {})).await;
        let wanted = if number == 0 {
            400
        } else if number < 60 {
            401
        } else {
            503
        };
        assert_eq!((answer.0, publisher.asked(&path)), (wanted, usize::from(number < 60)), "{number}");
    }
}

#[tokio::test]
async fn a_configured_client_signs_too() {
    let signer = Signer::es256();
    let jwks = signer.jwks().to_string();
    let machine = format!(
        "  - {{id: machine, jwks: {jwks}, grant_types: [client_credentials], scopes: [mcp:read], signing_alg: ES256}}\n"
    );
    let world = World::start_with(|yaml| format!("{yaml}{machine}")).await;
    let assertion = signer.assertion(&world, "machine", |_| {});
    let form = [
        ("grant_type", "client_credentials"),
        ("resource", "http://127.0.0.1:8080/mcp"),
        ("client_assertion_type", ASSERTION),
        ("client_assertion", assertion.as_str()),
    ];
    let (status, body) = world.post("/token", &form).await;
    assert_eq!((status, &body["scope"]), (200, &json!("mcp:read")), "{body}");
}
