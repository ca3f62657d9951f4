//! Who can come back from a provider, how often, and to what.

use std::time::Duration;

use serde_json::json;

use crate::world::browser::{Browser, Page};
use crate::world::client::{Client, REDIRECT, Tokens};
use crate::world::upstream::{ACCESS_TOKEN, Upstream, arrive, leave, tokens};
use crate::world::{CONFIGURED_SECRET, ISSUER, World, encode, form_headers};

const EVERYONE: &str = "allow: {everyone: true}";

async fn started() -> (Upstream, World, Client) {
    let upstream = Upstream::start().await;
    let (world, client) = upstream.world(&upstream.oidc(EVERYONE)).await;
    (upstream, world, client)
}

fn handle_in(page: &Page) -> String {
    page.body.split_once("name=\"request\" value=\"").unwrap().1.split_once('"').unwrap().0.to_owned()
}

fn nobody(page: &Page) -> bool {
    page.status == 400 && page.left_for.is_none() && !page.headers.contains_key("set-cookie")
}

#[tokio::test]
async fn the_client_is_named_before_the_browser_leaves() {
    let upstream = Upstream::start().await;
    let (world, _) = upstream.world(&upstream.oidc(EVERYONE)).await;
    let name = json!({"client_name": "<b>Evil</b>", "token_endpoint_auth_method": "none"});
    let client = Client::register(&world, name).await;
    let mut browser = Browser::default();
    let login = browser.get(&world, &client.link(&[])).await;
    assert!(login.has_field("password") && login.body.contains("Sign in with Example"), "{}", login.body);
    let path = format!("/signin/x?request={}", handle_in(&login));
    let page = browser.get(&world, &path).await;
    assert!(page.left_for.is_none() && page.status == 200 && page.body.contains("/login?request="));
    for wanted in
        ["127.0.0.1:7777", "mcp:read", "mcp:write", "&#60;b&#62;Evil", "Example", "class=\"warning\""]
    {
        assert!(page.body.contains(wanted), "{wanted}: {}", page.body);
    }
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.contains(&format!("form-action 'self' http://127.0.0.1:7777 {};", upstream.base)),
        "{policy}"
    );
    assert!(!browser.cookies.contains_key("wicketgate_upstream"), "not before the approval");
    browser.submit(&world, &page.form().with("decision", "approve")).await;
    assert!(browser.cookies.contains_key("wicketgate_upstream"));
}

#[tokio::test]
async fn a_denied_request_never_leaves() {
    let (_upstream, world, client) = started().await;
    let mut browser = Browser::default();
    let login = browser.get(&world, &client.link(&[])).await;
    let path = format!("/signin/x?request={}", handle_in(&login));
    let form = browser.get(&world, &path).await.form();
    for (field, value) in [("decision", "maybe"), ("binding", "x")] {
        let page = browser.submit(&world, &form.clone().with("decision", "approve").with(field, value)).await;
        assert!(page.left_for.is_none(), "{field}");
    }
    let page = browser.submit(&world, &form.clone().with("decision", "deny")).await;
    assert_eq!(
        (page.param("error").as_deref(), page.param("iss").as_deref()),
        (Some("access_denied"), Some(ISSUER))
    );
    assert!(nobody(&browser.submit(&world, &form.with("decision", "approve")).await), "answered already");
}

#[tokio::test]
async fn an_approval_belongs_to_the_browser_and_to_our_page() {
    let (_upstream, world, client) = started().await;
    let mut browser = Browser::default();
    let login = browser.get(&world, &client.link(&[])).await;
    let path = format!("/signin/x?request={}", handle_in(&login));
    let form = browser.get(&world, &path).await.form().with("decision", "approve");
    let mut other = Browser::default();
    other.get(&world, &client.link(&[])).await;
    assert!(nobody(&other.get(&world, &path).await) && nobody(&other.submit(&world, &form).await));
    let fields: Vec<(&str, &str)> = form.fields.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let cookies = browser.cookies.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join("; ");
    let post = world.http.post(world.url("/signin/x")).headers(form_headers()).body(encode(&fields));
    let response =
        post.header("cookie", cookies).header("origin", "https://evil.example").send().await.unwrap();
    assert_eq!(response.status(), 403);
    assert!(nobody(&browser.get(&world, &path.replace("/x?", "/y?")).await), "no such provider");
}

#[tokio::test]
async fn only_the_browser_that_left_comes_back() {
    let (upstream, world, client) = started().await;
    let mut attacker = Browser::default();
    let location = leave(&world, &mut attacker, &client.link(&[])).await;
    let back = upstream.sign_in(&location);
    // The victim is in the middle of a sign-in of its own.
    let mut victim = Browser::default();
    leave(&world, &mut victim, &client.link(&[])).await;
    assert!(nobody(&victim.get(&world, &back).await), "login CSRF");
    assert!(nobody(&Browser::default().get(&world, &back).await));
    for cookie in ["wicketgate_browser", "wicketgate_upstream"] {
        let mut half = Browser { cookies: attacker.cookies.clone() };
        half.cookies.insert(cookie.to_owned(), victim.cookies[cookie].clone());
        assert!(nobody(&half.get(&world, &back).await), "{cookie} of another browser");
        half.cookies.remove(cookie);
        assert!(nobody(&half.get(&world, &back).await), "without {cookie}");
    }
    assert_eq!(upstream.asked("/token"), 0, "no code was redeemed");
    assert!(attacker.get(&world, &back).await.param("code").is_some(), "and nothing was used up");
}

#[tokio::test]
async fn a_state_works_once_and_for_ten_minutes() {
    let (upstream, world, client) = started().await;
    let mut browser = Browser::default();
    let location = leave(&world, &mut browser, &client.link(&[])).await;
    let (first, second) = (upstream.sign_in(&location), upstream.sign_in(&location));
    assert!(browser.get(&world, &first).await.param("code").is_some());
    for again in [&first, &second] {
        assert!(nobody(&browser.get(&world, again).await));
    }
    let mut late = Browser::default();
    let location = leave(&world, &mut late, &client.link(&[])).await;
    world.advance(Duration::from_secs(600));
    assert!(nobody(&late.get(&world, &upstream.sign_in(&location)).await));
    for query in ["", "?code=x", "?state=x", "?state=x&code=x", "?error=access_denied"] {
        assert!(nobody(&late.get(&world, &format!("/callback/x{query}")).await), "{query}");
    }
    assert_eq!(upstream.asked("/token"), 1);
}

#[tokio::test]
async fn parallel_returns_are_one() {
    let (upstream, world, client) = started().await;
    let mut browser = Browser::default();
    let back = upstream.sign_in(&leave(&world, &mut browser, &client.link(&[])).await);
    let cookies = browser.cookies.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join("; ");
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..10 {
        tasks.spawn(world.http.get(world.url(&back)).header("cookie", &cookies).send());
    }
    let statuses: Vec<u16> =
        tasks.join_all().await.into_iter().map(|answer| answer.unwrap().status().as_u16()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 303).count(), 1, "{statuses:?}");
    assert_eq!(upstream.asked("/token"), 1);
}

#[tokio::test]
async fn tabs_do_not_disturb_each_other() {
    let (upstream, world, client) = started().await;
    let mut browser = Browser::default();
    let mut locations = Vec::new();
    for _ in 0..2 {
        locations.push(leave(&world, &mut browser, &client.link(&[])).await);
    }
    for location in locations {
        assert!(browser.get(&world, &upstream.sign_in(&location)).await.param("code").is_some());
    }
}

#[tokio::test]
async fn errors_of_the_provider_go_to_the_client() {
    let (upstream, world, client) = started().await;
    for answer in [
        "error=access_denied&error_description=%3Cscript%3E",
        "error=server_error",
        "error=login_required&code=x",
        "nothing=1",
        "code=a&code=b",
        "code=x&iss=https%3A%2F%2Fother.example",
        "code=unknown",
    ] {
        let mut browser = Browser::default();
        let back = upstream.sign_in(&leave(&world, &mut browser, &client.link(&[])).await);
        let state = back.split_once("&state=").unwrap().1;
        let page = browser.get(&world, &format!("/callback/x?state={state}&{answer}")).await;
        assert!(page.left_for.as_deref().unwrap().starts_with(REDIRECT), "{answer}: {page:?}");
        for (name, value) in [("error", "access_denied"), ("state", "st ate&1"), ("iss", ISSUER)] {
            assert_eq!(page.param(name).as_deref(), Some(value), "{answer}");
        }
        assert!(!page.left_for.as_deref().unwrap().contains("%3C"), "{answer}");
        assert!(nobody(&browser.get(&world, &back).await), "{answer}: it is over");
    }
}

#[tokio::test]
async fn an_answer_names_its_issuer_where_the_provider_says_so() {
    let upstream = Upstream::start().await;
    upstream.set(|mock| mock.discovery["authorization_response_iss_parameter_supported"] = json!(true));
    let (world, client) = upstream.world(&upstream.oidc(EVERYONE)).await;
    for (iss, good) in
        [(Some(upstream.base.clone()), true), (Some(format!("{}/", upstream.base)), false), (None, false)]
    {
        let mut browser = Browser::default();
        let mut back = upstream.sign_in(&leave(&world, &mut browser, &client.link(&[])).await);
        if let Some(iss) = &iss {
            back.push_str(&format!("&{}", encode(&[("iss", iss)])));
        }
        assert_eq!(browser.get(&world, &back).await.param("code").is_some(), good, "{iss:?}");
    }
}

#[tokio::test]
async fn several_providers_do_not_answer_for_each_other() {
    let (x, y) = (Upstream::start().await, Upstream::start().await);
    let second = y.oidc(EVERYONE).replace("identity_providers:\n", "").replace("id: x", "id: y");
    let (world, client) = x.world(&(x.oidc(EVERYONE) + &second)).await;
    let mut browser = Browser::default();
    let back = x.sign_in(&leave(&world, &mut browser, &client.link(&[])).await);
    assert!(nobody(&browser.get(&world, &back.replace("/callback/x", "/callback/y")).await), "mix-up");
    assert_eq!(y.asked("/token"), 0, "no code of one goes to the other");
    assert!(browser.get(&world, &back).await.param("code").is_some());

    let login = Browser::default().get(&world, &client.link(&[])).await;
    assert!(login.body.contains("action=\"/signin/x\"") && login.body.contains("action=\"/signin/y\""));
    let mut browser = Browser::default();
    let login = browser.get(&world, &client.link(&[])).await;
    let form = browser.get(&world, &format!("/signin/y?request={}", handle_in(&login))).await.form();
    let location = browser.submit(&world, &form.with("decision", "approve")).await.left_for.unwrap();
    let code = browser.get(&world, &y.sign_in(&location)).await.param("code").unwrap();
    let said = Tokens::of(client.redeem(&world, &code, &[]).await.1).decoded().1;
    assert_eq!(said["sub"], format!("{}#u-1", y.base), "the same subject elsewhere is somebody else");
}

#[tokio::test]
async fn a_sign_in_gets_a_new_session() {
    let (upstream, world, client) = started().await;
    let mut browser = Browser::default();
    browser.cookies.insert("wicketgate_session".into(), "planted".into());
    let back = upstream.sign_in(&leave(&world, &mut browser, &client.link(&[])).await);
    browser.get(&world, &back).await;
    let first = browser.cookies["wicketgate_session"].clone();
    assert_ne!(first, "planted");
    let back = upstream.sign_in(&leave(&world, &mut browser, &client.link(&[("prompt", "login")])).await);
    browser.get(&world, &back).await;
    assert_ne!(browser.cookies["wicketgate_session"], first);
    let mut old = Browser { cookies: [("wicketgate_session".to_owned(), first)].into() };
    assert!(old.get(&world, &client.link(&[])).await.body.contains("/signin/x"), "the earlier one is over");
}

#[tokio::test]
async fn https_gets_host_cookies() {
    let upstream = Upstream::start().await;
    let provider = upstream.oidc(EVERYONE);
    let https = |yaml: String| yaml.replace("issuer: http://127.0.0.1:8080", "issuer: https://auth.example");
    let world = World::start_with(|yaml| https(yaml) + &provider).await;
    let client = Client::public(&world).await;
    let mut browser = Browser::default();
    let location = leave(&world, &mut browser, &client.link(&[])).await;
    assert!(location.contains("redirect_uri=https%3A%2F%2Fauth.example%2Fcallback%2Fx"), "{location}");
    assert!(browser.cookies.contains_key("__Host-wicketgate_upstream"));
}

#[tokio::test]
async fn departures_are_limited_by_address() {
    let (_upstream, mut world, client) = started().await;
    world.restart_with(|yaml| yaml + "login: {per_address: 2}\n").await;
    for _ in 0..2 {
        leave(&world, &mut Browser::default(), &client.link(&[])).await;
    }
    let mut browser = Browser::default();
    let login = browser.get(&world, &client.link(&[])).await;
    let form = browser.get(&world, &format!("/signin/x?request={}", handle_in(&login))).await.form();
    assert_eq!(browser.submit(&world, &form.with("decision", "approve")).await.status, 429);
}

#[tokio::test]
async fn who_comes_back_signed_in_has_not_failed() {
    let (upstream, mut world, client) = started().await;
    world.restart_with(|yaml| yaml + "login: {per_address: 2}\n").await;
    for _ in 0..4 {
        assert!(arrive(&upstream, &world, &client).await.param("code").is_some());
    }
}

#[tokio::test]
async fn without_local_users_there_is_no_password() {
    let upstream = Upstream::start().await;
    let provider = upstream.oidc(EVERYONE);
    let without = |yaml: String| {
        let kept: Vec<&str> =
            yaml.lines().filter(|line| !line.contains("alice") && *line != "users:").collect();
        kept.join("\n") + "\n" + &provider
    };
    let world = World::start_with(without).await;
    let client = Client::public(&world).await;
    let page = Browser::default().get(&world, &client.link(&[])).await;
    assert!(!page.has_field("password") && page.has_field("decision"), "there is nothing to choose");
    assert!(!page.body.contains("/login?"));
    assert!(arrive(&upstream, &world, &client).await.param("code").is_some());
}

#[tokio::test]
async fn nothing_of_a_sign_in_lies_in_the_file() {
    let (upstream, mut world, client) = started().await;
    let mut browser = Browser::default();
    let location = leave(&world, &mut browser, &client.link(&[])).await;
    let url = url::Url::parse(&location).unwrap();
    let mut secrets: Vec<String> = ["state", "nonce", "code_challenge"]
        .iter()
        .map(|name| url.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned())
        .collect();
    secrets.extend(browser.cookies.into_values());
    secrets.extend([ACCESS_TOKEN, CONFIGURED_SECRET].map(ToOwned::to_owned));
    tokens(&upstream, &world, &client).await;
    world.stop().await;
    let file = world.kept();
    let contains = |needle: &str| file.windows(needle.len()).any(|window| window == needle.as_bytes());
    assert!(contains(&format!("{}#u-1", upstream.base)), "what is searched for would be found");
    for secret in secrets {
        assert!(!contains(&secret), "{secret}");
    }
}
