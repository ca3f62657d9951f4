//! Devices without a browser (RFC 8628).

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::browser::Browser;
use crate::world::client::{Client, Tokens};
use crate::world::device::{GRANT, offer, page_of, poll};
use crate::world::{ISSUER, PASSWORD, RESOURCE, World, encode, form_headers};

pub(crate) async fn device_client(world: &World) -> Client {
    let grants = json!({
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token", GRANT],
    });
    Client::register(world, grants).await
}

pub(crate) async fn error_of(world: &World, client: &Client, offered: &Value) -> String {
    let (status, body) = poll(world, client, offered).await;
    assert_eq!(status, 400, "{body}");
    body["error"].as_str().unwrap().to_owned()
}

/// Types the code, signs in as alice where that is asked for, and decides.
pub(crate) async fn decide(
    world: &World,
    browser: &mut Browser,
    code: &str,
    decision: &str,
) -> (u16, String) {
    let mut page = page_of(world, browser, code).await;
    if page.has_field("password") {
        page = browser.submit(world, &page.form().with("username", "alice").with("password", PASSWORD)).await;
    }
    if page.has_field("decision") {
        page = browser.submit(world, &page.form().with("decision", decision)).await;
    }
    assert_eq!(page.left_for, None);
    (page.status, page.body)
}

#[tokio::test]
async fn a_device_gets_tokens_when_its_user_allows_it() {
    let world = World::start().await;
    let client = device_client(&world).await;
    let (status, offered) = offer(&world, &client, &[]).await;
    assert_eq!(status, 200, "{offered}");
    let code = offered["user_code"].as_str().unwrap();
    assert!(code.len() == 9 && code.chars().all(|c| "BCDFGHJKLMNPQRSTVWXZ-".contains(c)), "{code}");
    assert_eq!(offered["verification_uri"], format!("{ISSUER}/device"));
    assert_eq!(offered["verification_uri_complete"], format!("{ISSUER}/device?user_code={code}"));
    assert_eq!((&offered["expires_in"], &offered["interval"]), (&json!(600), &json!(5)));
    assert_eq!(error_of(&world, &client, &offered).await, "authorization_pending");

    let mut browser = Browser::default();
    let prefilled = browser.get(&world, &format!("/device?user_code={code}")).await;
    assert!(prefilled.body.contains(&format!("value=\"{code}\"")), "and the user must still go on");
    let typed = code.to_lowercase().replace('-', " ");
    let form = prefilled.form().with("user_code", &typed);
    let login = browser.submit(&world, &form).await;
    let consent =
        browser.submit(&world, &login.form().with("username", "alice").with("password", PASSWORD)).await;
    for wanted in ["Test client", "mcp:read", RESOURCE, "A device asks"] {
        assert!(consent.body.contains(wanted), "{wanted}: {}", consent.body);
    }
    assert!(!consent.body.contains("Your answer is sent to"));
    let done = browser.submit(&world, &consent.form().with("decision", "approve")).await;
    assert_eq!((done.status, done.left_for.as_deref()), (200, None));
    assert!(done.body.contains("Device connected"), "{}", done.body);

    let (status, body) = poll(&world, &client, &offered).await;
    assert_eq!((status, &body["token_type"]), (200, &json!("Bearer")), "{body}");
    assert!(body["id_token"].is_string() && body["scope"] == "mcp:read openid", "{body}");
    let tokens = Tokens::of(body);
    assert_eq!(tokens.decoded().1["sub"], "alice");
    let (status, refreshed) = client.refresh(&world, &tokens.refresh, &[]).await;
    assert_eq!(status, 200, "{refreshed}");
    assert_eq!(error_of(&world, &client, &offered).await, "invalid_grant", "a device code works once");
    let (status, refreshed) = client.refresh(&world, &Tokens::of(refreshed).refresh, &[]).await;
    assert_eq!(status, 200, "it asked twice: {refreshed}");
    world.advance(Duration::from_secs(10));
    assert_eq!(error_of(&world, &client, &offered).await, "invalid_grant");
    assert_eq!(
        client.refresh(&world, &Tokens::of(refreshed).refresh, &[]).await.0,
        400,
        "a replay ends the grant"
    );
}

#[tokio::test]
async fn a_device_that_asks_too_often_must_wait_longer() {
    let world = World::start().await;
    let client = device_client(&world).await;
    let (_, offered) = offer(&world, &client, &[]).await;
    for (wait, wanted) in [
        (0, "authorization_pending"),
        (4, "slow_down"),
        (9, "slow_down"),
        (14, "slow_down"),
        (20, "authorization_pending"),
        (20, "authorization_pending"),
    ] {
        world.advance(Duration::from_secs(wait));
        assert_eq!(error_of(&world, &client, &offered).await, wanted, "after {wait} s");
    }
}

#[tokio::test]
async fn a_refusal_and_the_end_are_told_apart() {
    let world = World::start().await;
    let client = device_client(&world).await;
    let (_, denied) = offer(&world, &client, &[]).await;
    let mut browser = Browser::default();
    let code = denied["user_code"].as_str().unwrap();
    let (status, page) = decide(&world, &mut browser, code, "deny").await;
    assert!(status == 200 && page.contains("Access denied"), "{page}");
    assert_eq!(error_of(&world, &client, &denied).await, "access_denied");
    assert_eq!(decide(&world, &mut browser, code, "approve").await.0, 400, "decided once");
    assert_eq!(error_of(&world, &client, &denied).await, "access_denied");

    let (_, late) = offer(&world, &client, &[]).await;
    let code = late["user_code"].as_str().unwrap();
    world.advance(Duration::from_secs(600));
    assert_eq!(error_of(&world, &client, &late).await, "expired_token");
    assert_eq!(decide(&world, &mut browser, code, "approve").await.0, 400);
    assert_eq!(error_of(&world, &client, &late).await, "expired_token");
}

#[tokio::test]
async fn a_device_code_is_its_clients() {
    let world = World::start().await;
    let (client, other) = (device_client(&world).await, device_client(&world).await);
    let (_, offered) = offer(&world, &client, &[]).await;
    assert_eq!(error_of(&world, &other, &offered).await, "invalid_grant");
    for made_up in ["md_x", "x", offered["user_code"].as_str().unwrap()] {
        assert_eq!(error_of(&world, &client, &json!({"device_code": made_up})).await, "invalid_grant");
    }
    decide(&world, &mut Browser::default(), offered["user_code"].as_str().unwrap(), "approve").await;
    assert_eq!(error_of(&world, &other, &offered).await, "invalid_grant", "and stays it");
    let (status, body) = client.redeem(&world, offered["device_code"].as_str().unwrap(), &[]).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_grant")), "it is no authorization code");
    assert_eq!(poll(&world, &client, &offered).await.0, 200);
    let (status, body) = client.post(&world, "/token", &[("grant_type", GRANT)], &[]).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_request")), "device_code is missing");
}

#[tokio::test]
async fn who_may_not_ask_gets_no_code() {
    let world = World::start().await;
    let plain = Client::public(&world).await;
    let (status, body) = offer(&world, &plain, &[]).await;
    assert_eq!((status, &body["error"]), (400, &json!("unauthorized_client")));
    let nobody = Client { id: "c_unknown".into(), secret: None, method: "none".into() };
    let (status, body) = offer(&world, &nobody, &[]).await;
    assert_eq!((status, &body["error"]), (401, &json!("invalid_client")));
    let client = device_client(&world).await;
    for (changes, error) in [
        ([("scope", "nothing:known")], "invalid_scope"),
        ([("resource", "https://x.example")], "invalid_target"),
    ] {
        let (status, body) = offer(&world, &client, &changes).await;
        assert_eq!((status, &body["error"]), (400, &json!(error)));
    }
    let sign_in = [("scope", "openid"), ("resource", "")];
    assert_eq!(offer(&world, &client, &sign_in).await.0, 200, "a mere sign-in needs no resource");
    assert_eq!(world.get("/device_authorization").await.status(), 405);
}

#[tokio::test]
async fn the_page_is_safe_and_guesses_are_limited() {
    let world = World::start_with(|yaml| yaml + "login: {per_address: 4}\n").await;
    let client = device_client(&world).await;
    let mut browser = Browser::default();
    let page = browser.get(&world, "/device?user_code=%22%3E%3Cscript%3Ex").await;
    assert!(!page.body.contains("<script>"), "{}", page.body);
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("form-action 'self';"), "{policy}");

    let (_, offered) = offer(&world, &client, &[]).await;
    let code = offered["user_code"].as_str().unwrap();
    let foreign = world.http.post(world.url("/device")).headers(form_headers());
    let foreign = foreign.header("origin", "https://evil.example").body(encode(&[("user_code", code)]));
    assert_eq!(foreign.send().await.unwrap().status(), 403, "a form of another page");

    let mut statuses = Vec::new();
    for guess in ["BCDF-GHJK", "", "AEIO", "BBBB-BBBB", code] {
        let form = page.form().with("user_code", guess);
        statuses.push(browser.submit(&world, &form).await.status);
    }
    assert_eq!(statuses, [400, 400, 400, 400, 429], "the right one, too, comes too late");
    world.advance(Duration::from_secs(15 * 60));
    let (_, offered) = offer(&world, &client, &[]).await;
    decide(&world, &mut browser, offered["user_code"].as_str().unwrap(), "approve").await;
    assert_eq!(poll(&world, &client, &offered).await.0, 200);
}

#[tokio::test]
async fn an_earlier_consent_does_not_spare_the_question() {
    let world = World::start().await;
    let client = device_client(&world).await;
    let mut browser = Browser::default();
    for _ in 0..2 {
        let (_, offered) = offer(&world, &client, &[]).await;
        let code = offered["user_code"].as_str().unwrap();
        let form = browser.get(&world, "/device").await.form().with("user_code", code);
        let page = browser.submit(&world, &form).await;
        assert!(page.has_field("decision") || page.has_field("password"), "{page:?}");
        assert_eq!(decide(&world, &mut browser, code, "approve").await.0, 200);
        assert_eq!(poll(&world, &client, &offered).await.0, 200);
    }
}

#[tokio::test]
async fn a_client_may_be_for_devices_alone() {
    let world = World::start().await;
    let metadata = json!({"token_endpoint_auth_method": "none", "grant_types": [GRANT, "refresh_token"]});
    let response = world.http.post(world.url("/register")).json(&metadata).send().await.unwrap();
    let (status, answer) = crate::world::read(response).await;
    assert_eq!((status, &answer["response_types"]), (201, &json!([])), "no code, no redirect: {answer}");
    let id = answer["client_id"].as_str().unwrap().to_owned();
    let client = Client { id, secret: None, method: "none".into() };
    let (_, offered) = offer(&world, &client, &[]).await;
    decide(&world, &mut Browser::default(), offered["user_code"].as_str().unwrap(), "approve").await;
    let (status, body) = poll(&world, &client, &offered).await;
    assert!(status == 200 && body["refresh_token"].is_string(), "{body}");
}

#[tokio::test]
async fn of_two_questions_at_once_one_is_answered_and_its_tokens_live() {
    let world = World::start().await;
    let client = device_client(&world).await;
    let (_, offered) = offer(&world, &client, &[]).await;
    decide(&world, &mut Browser::default(), offered["user_code"].as_str().unwrap(), "approve").await;
    let (one, two) = tokio::join!(poll(&world, &client, &offered), poll(&world, &client, &offered));
    let (good, bad) = if one.0 == 200 { (one, two) } else { (two, one) };
    assert_eq!((good.0, bad.0, &bad.1["error"]), (200, 400, &json!("invalid_grant")), "{good:?} {bad:?}");
    assert_eq!(client.refresh(&world, &Tokens::of(good.1).refresh, &[]).await.0, 200);
}
