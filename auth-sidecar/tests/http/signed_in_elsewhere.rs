//! Who signed in at a provider is a user like any other: for devices, opaque tokens, userinfo and ID tokens too.

use serde_json::{Value, json};

use crate::device_flow::{device_client, error_of};
use crate::opaque_tokens::validate;
use crate::world::browser::Browser;
use crate::world::client::{decode, redeemed};
use crate::world::device::{offer, page_of, poll};
use crate::world::upstream::{Upstream, approval, leave, leave_from};
use crate::world::{RESOURCE, World, read};

const EVERYONE: &str = "allow: {everyone: true}";

async fn userinfo(world: &World, token: &str) -> (u16, Value) {
    let request = world.http.get(world.url("/userinfo")).header("authorization", format!("Bearer {token}"));
    read(request.send().await.unwrap()).await
}

#[tokio::test]
async fn a_device_gets_tokens() {
    let upstream = Upstream::start().await;
    let (world, _) = upstream.world(&upstream.oidc(EVERYONE)).await;
    let client = device_client(&world).await;
    let (_, offered) = offer(&world, &client, &[]).await;
    let mut browser = Browser::default();
    let page = page_of(&world, &mut browser, offered["user_code"].as_str().unwrap()).await;
    let form = approval(&world, &mut browser, &page).await;
    let location = browser.submit(&world, &form.with("decision", "approve")).await.left_for.unwrap();
    assert_eq!(error_of(&world, &client, &offered).await, "authorization_pending", "nobody is signed in yet");
    let done = browser.get(&world, &upstream.sign_in(&location)).await;
    assert!(done.status == 200 && done.body.contains("Device connected"), "{done:?}");
    world.advance(std::time::Duration::from_secs(20));
    let (status, body) = poll(&world, &client, &offered).await;
    assert_eq!(status, 200, "{body}");
    let (_, claims) = decode(body["access_token"].as_str().unwrap());
    assert_eq!(claims["sub"], format!("{}#u-1", upstream.base));
    // The approval was for this device alone.
    let (_, offered) = offer(&world, &client, &[]).await;
    let page = page_of(&world, &mut browser, offered["user_code"].as_str().unwrap()).await;
    assert!(page.has_field("decision") && page.body.contains("#u-1"), "{page:?}");
}

#[tokio::test]
async fn a_device_that_is_shown_says_so_before_the_provider() {
    let upstream = Upstream::start().await;
    let (world, _) = upstream.world(&upstream.oidc(EVERYONE)).await;
    let client = device_client(&world).await;
    let (_, offered) = offer(&world, &client, &[]).await;
    let mut browser = Browser::default();
    let page = page_of(&world, &mut browser, offered["user_code"].as_str().unwrap()).await;
    let handle = page.body.split_once("name=\"request\" value=\"").unwrap().1.split_once('"').unwrap().0;
    let page = browser.get(&world, &format!("/signin/x?request={handle}")).await;
    assert!(page.body.contains("A device asks"), "{}", page.body);
    let done = browser.submit(&world, &page.form().with("decision", "deny")).await;
    assert!(done.status == 200 && done.body.contains("Access denied"), "{done:?}");
    assert_eq!(error_of(&world, &client, &offered).await, "access_denied");
    assert_eq!(upstream.asked("/token"), 0);
}

#[tokio::test]
async fn a_device_of_somebody_who_is_not_let_in_goes_on_waiting() {
    let upstream = Upstream::start().await;
    let (world, _) = upstream.world(&upstream.oidc("allow: {subjects: [u-2]}")).await;
    let client = device_client(&world).await;
    let (_, offered) = offer(&world, &client, &[]).await;
    let mut browser = Browser::default();
    let page = page_of(&world, &mut browser, offered["user_code"].as_str().unwrap()).await;
    let location = leave_from(&world, &mut browser, &page).await;
    let page = browser.get(&world, &upstream.sign_in(&location)).await;
    assert_eq!(
        (page.status, page.left_for.as_deref()),
        (400, None),
        "a device has no redirect URI: {page:?}"
    );
    assert!(page.body.contains("not let in"), "{}", page.body);
    assert_eq!(error_of(&world, &client, &offered).await, "authorization_pending");
}

#[tokio::test]
async fn opaque_tokens_and_userinfo_end_with_what_was_learned() {
    let upstream = Upstream::start().await;
    let provider = upstream.oidc(&format!("{EVERYONE}, remember_for: 5m"));
    let opaque = |yaml: String| {
        yaml.replace("default_scopes: [mcp:read]}", "default_scopes: [mcp:read], access_tokens: opaque}")
            + &provider
    };
    let world = World::start_with(opaque).await;
    let client = crate::world::client::Client::public(&world).await;
    let mut browser = Browser::default();
    let location = leave(&world, &mut browser, &client.link(&[("scope", "openid profile mcp:read")])).await;
    let page = browser.get(&world, &upstream.sign_in(&location)).await;
    let tokens = redeemed(&world, &client, &page).await;
    let subject = format!("{}#u-1", upstream.base);
    assert!(tokens.access.starts_with("ma_"));
    assert_eq!(decode(tokens.body["id_token"].as_str().unwrap()).1["sub"], subject);
    assert_eq!(validate(&world, &tokens.access, RESOURCE).await["sub"], subject);
    assert_eq!(userinfo(&world, &tokens.access).await, (200, json!({"sub": subject})));
    world.advance(std::time::Duration::from_secs(5 * 60));
    assert_eq!(validate(&world, &tokens.access, RESOURCE).await, json!({"active": false}));
    assert_eq!(userinfo(&world, &tokens.access).await.0, 401);
}

#[tokio::test]
async fn another_user_than_the_one_who_is_meant_is_no_answer() {
    let upstream = Upstream::start().await;
    let (world, client) = upstream.world(&upstream.oidc(EVERYONE)).await;
    let openid = ("scope", "openid mcp:read");
    let mut browser = Browser::default();
    let location = leave(&world, &mut browser, &client.link(&[openid])).await;
    let page = browser.get(&world, &upstream.sign_in(&location)).await;
    let tokens = redeemed(&world, &client, &page).await;
    let hinted = client.link(&[openid, ("id_token_hint", tokens.body["id_token"].as_str().unwrap())]);
    for (subject, error) in [("u-1", None), ("u-2", Some("login_required"))] {
        upstream.lie(move |claims| claims.set("sub", json!(subject)));
        let mut browser = Browser::default();
        let location = leave(&world, &mut browser, &hinted).await;
        let page = browser.get(&world, &upstream.sign_in(&location)).await;
        assert_eq!(page.param("error").as_deref(), error, "{subject}: {page:?}");
    }
}

#[tokio::test]
async fn a_max_age_of_zero_asks_the_provider_for_a_new_sign_in() {
    let upstream = Upstream::start().await;
    let (world, client) = upstream.world(&upstream.oidc(EVERYONE)).await;
    let location = leave(&world, &mut Browser::default(), &client.link(&[("max_age", "0")])).await;
    assert!(location.contains("&prompt=login&max_age=0"), "{location}");
}

/// A provider may have its user's sign-in of an hour ago, say so, and ask nobody.
#[tokio::test]
async fn a_sign_in_of_before_is_no_answer_to_who_wants_a_new_one() {
    const NOW: u64 = 1_800_000_000;
    let upstream = Upstream::start().await;
    let (world, client) = upstream.world(&upstream.oidc(EVERYONE)).await;
    for (prompt, auth_time, error) in [
        ("login", Some(NOW - 3_600), Some("login_required")),
        ("login", Some(NOW - 31), Some("login_required")),
        ("login", Some(NOW - 30), None),
        ("login", Some(NOW), None),
        ("login", None, None),
        ("select_account", Some(NOW - 3_600), None),
        ("consent", Some(NOW - 3_600), None),
    ] {
        upstream.lie(move |claims| match auth_time {
            Some(at) => claims.set("auth_time", json!(at)),
            None => claims.remove("auth_time"),
        });
        let mut browser = Browser::default();
        let location = leave(&world, &mut browser, &client.link(&[("prompt", prompt)])).await;
        let page = browser.get(&world, &upstream.sign_in(&location)).await;
        assert_eq!(page.param("error").as_deref(), error, "{prompt} {auth_time:?}: {page:?}");
        assert_eq!(page.param("code").is_some(), error.is_none(), "{prompt} {auth_time:?}");
    }
    let openid = [("scope", "openid mcp:read"), ("max_age", "60")];
    upstream.lie(|claims| claims.set("auth_time", json!(NOW - 3_600)));
    let mut browser = Browser::default();
    let location = leave(&world, &mut browser, &client.link(&openid)).await;
    let page = browser.get(&world, &upstream.sign_in(&location)).await;
    assert_eq!(page.param("error").as_deref(), Some("login_required"), "too old: {page:?}");
}

#[tokio::test]
async fn a_client_that_is_gone_gets_no_code_of_a_sign_in_that_was_under_way() {
    let upstream = Upstream::start().await;
    let (world, client) = upstream.world(&upstream.oidc(EVERYONE)).await;
    let mut browser = Browser::default();
    let location = leave(&world, &mut browser, &client.link(&[])).await;
    assert_eq!(crate::admin::delete(&world, &format!("/v1/clients/{}", client.id)).await, 204);
    let page = browser.get(&world, &upstream.sign_in(&location)).await;
    assert_eq!((page.status, page.left_for.as_deref()), (400, None), "{page:?}");
}
