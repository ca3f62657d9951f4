//! Two servers with one Redis are one authorization server.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::flow::outcome;
use crate::place::Place;
use crate::world::browser::Browser;
use crate::world::client::{Client, Tokens};
use crate::world::{World, form_headers, join_all, read};

/// Two servers, where there is Redis.
async fn two() -> Option<(Place, World, World)> {
    two_with(|yaml| yaml).await
}

/// The same with another configuration.
async fn two_with(change: impl FnOnce(String) -> String) -> Option<(Place, World, World)> {
    let place = Place::of("single")?;
    let mut one = place.world();
    one.restart_with(change).await;
    let other = one.replica().await;
    Some((place, one, other))
}

async fn is_active(world: &World, token: &str) -> bool {
    let (status, answer) =
        Client::configured("resource-server").post(world, "/introspect", &[("token", token)], &[]).await;
    assert_eq!(status, 200, "{answer}");
    answer["active"].as_bool().unwrap()
}

#[tokio::test]
async fn of_ten_redemptions_of_a_code_one_wins() {
    let Some((_place, one, other)) = two().await else { return };
    let client = Client::public(&one).await;
    let code = client.code(&other).await;
    let both = [&one, &other];
    let answers = join_all((0..10).map(|index| client.redeem(both[index % 2], &code, &[]))).await;
    let won: Vec<_> = answers.iter().filter(|answer| answer.0 == 200).collect();
    assert_eq!(won.len(), 1, "{answers:?}");
    let lost = answers.iter().filter(|answer| outcome(answer) == (400, "invalid_grant"));
    assert_eq!(lost.count(), 9, "{answers:?}");
    let tokens = Tokens::of(won[0].1.clone());
    for world in both {
        assert!(!is_active(world, &tokens.access).await, "the others were reuse");
    }
}

#[tokio::test]
async fn ten_refreshes_give_one_successor() {
    let Some((_place, one, other)) = two().await else { return };
    let client = Client::public(&one).await;
    let first = client.tokens(&one).await;
    let both = [&one, &other];
    let answers = join_all((0..10).map(|index| client.refresh(both[index % 2], &first.refresh, &[]))).await;
    let successors: BTreeSet<_> = answers
        .into_iter()
        .map(|(status, body)| (assert_eq!(status, 200, "{body}"), Tokens::of(body).refresh).1)
        .collect();
    assert_eq!(successors.len(), 1);
    let (status, body) = client.refresh(&other, successors.first().unwrap(), &[]).await;
    assert_eq!(status, 200, "{body}");
    one.advance(Duration::from_secs(11));
    assert_eq!(outcome(&client.refresh(&one, &first.refresh, &[]).await), (400, "invalid_grant"));
    assert!(!is_active(&other, &Tokens::of(body).access).await, "reuse on one ends the family on both");
}

#[tokio::test]
async fn keys_that_one_rotates_are_known_to_the_other() {
    let Some((_place, one, other)) = two().await else { return };
    let client = Client::public(&one).await;
    let before = client.tokens(&other).await;
    let rotated = one.http.post(format!("{}/v1/keys/rotate", one.admin)).json(&json!({"now": true}));
    assert_eq!(read(rotated.send().await.unwrap()).await.0, 200);
    let after = client.tokens(&one).await;
    assert_ne!(before.decoded().0["kid"], after.decoded().0["kid"]);
    for world in [&other, &one] {
        assert!(is_active(world, &after.access).await && is_active(world, &before.access).await);
    }
    let jwks: Value = other.get("/jwks").await.json().await.unwrap();
    let keys = jwks["keys"].as_array().unwrap();
    assert!(keys.iter().any(|key| key["kid"] == after.decoded().0["kid"]), "{jwks}");
    assert_eq!(client.tokens(&other).await.decoded().0["kid"], after.decoded().0["kid"]);
}

/// ID tokens that a client shows: for whom it asks, and whom it signs out.
#[tokio::test]
async fn hints_that_one_has_just_signed_are_known_to_the_other() {
    let Some((_place, one, other)) = two().await else { return };
    let client = Client::public(&one).await;
    let openid = ("scope", "openid mcp:read");
    for path in ["/authorize", "/par", "/logout"] {
        // It has looked at the keys a moment ago, and need not look again for half a minute.
        assert_eq!(other.get("/jwks").await.status(), 200);
        let rotated = one.http.post(format!("{}/v1/keys/rotate", one.admin)).json(&json!({"now": true}));
        assert_eq!(read(rotated.send().await.unwrap()).await.0, 200);
        let mut browser = Browser::default();
        let code = browser.approve(&one, &client.link(&[openid])).await.param("code").unwrap();
        let (_, body) = client.redeem(&one, &code, &[]).await;
        let hint = ("id_token_hint", body["id_token"].as_str().unwrap());
        let silent = client.link(&[openid, hint, ("prompt", "none")]);
        match path {
            "/authorize" => {
                let page = browser.get(&other, &silent).await;
                assert!(page.param("code").is_some(), "{page:?}");
            }
            "/par" => {
                let (_, query) = silent.split_once('?').unwrap();
                let pushed = other.http.post(other.url(path)).headers(form_headers()).body(query.to_owned());
                let (status, answer) = read(pushed.send().await.unwrap()).await;
                assert_eq!(status, 201, "{answer}");
            }
            _ => {
                let page = browser.get(&other, &format!("/logout?id_token_hint={}", hint.1)).await;
                assert!(page.body.contains("Signed out"), "{page:?}");
            }
        }
        let invented = client.link(&[openid, ("id_token_hint", &hint.1.replacen("ey", "eyJ", 1))]);
        let page = browser.get(&other, &invented).await;
        assert_eq!(page.param("error").as_deref(), Some("invalid_request"), "{page:?}");
    }
}

#[tokio::test]
async fn attempts_count_on_both() {
    let five = |yaml: String| yaml.replace("per_address_per_hour: 100000", "per_address_per_hour: 5");
    let Some((_place, one, other)) = two_with(five).await else { return };
    let body = json!({"redirect_uris": ["https://app.example/cb"], "token_endpoint_auth_method": "none"});
    let register = async |world: &World| {
        read(world.http.post(world.url("/register")).json(&body).send().await.unwrap()).await.0
    };
    for world in [&one, &other, &one, &other, &one] {
        assert_eq!(register(world).await, 201);
    }
    for world in [&other, &one] {
        assert_eq!(register(world).await, 429);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_is_one_for_gateways_of_both() {
    let Some((_place, one, other)) = two().await else { return };
    let lease = json!({"bucket": "e".repeat(32), "capacity": 100, "tokens": 1, "per": 86_400, "wanted": 7});
    let ask = async |world: &World| {
        let url = format!("{}/v1/leases", world.internal);
        let answer = read(world.http.post(url).json(&json!({"leases": [lease]})).send().await.unwrap()).await;
        answer.1["leases"][0]["granted"].as_u64().unwrap()
    };
    let asks = (0..30).map(|at| ask(if at % 2 == 0 { &one } else { &other }));
    let granted: u64 = join_all(asks).await.into_iter().sum();
    assert_eq!(granted, 100);
}

#[tokio::test]
async fn what_one_revokes_is_dead_on_the_other_at_once() {
    let Some((_place, one, other)) = two().await else { return };
    let client = Client::public(&one).await;
    let tokens = client.tokens(&other).await;
    let feed = async |world: &World| {
        let answer = world.http.get(format!("{}/v1/feed?since=0", world.internal)).send().await.unwrap();
        crate::world::client::decode(&answer.text().await.unwrap()).1
    };
    assert!(is_active(&one, &tokens.access).await && is_active(&other, &tokens.access).await);
    assert_eq!(feed(&other).await["revocations"], json!([]));
    let form = [("token", tokens.refresh.as_str())];
    assert_eq!(client.post(&one, "/revoke", &form, &[]).await.0, 200);
    for world in [&other, &one] {
        assert!(!is_active(world, &tokens.access).await);
        assert_eq!(outcome(&client.refresh(world, &tokens.refresh, &[]).await), (400, "invalid_grant"));
    }
    let (here, there) = (feed(&one).await, feed(&other).await);
    assert_eq!(here["revocations"].as_array().unwrap().len(), 1, "{here}");
    for member in ["epoch", "seq", "revocations"] {
        assert_eq!(here[member], there[member], "both tell the same log");
    }
}
