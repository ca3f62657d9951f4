//! What browsers are told, and what they cannot be made to do.

use std::time::Duration;

use serde_json::json;
use wicketgate_auth::config::Config;

use crate::world::browser::{Browser, Page};
use crate::world::client::Client;
use crate::world::{PASSWORD, RESOURCE, World, encode, form_headers};

#[tokio::test]
async fn the_consent_page_names_everything() {
    let world = World::start().await;
    let name = json!({"client_name": "<b>Evil & Co</b>", "token_endpoint_auth_method": "none"});
    let client = Client::register(&world, name).await;
    let mut browser = Browser::default();
    browser.answer(&world, &client.link(&[]), "deny").await;
    let page = browser.get(&world, &client.link(&[])).await;
    for wanted in ["127.0.0.1:7777", "mcp:read", "mcp:write", RESOURCE, "alice", "&#60;b&#62;Evil"] {
        assert!(page.body.contains(wanted), "{wanted}: {}", page.body);
    }
    assert!(!page.body.contains("<b>") && page.body.contains("class=\"warning\""));
}

#[tokio::test]
async fn pages_are_locked_down_and_still_lead_to_the_client() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let mut browser = Browser::default();
    let login = browser.get(&world, &client.link(&[])).await;
    browser.answer(&world, &client.link(&[]), "deny").await;
    let consent = browser.get(&world, &client.link(&[])).await;
    let error = browser.get(&world, "/authorize").await;
    let lead_to = |targets: &str| {
        format!(
            "default-src 'none'; style-src 'self'; form-action {targets}; frame-ancestors 'none'; base-uri 'none'"
        )
    };
    for (page, targets) in [
        (&login, "'self' http://127.0.0.1:7777"),
        (&consent, "'self' http://127.0.0.1:7777"),
        (&error, "'none'"),
    ] {
        assert_eq!(page.headers["content-security-policy"], lead_to(targets));
        assert_eq!(page.headers["x-frame-options"], "DENY");
        assert_eq!(page.headers["referrer-policy"], "same-origin");
        assert_eq!(page.headers["cache-control"], "no-store");
        assert_eq!(page.headers["x-content-type-options"], "nosniff");
        assert!(!page.body.contains("<script") && page.body.contains("<html lang=\"en\">"));
    }
    // A client may have opened them in a window of its own, and waits for that.
    for page in [&login, &consent, &error] {
        assert!(!page.headers.contains_key("cross-origin-opener-policy"));
    }
    for path in ["/account", "/device"] {
        let own = browser.get(&world, path).await;
        assert_eq!(own.headers["cross-origin-opener-policy"], "same-origin", "{path}: {own:?}");
    }
    let style = world.get("/assets/style.css").await;
    assert_eq!(style.headers()["content-type"], "text/css; charset=utf-8");
    assert!(style.text().await.unwrap().contains("prefers-color-scheme: dark"));
}

#[tokio::test]
async fn the_operators_style_comes_after_ours() {
    let mut world = World::prepared(|yaml| yaml + "pages: {style: FOLDER/theme.css}\n");
    let theme = world.folder.path().join("theme.css");
    let styled = async |world: &World| world.get("/assets/style.css").await.text().await.unwrap();
    for wrong in [None, Some(vec![b' '; 64 * 1024 + 1]), Some(vec![0xff])] {
        if let Some(bytes) = wrong {
            std::fs::write(&theme, bytes).unwrap();
        }
        let refused = Config::parse(&world.yaml).unwrap_err();
        assert_eq!(refused.path, "pages.style", "{refused}");
    }
    std::fs::write(&theme, ":root { --primary: #4b2e83; }").unwrap();
    world.restart().await;
    let style = styled(&world).await;
    assert!(style.contains(".primary {") && style.ends_with(":root { --primary: #4b2e83; }"), "{style}");
    std::fs::write(&theme, "main { max-width: 40rem; }").unwrap();
    world.reload(|yaml| yaml).await.unwrap();
    assert!(styled(&world).await.ends_with("main { max-width: 40rem; }"), "read anew");
    let plain = styled(&World::start().await).await;
    assert!(plain.contains(".primary {") && !plain.contains("40rem"));
}

#[tokio::test]
async fn a_request_belongs_to_the_browser_that_brought_it() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let mut attacker = Browser::default();
    let login = attacker.get(&world, &client.link(&[])).await.form();
    let handle = login.fields.iter().find(|(name, _)| name == "request").unwrap().1.clone();

    let mut victim = Browser::default();
    victim.answer(&world, &client.link(&[]), "deny").await;
    for page in ["/login", "/consent"] {
        let page = victim.get(&world, &format!("{page}?request={handle}")).await;
        assert_eq!((page.status, page.has_field("request")), (400, false), "another's link opens nothing");
    }
    let filled = login.clone().with("username", "alice").with("password", PASSWORD);
    assert_eq!(victim.submit(&world, &filled).await.status, 400, "no login form of another browser");
    let consent = victim.get(&world, &client.link(&[])).await.form().with("decision", "approve");
    let page = attacker.submit(&world, &consent).await;
    assert!(page.left_for.is_none() && page.status == 400, "no consent form of another browser");
}

#[tokio::test]
async fn posts_from_elsewhere_are_refused() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let mut browser = Browser::default();
    browser.answer(&world, &client.link(&[]), "deny").await;
    let form = browser.get(&world, &client.link(&[])).await.form().with("decision", "approve");
    let cookies = browser.cookies.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join("; ");
    let fields: Vec<(&str, &str)> = form.fields.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    for (name, value, wanted) in [
        ("origin", "https://evil.example", 403),
        ("origin", "null", 403),
        ("sec-fetch-site", "cross-site", 403),
        ("sec-fetch-site", "same-site", 403),
        ("origin", "http://127.0.0.1:8080", 303),
    ] {
        let request = world.http.post(world.url("/consent")).headers(form_headers()).body(encode(&fields));
        let response = request.header("cookie", &cookies).header(name, value).send().await.unwrap();
        assert_eq!(response.status(), wanted, "{name}: {value}");
    }
}

#[tokio::test]
async fn a_consent_form_without_its_binding_decides_nothing() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let mut browser = Browser::default();
    browser.answer(&world, &client.link(&[]), "deny").await;
    let form = browser.get(&world, &client.link(&[])).await.form().with("decision", "approve");
    for binding in ["", "x"] {
        let page = browser.submit(&world, &form.clone().with("binding", binding)).await;
        assert!(page.left_for.is_none() && page.has_field("decision"), "the page is shown again");
    }
    assert_eq!(browser.submit(&world, &form.clone().with("decision", "maybe")).await.status, 400);
    assert!(browser.submit(&world, &form).await.param("code").is_some());
}

#[tokio::test]
async fn a_sign_in_gets_a_new_session_and_https_gets_host_cookies() {
    let https = |yaml: String| yaml.replace("issuer: http://127.0.0.1:8080", "issuer: https://auth.example");
    let world = World::start_with(https).await;
    let client = Client::public(&world).await;
    let mut browser = Browser::default();
    browser.cookies.insert("__Host-wicketgate_session".into(), "planted".into());
    let jwks = world.get("/jwks").await;
    assert_eq!(jwks.headers()["strict-transport-security"], "max-age=31536000");
    browser.answer(&world, &client.link(&[]), "deny").await;
    assert_ne!(browser.cookies["__Host-wicketgate_session"], "planted");
    assert!(browser.cookies.contains_key("__Host-wicketgate_browser"));
}

#[tokio::test]
async fn a_sign_in_ends_when_idle_and_in_the_end() {
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    let world = World::start().await;
    let client = Client::public(&world).await;
    let (mut idle, mut busy) = (Browser::default(), Browser::default());
    let link = client.link(&[("prompt", "consent")]);
    for browser in [&mut idle, &mut busy] {
        browser.approve(&world, &link).await;
    }
    for _ in 0..3 {
        world.advance(hours(7));
        assert!(busy.get(&world, &link).await.has_field("decision"));
    }
    assert!(idle.get(&world, &link).await.has_field("password"), "idle for 21 hours");
    world.advance(hours(3));
    assert!(busy.get(&world, &link).await.has_field("password"), "24 hours old");
}

#[tokio::test]
async fn a_waiting_request_expires() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let mut browser = Browser::default();
    let form = browser.get(&world, &client.link(&[])).await.form();
    world.advance(Duration::from_secs(600));
    let filled = form.with("username", "alice").with("password", PASSWORD);
    assert_eq!(browser.submit(&world, &filled).await.status, 400);
}

#[tokio::test]
async fn sign_ins_that_succeed_use_nothing_up() {
    let limits = "login: {per_account_and_address: 2, per_account: 2, per_address: 3}\n";
    let world = World::start_with(|yaml| yaml + limits).await;
    let client = Client::public(&world).await;
    let form = |page: &Page, password: &str| page.form().with("username", "alice").with("password", password);
    for _ in 0..5 {
        assert!(Browser::default().approve(&world, &client.link(&[])).await.param("code").is_some());
    }
    let mut browser = Browser::default();
    let login = browser.get(&world, &client.link(&[("prompt", "consent")])).await;
    for (password, status) in [("x", 403), (PASSWORD, 200), ("x", 403), ("x", 429)] {
        let page = browser.submit(&world, &form(&login, password)).await;
        assert_eq!(page.status, status, "an owner's success does not take back what others tried");
    }
}

#[tokio::test]
async fn wrong_passwords_are_one_answer_and_limited() {
    let world = World::start_with(|yaml| yaml + "login: {per_account_and_address: 3}\n").await;
    let client = Client::public(&world).await;
    let mut browser = Browser::default();
    let form = browser.get(&world, &client.link(&[])).await.form();
    let attempt = |name: &str, password: &str| form.clone().with("username", name).with("password", password);
    let unknown = browser.submit(&world, &attempt("mallory", "x")).await;
    let wrong = browser.submit(&world, &attempt("alice", "x")).await;
    assert_eq!((wrong.status, &wrong.body), (403, &unknown.body), "a name is not given away");
    for wanted in [403, 403, 429] {
        assert_eq!(browser.submit(&world, &attempt("alice", "x")).await.status, wanted);
    }
    let right = browser.submit(&world, &attempt("alice", PASSWORD)).await;
    assert_eq!(right.status, 429, "the right one too");
    assert_eq!(right.headers["retry-after"], "60");
    assert_eq!(browser.submit(&world, &attempt("bob", "x")).await.status, 403, "others are not affected");
    world.advance(Duration::from_secs(15 * 60));
    let mut browser = Browser::default();
    assert!(browser.approve(&world, &client.link(&[])).await.param("code").is_some());
}

#[tokio::test]
async fn a_client_that_is_gone_gets_no_answer_of_a_page_that_is_still_open() {
    for decision in ["approve", "deny"] {
        let world = World::start().await;
        let client = Client::public(&world).await;
        let mut browser = Browser::default();
        browser.answer(&world, &client.link(&[]), "deny").await;
        let consent = browser.get(&world, &client.link(&[])).await.form();
        let gone =
            world.http.delete(format!("{}/v1/clients/{}", world.admin, client.id)).send().await.unwrap();
        assert!(gone.status().is_success(), "{gone:?}");
        let page = browser.submit(&world, &consent.with("decision", decision)).await;
        assert_eq!((page.status, page.left_for.as_deref()), (400, None), "{decision}: {page:?}");
    }
}

#[tokio::test]
async fn what_is_too_long_for_a_link_is_not_sent_on_as_one() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let link = client.link(&[("ui_hint", &"x".repeat(40_000))]);
    let form = link.strip_prefix("/authorize?").unwrap().to_owned();
    let request = world.http.post(world.url("/authorize")).headers(form_headers()).body(form);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 413);
    assert!(answer.text().await.unwrap().contains("RFC 9126"));
}
