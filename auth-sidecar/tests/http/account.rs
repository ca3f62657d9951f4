//! What users see of their own account, and what they can end there.

use std::time::Duration;

use serde_json::json;

use crate::device_flow::{decide, device_client};
use crate::once_only::{INVALID_GRANT, is_alive, outcome};
use crate::revocation_feed::{feed, id};
use crate::world::browser::{Browser, Form, Page};
use crate::world::client::{Client, Tokens};
use crate::world::device::{offer, poll};
use crate::world::upstream::{Upstream, approval};
use crate::world::{PASSWORD, RESOURCE, World, encode, form_headers};

const SECOND: Duration = Duration::from_secs(1);

async fn named(world: &World, name: &str) -> Client {
    let metadata = json!({"client_name": name, "token_endpoint_auth_method": "none"});
    Client::register(world, metadata).await
}

/// The account page, alice having signed in where that was asked for.
pub(crate) async fn account(world: &World, browser: &mut Browser) -> Page {
    let mut page = browser.get(world, "/account").await;
    if page.has_field("password") {
        page = browser.submit(world, &page.form().with("username", "alice").with("password", PASSWORD)).await;
    }
    assert!(page.status == 200 && page.body.contains("<h1>Your account</h1>"), "{page:?}");
    page
}

/// The form of the page whose text contains `about`, with its button pressed.
pub(crate) fn form(page: &Page, about: &str) -> Form {
    let mut forms = page.forms();
    forms.retain(|(text, _)| text.contains(about));
    let [(text, form)] = forms.as_slice() else { panic!("{about}: {} forms", forms.len()) };
    let (_, button) = text.split_once("<button").unwrap();
    let of = |name: &str| button.split_once(&format!("{name}=\"")).unwrap().1.split_once('"').unwrap().0;
    form.clone().with(of("name"), of("value"))
}

/// What the page says of a client.
fn card<'a>(page: &'a Page, client_name: &str) -> Option<&'a str> {
    page.body.split("<section").skip(1).find(|card| card.contains(&format!(">{client_name}</h3>")))
}

async fn tokens(world: &World, browser: &mut Browser, client: &Client) -> Tokens {
    let code = browser.approve(world, &client.link(&[])).await.param("code").unwrap();
    Tokens::of(client.redeem(world, &code, &[]).await.1)
}

#[tokio::test]
async fn users_see_who_has_access_in_their_name() {
    let world = World::start().await;
    let mut browser = Browser::default();
    let login = browser.get(&world, "/account").await;
    assert!(login.has_field("password") && login.body.contains("to see your account"), "{login:?}");
    assert!(account(&world, &mut browser).await.body.contains("Nobody has."));

    let client = named(&world, "<i>Notes</i>").await;
    let given = tokens(&world, &mut browser, &client).await;
    browser.approve(&world, &named(&world, "Never redeemed").await.link(&[])).await;
    let page = account(&world, &mut browser).await;
    let shown = card(&page, "&#60;i&#62;Notes&#60;/i&#62;").unwrap();
    for wanted in
        ["127.0.0.1:7777", RESOURCE, "mcp:read", "mcp:write", "2027-01-15T08:00Z\">2027-01-15 08:00 UTC"]
    {
        assert!(shown.contains(wanted), "{wanted}: {shown}");
    }
    assert!(card(&page, "Never redeemed").is_none(), "a code that nobody redeemed is no access");

    world.advance(Duration::from_secs(3_660));
    client.refresh(&world, &given.refresh, &[]).await;
    let device = device_client(&world).await;
    let (_, offered) = offer(&world, &device, &[]).await;
    decide(&world, &mut browser, offered["user_code"].as_str().unwrap(), "approve").await;
    world.advance(Duration::from_secs(5));
    assert_eq!(poll(&world, &device, &offered).await.0, 200);
    let page = account(&world, &mut browser).await;
    let shown = card(&page, "&#60;i&#62;Notes&#60;/i&#62;").unwrap();
    assert!(shown.contains(">2027-01-15 08:00 UTC<") && shown.contains(">2027-01-15 09:01 UTC<"), "{shown}");
    assert!(card(&page, "Test client").unwrap().contains("a device that showed you a code"));
}

#[tokio::test]
async fn the_page_is_locked_down() {
    let world = World::start().await;
    let mut browser = Browser::default();
    let page = account(&world, &mut browser).await;
    let sign_out = browser.get(&world, "/logout").await;
    let policy =
        "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
    for page in [&page, &sign_out] {
        assert_eq!(page.headers["content-security-policy"], policy);
        assert_eq!(
            (&page.headers["x-frame-options"], &page.headers["cache-control"]),
            (&"DENY".parse().unwrap(), &"no-store".parse().unwrap())
        );
        assert!(!page.body.contains("<script") && page.body.contains("alice"));
    }
}

#[tokio::test]
async fn a_user_ends_one_access() {
    let world = World::start().await;
    let mut browser = Browser::default();
    let (leaves, stays) = (named(&world, "Leaves").await, named(&world, "Stays").await);
    let ended = tokens(&world, &mut browser, &leaves).await;
    let kept = tokens(&world, &mut browser, &stays).await;
    let page = account(&world, &mut browser).await;
    let ending = form(&page, ended.decoded().1["grant_id"].as_str().unwrap());
    let done = browser.submit(&world, &ending).await;
    assert!(done.body.contains("role=\"status\">That access has ended."), "{}", done.body);
    assert!(card(&done, "Leaves").is_none() && card(&done, "Stays").is_some());
    assert!(!is_alive(&world, &ended.access).await && is_alive(&world, &kept.access).await);
    assert_eq!(outcome(&leaves.refresh(&world, &ended.refresh, &[]).await), INVALID_GRANT);
    let again = browser.submit(&world, &ending).await;
    assert!(again.body.contains("had ended already"), "{}", again.body);
    assert!(browser.get(&world, &leaves.link(&[])).await.has_field("decision"), "the consent is gone, too");
    assert!(browser.get(&world, &stays.link(&[])).await.param("code").is_some());
}

#[tokio::test]
async fn a_user_ends_all_access_and_stays_signed_in() {
    let world = World::start().await;
    let mut browser = Browser::default();
    let clients = [named(&world, "One").await, named(&world, "Two").await];
    let first = tokens(&world, &mut browser, &clients[0]).await;
    let second = tokens(&world, &mut browser, &clients[1]).await;
    let unused = browser.approve(&world, &clients[0].link(&[])).await.param("code").unwrap();
    let page = account(&world, &mut browser).await;
    let done = browser.submit(&world, &form(&page, "revoke_all")).await;
    assert!(
        done.body.contains("All access has ended.") && done.body.contains("Nobody has."),
        "{}",
        done.body
    );
    for (client, tokens) in clients.iter().zip([&first, &second]) {
        assert!(!is_alive(&world, &tokens.access).await);
        assert_eq!(outcome(&client.refresh(&world, &tokens.refresh, &[]).await), INVALID_GRANT);
    }
    assert_eq!(outcome(&clients[0].redeem(&world, &unused, &[]).await), INVALID_GRANT);
    let (_, said) = feed(&world, "?since=0").await;
    let told = &said["revocations"][0];
    assert_eq!((&told["kind"], &told["id"]), (&json!("subject"), &json!(id("subject", "alice"))));
    assert_eq!(told["before"], json!(1_800_000_001));
    assert!(!said.to_string().contains("alice"));

    world.advance(SECOND);
    let asked = browser.get(&world, &clients[0].link(&[])).await;
    assert!(asked.has_field("decision"), "signed in, and asked anew: {asked:?}");
    assert!(is_alive(&world, &tokens(&world, &mut browser, &clients[0]).await.access).await);
}

#[tokio::test]
async fn nobody_floods_the_log_of_revocations() {
    let world = World::start().await;
    let mut browser = Browser::default();
    let ending = form(&account(&world, &mut browser).await, "revoke_all");
    for _ in 0..10 {
        assert_eq!(browser.submit(&world, &ending).await.status, 200);
    }
    assert_eq!(browser.submit(&world, &ending).await.status, 429);
    assert_eq!(feed(&world, "?since=0").await.1["seq"], 10);
    world.advance(Duration::from_secs(15 * 60));
    assert_eq!(browser.submit(&world, &ending).await.status, 200);
}

#[tokio::test]
async fn only_a_form_of_this_sign_in_does_anything() {
    let world = World::start().await;
    let (mut browser, mut other) = (Browser::default(), Browser::default());
    let client = named(&world, "Kept").await;
    let kept = tokens(&world, &mut browser, &client).await;
    let page = account(&world, &mut browser).await;
    let foreign = account(&world, &mut other).await;
    for about in ["revoke_all", kept.decoded().1["grant_id"].as_str().unwrap(), "\"here\"", "\"everywhere\""]
    {
        let form = form(&page, about);
        for binding in ["", "x", &foreign.forms()[0].1.field("binding")] {
            browser.submit(&world, &form.clone().with("binding", binding)).await;
        }
        let fields: Vec<_> = form.fields.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        for (name, value) in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")] {
            let request =
                world.http.post(world.url(&form.action)).headers(form_headers()).body(encode(&fields));
            let sent = request.header("cookie", browser.cookie_line()).header(name, value);
            assert_eq!(sent.send().await.unwrap().status(), 403, "{about}: {name}");
        }
    }
    assert!(is_alive(&world, &kept.access).await);
    assert!(card(&browser.get(&world, "/account").await, "Kept").is_some(), "and it is still signed in");
    let without = form(&page, "revoke_all").with("action", "what");
    assert_eq!(browser.submit(&world, &without).await.status, 400);
}

#[tokio::test]
async fn nobody_ends_what_another_user_granted() {
    let bob = "users:\n  - {name: bob, password: {file: FOLDER/alice.password}}\n";
    let world = World::start_with(|yaml| yaml.replace("users:\n", bob)).await;
    let client = named(&world, "Alice's").await;
    let given = tokens(&world, &mut Browser::default(), &client).await;
    let mut browser = Browser::default();
    let login =
        browser.get(&world, "/account").await.form().with("username", "bob").with("password", PASSWORD);
    let page = browser.submit(&world, &login).await;
    assert!(page.body.contains("Nobody has."), "{}", page.body);
    let grant = given.decoded().1["grant_id"].as_str().unwrap().to_owned();
    for id in [grant.as_str(), "x", "g:x"] {
        let stolen = form(&page, "revoke_all").with("action", "revoke").with("grant", id);
        assert!(browser.submit(&world, &stolen).await.body.contains("had ended already"), "{id}");
    }
    world.advance(SECOND);
    browser.submit(&world, &form(&page, "revoke_all")).await;
    browser.submit(&world, &form(&page, "\"everywhere\"")).await;
    assert!(is_alive(&world, &given.access).await);
}

#[tokio::test]
async fn a_provider_signs_users_in_to_their_account() {
    let upstream = Upstream::start().await;
    let (world, client) = upstream.world(&upstream.oidc("allow: {everyone: true}")).await;
    let mut browser = Browser::default();
    let login = browser.get(&world, "/account").await;
    let asked = approval(&world, &mut browser, &login).await;
    assert_eq!(asked.action, "/signin/x");
    let left = browser.submit(&world, &asked.clone().with("decision", "approve")).await.left_for.unwrap();
    let page = browser.get(&world, &upstream.sign_in(&left)).await;
    assert!(page.status == 200 && page.body.contains("#u-1"), "{page:?}");
    tokens(&world, &mut browser, &client).await;
    assert!(card(&browser.get(&world, "/account").await, "Test client").is_some());
    // Somebody whom the provider does not sign in sees why, and no account.
    let mut refused = Browser::default();
    let login = refused.get(&world, "/account").await;
    let asked = approval(&world, &mut refused, &login).await;
    let left = refused.submit(&world, &asked.with("decision", "approve")).await.left_for.unwrap();
    let answer = upstream.sign_in(&left).replace("code=", "error=access_denied&x=");
    let page = refused.get(&world, &answer).await;
    assert!(page.status == 400 && page.left_for.is_none(), "{page:?}");
}
