//! Signing in at GitHub.

use serde_json::{Value, json};

use crate::world::browser::Browser;
use crate::world::upstream::{Upstream, arrive, leave, tokens};

fn numbered(numbers: impl Iterator<Item = u64>) -> Value {
    numbers.map(|id| json!({"id": id, "login": "renamed"})).collect()
}

#[tokio::test]
async fn an_account_is_its_number() {
    let upstream = Upstream::start().await;
    upstream.set(|mock| {
        mock.github["orgs"] = numbered(1..=150);
        mock.github["teams"] = numbered(7..=9);
    });
    let settings = "allow: {orgs: [150]}, claims: {groups: {from: teams, names: {'7': eng, '8': ops}}, \
        org: {from: orgs, names: {'150': acme}}}";
    let (world, client) = upstream.world(&upstream.github(settings)).await;
    let said = tokens(&upstream, &world, &client).await.decoded().1;
    assert_eq!(said["sub"], format!("{}#583231", upstream.base));
    assert_eq!((&said["groups"], &said["org"]), (&json!(["eng", "ops"]), &json!("acme")));
    assert_eq!(upstream.asked("/api/v3/user/orgs"), 2, "page by page");
}

#[tokio::test]
async fn only_what_is_needed_is_asked_for() {
    let upstream = Upstream::start().await;
    let (world, client) = upstream.world(&upstream.github("allow: {users: [583231]}")).await;
    let location = leave(&world, &mut Browser::default(), &client.link(&[])).await;
    assert!(location.starts_with(&format!("{}/login/oauth/authorize?", upstream.base)));
    assert!(location.contains("&scope=&"), "{location}");
    tokens(&upstream, &world, &client).await;
    assert_eq!((upstream.asked("/api/v3/user"), upstream.asked("/api/v3/user/orgs")), (1, 0));
    let (world, client) = upstream.world(&upstream.github("allow: {teams: [1]}")).await;
    let location = leave(&world, &mut Browser::default(), &client.link(&[])).await;
    assert!(location.contains("scope=read%3Aorg"), "{location}");
}

#[tokio::test]
async fn only_those_get_in_who_are_allowed() {
    let upstream = Upstream::start().await;
    upstream.set(|mock| {
        mock.github["orgs"] = numbered(5..=6);
        mock.github["teams"] = numbered(7..=8);
    });
    for (allow, good) in [
        ("{users: [583231]}", true),
        ("{users: [1], orgs: [6]}", true),
        ("{teams: [7]}", true),
        ("{everyone: true}", true),
        ("{users: [1]}", false),
        ("{orgs: [7]}", false),
        ("{teams: [5]}", false),
    ] {
        let (world, client) = upstream.world(&upstream.github(&format!("allow: {allow}"))).await;
        let page = arrive(&upstream, &world, &client).await;
        assert_eq!(page.param("code").is_some(), good, "{allow}: {page:?}");
        assert!(good || page.param("error").as_deref() == Some("access_denied"));
    }
}

#[tokio::test]
async fn answers_that_say_nothing_let_nobody_in() {
    let upstream = Upstream::start().await;
    let (world, client) = upstream.world(&upstream.github("allow: {everyone: true}")).await;
    for user in [
        json!({"login": "octocat"}),
        json!({"id": "583231"}),
        json!({"id": 0}),
        json!({"id": -1}),
        json!({"id": 1.5}),
        json!([]),
    ] {
        upstream.set(|mock| mock.github["user"] = user.clone());
        let page = arrive(&upstream, &world, &client).await;
        assert_eq!(page.param("error").as_deref(), Some("access_denied"), "{user}");
    }
    for (path, status, body, error) in [
        ("/api/v3/user", 200, r#"{"id": 1, "id": 583231}"#, "access_denied"),
        ("/api/v3/user", 401, r#"{"message": "Bad credentials"}"#, "access_denied"),
        ("/api/v3/user", 503, "{}", "temporarily_unavailable"),
        (
            "/login/oauth/access_token",
            200,
            r#"{"error": "bad_verification_code", "access_token": "x"}"#,
            "access_denied",
        ),
        ("/login/oauth/access_token", 200, r#"{"access_token": "x", "token_type": "mac"}"#, "access_denied"),
        ("/login/oauth/access_token", 200, r#"{"token_type": "bearer"}"#, "access_denied"),
    ] {
        upstream.set(|mock| mock.instead = [(path.to_owned(), (status, body.to_owned()))].into());
        let page = arrive(&upstream, &world, &client).await;
        assert_eq!(page.param("error").as_deref(), Some(error), "{path} {body}");
    }
}
