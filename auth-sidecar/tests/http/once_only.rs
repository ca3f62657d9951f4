//! A code works once, a refresh token works once, and a second use kills what came from the first (house.md,
//! invariant 10).

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::browser::Browser;
use crate::world::client::{Client, Tokens};
use crate::world::{RESOURCE, World, join_all};

pub(crate) const INVALID_GRANT: (u16, &str) = (400, "invalid_grant");

pub(crate) fn outcome((status, body): &(u16, Value)) -> (u16, &str) {
    (*status, body["error"].as_str().unwrap_or_default())
}

pub(crate) async fn is_alive(world: &World, access: &str) -> bool {
    let question = json!({"token": access, "resource": RESOURCE});
    let url = format!("{}/v1/validate", world.internal);
    let answer: Value = world.http.post(url).json(&question).send().await.unwrap().json().await.unwrap();
    answer["active"].as_bool().unwrap()
}

#[tokio::test]
async fn a_reused_code_revokes_what_it_gave() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let code = client.code(&world).await;
    let (_, body) = client.redeem(&world, &code, &[]).await;
    let tokens = Tokens::of(body);
    assert!(is_alive(&world, &tokens.access).await);
    assert_eq!(outcome(&client.redeem(&world, &code, &[]).await), INVALID_GRANT);
    assert!(!is_alive(&world, &tokens.access).await, "the access token died with its grant");
    assert_eq!(outcome(&client.refresh(&world, &tokens.refresh, &[]).await), INVALID_GRANT);
}

#[tokio::test]
async fn a_reused_code_is_noticed_after_it_expired() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let code = client.code(&world).await;
    let (_, body) = client.redeem(&world, &code, &[]).await;
    world.advance(Duration::from_secs(300));
    assert_eq!(outcome(&client.redeem(&world, &code, &[]).await), INVALID_GRANT);
    assert!(!is_alive(&world, body["access_token"].as_str().unwrap()).await);
}

#[tokio::test]
async fn of_twenty_parallel_redemptions_one_wins() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let code = client.code(&world).await;
    let attempts = (0..20).map(|_| client.redeem(&world, &code, &[]));
    let answers = join_all(attempts).await;
    let winners: Vec<_> = answers.iter().filter(|(status, _)| *status == 200).collect();
    assert_eq!(winners.len(), 1);
    assert!(
        answers.iter().filter(|(status, _)| *status != 200).all(|answer| outcome(answer) == INVALID_GRANT)
    );
    let access = winners[0].1["access_token"].as_str().unwrap();
    assert!(!is_alive(&world, access).await, "the others were reuse");
}

#[tokio::test]
async fn an_expired_code_is_refused() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let code = client.code(&world).await;
    world.advance(Duration::from_secs(60));
    assert_eq!(outcome(&client.redeem(&world, &code, &[]).await), INVALID_GRANT);
}

#[tokio::test]
async fn mistakes_do_not_use_the_code_up() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let stranger = Client::public(&world).await;
    let code = client.code(&world).await;
    for (changes, wanted) in [
        ([("resource", "http://127.0.0.1:8080/other")], (400, "invalid_target")),
        ([("resource", "https://elsewhere.example/")], (400, "invalid_target")),
        ([("code_verifier", "wrong-wrong-wrong-wrong-wrong-wrong-wrong-wrong")], INVALID_GRANT),
        ([("redirect_uri", "http://127.0.0.1:7777/other")], INVALID_GRANT),
        ([("code_verifier", "")], (400, "invalid_request")),
    ] {
        assert_eq!(outcome(&client.redeem(&world, &code, &changes).await), wanted, "{changes:?}");
    }
    assert_eq!(outcome(&stranger.redeem(&world, &code, &[]).await), INVALID_GRANT);
    assert_eq!(client.redeem(&world, &code, &[]).await.0, 200);
}

#[tokio::test]
async fn a_refresh_token_rotates_and_its_replay_kills_the_family() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let first = client.tokens(&world).await;
    let second = Tokens::of(client.refresh(&world, &first.refresh, &[]).await.1);
    assert_ne!(first.refresh, second.refresh);
    world.advance(Duration::from_secs(11));
    assert_eq!(outcome(&client.refresh(&world, &first.refresh, &[]).await), INVALID_GRANT);
    assert_eq!(
        outcome(&client.refresh(&world, &second.refresh, &[]).await),
        INVALID_GRANT,
        "the family is dead"
    );
    assert!(!is_alive(&world, &second.access).await);
}

#[tokio::test]
async fn within_its_grace_the_same_successor_is_returned() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let first = client.tokens(&world).await;
    let second = Tokens::of(client.refresh(&world, &first.refresh, &[]).await.1);
    world.advance(Duration::from_secs(9));
    let again = Tokens::of(client.refresh(&world, &first.refresh, &[]).await.1);
    assert_eq!(again.refresh, second.refresh);
    assert!(is_alive(&world, &again.access).await);
    let third = Tokens::of(client.refresh(&world, &second.refresh, &[]).await.1);
    // The grace is for the latest predecessor alone.
    assert_eq!(outcome(&client.refresh(&world, &first.refresh, &[]).await), INVALID_GRANT);
    assert!(!is_alive(&world, &third.access).await);
}

#[tokio::test]
async fn parallel_refreshes_never_fork_the_family() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let first = client.tokens(&world).await;
    let answers = join_all((0..20).map(|_| client.refresh(&world, &first.refresh, &[]))).await;
    let successors: std::collections::HashSet<String> = answers
        .into_iter()
        .map(|(status, body)| (assert_eq!(status, 200), Tokens::of(body).refresh).1)
        .collect();
    assert_eq!(successors.len(), 1);
}

#[tokio::test]
async fn without_grace_any_replay_kills() {
    let world = World::start_with(|yaml| yaml + "lifetimes: {reuse_grace: 0s}\n").await;
    let client = Client::public(&world).await;
    let first = client.tokens(&world).await;
    let second = Tokens::of(client.refresh(&world, &first.refresh, &[]).await.1);
    assert_eq!(outcome(&client.refresh(&world, &first.refresh, &[]).await), INVALID_GRANT);
    assert_eq!(outcome(&client.refresh(&world, &second.refresh, &[]).await), INVALID_GRANT);
}

#[tokio::test]
async fn a_guess_harms_nobody() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let tokens = client.tokens(&world).await;
    let grant = tokens.refresh.split_once('.').unwrap().0;
    let guess = format!("{grant}.{}", "A".repeat(43));
    assert_eq!(outcome(&client.refresh(&world, &guess, &[]).await), INVALID_GRANT);
    assert_eq!(client.refresh(&world, &tokens.refresh, &[]).await.0, 200);
}

#[tokio::test]
async fn a_refresh_token_is_its_clients_and_mistakes_do_not_use_it_up() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let stranger = Client::public(&world).await;
    let tokens = client.tokens(&world).await;
    assert_eq!(outcome(&stranger.refresh(&world, &tokens.refresh, &[]).await), INVALID_GRANT);
    let other = [("resource", "http://127.0.0.1:8080/other")];
    assert_eq!(outcome(&client.refresh(&world, &tokens.refresh, &other).await), (400, "invalid_target"));
    let wider = [("scope", "mcp:read other:use")];
    assert_eq!(outcome(&client.refresh(&world, &tokens.refresh, &wider).await), (400, "invalid_scope"));
    assert_eq!(client.refresh(&world, &tokens.refresh, &[]).await.0, 200);
}

#[tokio::test]
async fn refresh_tokens_end_when_idle_and_in_the_end() {
    let days = |days: u64| Duration::from_secs(days * 24 * 3600);
    let world = World::start().await;
    let client = Client::public(&world).await;
    let idle = client.tokens(&world).await;
    let mut kept = client.tokens(&world).await;
    world.advance(days(13));
    kept = Tokens::of(client.refresh(&world, &kept.refresh, &[]).await.1);
    world.advance(days(1));
    assert_eq!(outcome(&client.refresh(&world, &idle.refresh, &[]).await), INVALID_GRANT);
    for _ in 0..7 {
        kept = Tokens::of(client.refresh(&world, &kept.refresh, &[]).await.1);
        world.advance(days(10));
    }
    let last = client.refresh(&world, &kept.refresh, &[]).await;
    assert_eq!(last.0, 200, "day 84: {}", last.1);
    world.advance(days(6));
    assert_eq!(
        outcome(&client.refresh(&world, &Tokens::of(last.1).refresh, &[]).await),
        INVALID_GRANT,
        "day 90"
    );
}

#[tokio::test]
async fn a_consent_form_counts_once() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let mut browser = Browser::default();
    browser.answer(&world, &client.link(&[]), "deny").await;
    let page = browser.get(&world, &client.link(&[])).await;
    let form = page.form().with("decision", "approve");
    assert!(browser.submit(&world, &form).await.param("code").is_some());
    let again = browser.submit(&world, &form).await;
    assert!(again.left_for.is_none() && again.status == 400, "{again:?}");
}

/// However short its idle time is.
#[tokio::test]
async fn a_sign_in_that_is_used_goes_on() {
    let world = World::start_with(|yaml| yaml + "lifetimes: {session_idle: 2m}\n").await;
    let client = Client::public(&world).await;
    let mut browser = Browser::default();
    browser.approve(&world, &client.link(&[])).await;
    for step in 0..6 {
        world.advance(Duration::from_secs(50));
        assert!(browser.get(&world, &client.link(&[])).await.param("code").is_some(), "{step}");
    }
    world.advance(Duration::from_secs(121));
    assert!(browser.get(&world, &client.link(&[])).await.has_field("password"));
}
