//! How much may one user grant within an hour?

use std::time::Duration;

use serde_json::{Value, json};

use crate::device_flow::{device_client, error_of};
use crate::revocation_feed::feed;
use crate::world::browser::Browser;
use crate::world::client::{Client, REDIRECT, Tokens};
use crate::world::device::{offer, page_of, poll};
use crate::world::{PASSWORD, RESOURCE, World, read};

const HOUR: Duration = Duration::from_secs(3_600);

/// A world in which alice and bob may grant twice within an hour.
async fn world() -> World {
    let bob = "users:\n  - {name: bob, password: {file: FOLDER/alice.password}}\n";
    World::start_with(|yaml| yaml.replace("users:\n", bob) + "grants: {per_user_per_hour: 2}\n").await
}

fn throttled(world: &World) -> Vec<Value> {
    let refused = world.recorded().into_iter().filter(|record| record["event"] == "grant_throttled");
    refused.map(|record| json!([record["subject"], record["client_id"]])).collect()
}

/// A session and a consent of before are all that it takes: no page is shown, and each grant can be revoked at once.
#[tokio::test]
async fn nobody_fills_the_log_of_revocations_with_grants() {
    let world = world().await;
    let client = Client::public(&world).await;
    let mut browser = Browser::default();
    browser.approve(&world, &client.link(&[])).await;
    let link = client.link(&[("state", "s-1")]);
    let code = browser.get(&world, &link).await.param("code").unwrap();
    let tokens = Tokens::of(client.redeem(&world, &code, &[]).await.1);
    assert_eq!(client.post(&world, "/revoke", &[("token", &tokens.refresh)], &[]).await.0, 200);
    assert_eq!(throttled(&world), Vec::<Value>::new());

    let link = client.link(&[("state", "s-1"), ("prompt", "none")]);
    for _ in 0..3 {
        let refused = browser.get(&world, &link).await;
        assert!(refused.left_for.as_ref().is_some_and(|to| to.starts_with(REDIRECT)), "{refused:?}");
        let said = ["error", "state", "code"].map(|name| refused.param(name));
        assert_eq!(said, [Some("temporarily_unavailable".into()), Some("s-1".into()), None]);
        assert_eq!(throttled(&world), [json!(["alice", client.id])]);
    }
    assert_eq!(feed(&world, "?since=0").await.1["seq"], 1);
    let metrics = world.http.get(format!("{}/metrics", world.metrics)).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    assert!(metrics.contains("wicketgate_auth_audit_events_total{event=\"grant_throttled\"} 3"), "{metrics}");

    let mut other = Browser::default();
    let login = other.get(&world, &client.link(&[])).await;
    let consent =
        other.submit(&world, &login.form().with("username", "bob").with("password", PASSWORD)).await;
    let page = other.submit(&world, &consent.form().with("decision", "approve")).await;
    assert!(page.param("code").is_some(), "each user for themselves: {page:?}");
    world.advance(HOUR);
    assert!(browser.approve(&world, &client.link(&[])).await.param("code").is_some());
}

#[tokio::test]
async fn devices_count_and_wait() {
    let world = world().await;
    let client = device_client(&world).await;
    let mut browser = Browser::default();
    for _ in 0..2 {
        browser.approve(&world, &client.link(&[])).await;
    }
    let (_, offered) = offer(&world, &client, &[]).await;
    let code = offered["user_code"].as_str().unwrap();
    let page = page_of(&world, &mut browser, code).await;
    let refused = browser.submit(&world, &page.form().with("decision", "approve")).await;
    assert_eq!((refused.status, throttled(&world)), (429, vec![json!(["alice", null])]), "{refused:?}");
    assert_eq!(error_of(&world, &client, &offered).await, "authorization_pending", "nothing is decided");
    let page = page_of(&world, &mut browser, code).await;
    let denied = browser.submit(&world, &page.form().with("decision", "deny")).await;
    assert_eq!(denied.status, 200, "to grant nothing is never too much");

    world.advance(HOUR);
    let (_, offered) = offer(&world, &client, &[]).await;
    let code = offered["user_code"].as_str().unwrap();
    let page = page_of(&world, &mut browser, code).await;
    let page = match page.has_field("password") {
        true => {
            browser.submit(&world, &page.form().with("username", "alice").with("password", PASSWORD)).await
        }
        false => page,
    };
    assert_eq!(browser.submit(&world, &page.form().with("decision", "approve")).await.status, 200);
    assert_eq!(poll(&world, &client, &offered).await.0, 200);
}

#[tokio::test]
async fn a_client_that_registered_itself_counts_as_a_user() {
    let scopes = "open: true, client_credentials_scopes: [mcp:read]";
    let world =
        World::start_with(|yaml| yaml.replace("open: true", scopes) + "grants: {per_user_per_hour: 2}\n")
            .await;
    let body = json!({"grant_types": ["client_credentials"]});
    let (_, answer) = read(world.http.post(world.url("/register")).json(&body).send().await.unwrap()).await;
    let text = |key: &str| answer[key].as_str().unwrap().to_owned();
    let client = Client {
        id: text("client_id"),
        secret: Some(text("client_secret")),
        method: text("token_endpoint_auth_method"),
    };
    let form = [("grant_type", "client_credentials"), ("resource", RESOURCE)];
    for status in [200, 200, 429, 429] {
        let (answered, body) = client.post(&world, "/token", &form, &[]).await;
        assert_eq!(answered, status, "{body}");
        if status == 429 {
            assert_eq!(body["error"], "temporarily_unavailable");
        }
    }
    assert_eq!(throttled(&world), vec![json!([client.id, client.id]); 2]);
    world.advance(HOUR);
    assert_eq!(client.post(&world, "/token", &form, &[]).await.0, 200);
}
