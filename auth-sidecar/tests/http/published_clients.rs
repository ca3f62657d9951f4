//! What clients that publish themselves do after they were found: devices, removal by an operator, long ids.

use std::time::Duration;

use serde_json::{Value, json};

use crate::admin;
use crate::device_flow::{decide, error_of};
use crate::metadata_documents::{document, public, published};
use crate::world::World;
use crate::world::browser::Browser;
use crate::world::client::Client;
use crate::world::device::{GRANT, offer, poll};
use crate::world::publisher::Publisher;

/// A published client whose devices ask.
async fn devices() -> (Publisher, World, Client) {
    let (publisher, world, client) = published().await;
    let mut described = document(&client.id);
    described["grant_types"] = json!([GRANT, "refresh_token", "authorization_code"]);
    publisher.publish("/client.json", &described);
    (publisher, world, client)
}

fn place_of(client: &Client) -> String {
    let id: String = url::form_urlencoded::byte_serialize(client.id.as_bytes()).collect();
    format!("/v1/clients/{id}")
}

#[tokio::test]
async fn a_device_finishes_though_nobody_has_let_its_client_in_before() {
    let (_publisher, world, client) = devices().await;
    let (_, first) = offer(&world, &client, &[]).await;
    assert_eq!(error_of(&world, &client, &first).await, "authorization_pending");
    assert_eq!(error_of(&world, &client, &first).await, "slow_down");
    let mut browser = Browser::default();
    decide(&world, &mut browser, first["user_code"].as_str().unwrap(), "deny").await;
    assert_eq!(error_of(&world, &client, &first).await, "access_denied");

    // Asked for late in what the first one was remembered for.
    world.advance(Duration::from_secs(1_190));
    let (_, second) = offer(&world, &client, &[]).await;
    world.advance(Duration::from_secs(20));
    assert_eq!(error_of(&world, &client, &second).await, "authorization_pending");
    decide(&world, &mut browser, second["user_code"].as_str().unwrap(), "approve").await;
    let (status, body) = poll(&world, &client, &second).await;
    assert_eq!(status, 200, "{body}");
    let refresh = body["refresh_token"].as_str().unwrap();
    assert_eq!(client.refresh(&world, refresh, &[]).await.0, 200);
}

#[tokio::test]
async fn a_device_is_told_that_it_came_too_late() {
    let (_publisher, world, client) = devices().await;
    let (_, offered) = offer(&world, &client, &[]).await;
    for seconds in [600, 590] {
        world.advance(Duration::from_secs(seconds));
        assert_eq!(error_of(&world, &client, &offered).await, "expired_token", "after {seconds} s");
    }
    world.advance(Duration::from_secs(10));
    assert_eq!(poll(&world, &client, &offered).await.0, 401, "and is forgotten");
}

#[tokio::test]
async fn a_client_that_an_operator_removed_comes_back_when_a_user_lets_it_in() {
    let (_publisher, world, client) = devices().await;
    let before = client.tokens(&world).await;
    assert_eq!(admin::delete(&world, &place_of(&client)).await, 204);
    assert_eq!(client.refresh(&world, &before.refresh, &[]).await.0, 401);
    world.advance(Duration::from_secs(2));
    let after = client.tokens(&world).await;
    assert_eq!(client.refresh(&world, &after.refresh, &[]).await.0, 200);
}

#[tokio::test]
async fn the_longest_id_can_be_looked_up_and_removed() {
    let (publisher, world, _) = published().await;
    let base = publisher.url("/");
    let path = format!("/{}", "x".repeat(512 - base.len()));
    let client = public(publisher.url(&path));
    assert_eq!(client.id.len(), 512);
    publisher.publish(&path, &document(&client.id));
    client.tokens(&world).await;
    let (status, answer): (u16, Value) = admin::get(&world, &place_of(&client)).await;
    assert_eq!((status, &answer["client_id"]), (200, &json!(client.id)), "{answer}");
    assert_eq!(admin::delete(&world, &place_of(&client)).await, 204);
    assert_eq!(admin::get(&world, &place_of(&client)).await.0, 404);
}
