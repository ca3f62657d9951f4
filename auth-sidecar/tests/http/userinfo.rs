//! What the userinfo endpoint tells, and how it refuses (RFC 6750).

use std::time::Duration;

use serde_json::{Value, json};

use crate::openid_connect::tokens_for;
use crate::world::client::Client;
use crate::world::{World, encode, form_headers};

/// Status, challenge and body.
async fn ask(request: reqwest::RequestBuilder) -> (u16, String, Value) {
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["cache-control"], "no-store");
    let challenge =
        response.headers().get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
    let (status, body) = crate::world::read(response).await;
    (status, challenge.unwrap_or_default(), body)
}

#[tokio::test]
async fn a_token_with_openid_tells_who_its_user_is() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    for (scope, wanted) in [
        ("openid mcp:read", json!({"sub": "alice"})),
        ("openid profile mcp:read", json!({"sub": "alice", "preferred_username": "alice"})),
    ] {
        let tokens = tokens_for(&world, &client, &[("scope", scope)]).await;
        let bearer = format!("Bearer {}", tokens.access);
        let url = world.url("/userinfo");
        let form = encode(&[("access_token", &tokens.access)]);
        for request in [
            world.http.get(&url).header("authorization", &bearer),
            world.http.post(&url).header("authorization", &bearer),
            world.http.post(&url).headers(form_headers()).body(form),
        ] {
            assert_eq!(ask(request).await, (200, String::new(), wanted.clone()));
        }
    }
}

#[tokio::test]
async fn refusals_are_those_of_rfc_6750() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let plain = client.tokens(&world).await;
    let good = tokens_for(&world, &client, &[("scope", "openid mcp:read")]).await;
    let id_token = good.body["id_token"].as_str().unwrap();
    let bearer = |token: &str| format!("Bearer {token}");
    let get = |query: &str, headers: &[String]| {
        let request = world.http.get(world.url(&format!("/userinfo{query}")));
        headers.iter().fold(request, |request, header| request.header("authorization", header))
    };
    let dead = "Bearer realm=\"wicketgate\", error=\"invalid_token\"";
    let bad = "Bearer realm=\"wicketgate\", error=\"invalid_request\"";
    for (query, headers, status, challenge) in [
        ("", vec![], 401, "Bearer realm=\"wicketgate\""),
        ("", vec!["Basic eDp5".to_owned()], 401, "Bearer realm=\"wicketgate\""),
        ("", vec![bearer("x")], 401, dead),
        ("", vec![bearer(&good.refresh)], 401, dead),
        ("", vec![bearer(id_token)], 401, dead),
        ("", vec![bearer(&format!("{}A", good.access))], 401, dead),
        ("", vec!["Bearer".to_owned()], 400, bad),
        ("", vec![bearer(&good.access), bearer(&good.access)], 400, bad),
        ("?access_token=x", vec![], 400, bad),
        ("?access_token=x", vec![bearer(&good.access)], 400, bad),
        ("", vec![bearer(&plain.access)], 403, "Bearer realm=\"wicketgate\", error=\"insufficient_scope\""),
    ] {
        let (got, told, _) = ask(get(query, &headers)).await;
        assert_eq!(got, status, "{headers:?}");
        assert!(told.starts_with(challenge), "{headers:?}: {told}");
        assert_eq!(told.contains("error="), challenge.contains("error="), "{told}");
        assert_eq!(told.contains("scope=\"openid\""), status == 403, "{told}");
    }
    let twice = world.http.post(world.url("/userinfo")).headers(form_headers());
    let twice = twice.header("authorization", bearer(&good.access));
    assert_eq!(ask(twice.body(encode(&[("access_token", &good.access)]))).await.0, 400, "in two ways");

    client.post(&world, "/revoke", &[("token", &good.refresh)], &[]).await;
    assert_eq!(ask(get("", &[bearer(&good.access)])).await.0, 401, "revoked");
    let other = tokens_for(&world, &client, &[("scope", "openid mcp:read")]).await;
    world.advance(Duration::from_secs(600));
    assert_eq!(ask(get("", &[bearer(&other.access)])).await.0, 401, "expired");
}
