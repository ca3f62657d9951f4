//! Clients whose id is the URL of their metadata document.

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::World;
use crate::world::browser::Browser;
use crate::world::client::{Client, REDIRECT};
use crate::world::publisher::Publisher;
use crate::world::signer::{ASSERTION, Signer};

pub(crate) fn document(id: &str) -> Value {
    json!({
        "client_id": id, "client_name": "Published editor", "client_uri": "https://editor.example/",
        "redirect_uris": [REDIRECT, "https://editor.example/cb"], "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
    })
}

pub(crate) fn public(id: String) -> Client {
    Client { id, secret: None, method: "none".to_owned() }
}

/// A world whose server may ask the publisher, and a client that is published there.
pub(crate) async fn published() -> (Publisher, World, Client) {
    let publisher = Publisher::start().await;
    let world = World::start_with(|yaml| publisher.allowed(&yaml)).await;
    let client = public(publisher.url("/client.json"));
    publisher.publish("/client.json", &document(&client.id));
    (publisher, world, client)
}

async fn status(world: &World, client: &Client) -> u16 {
    let page = Browser::default().get(world, &client.link(&[])).await;
    assert!(page.left_for.is_none(), "{page:?}");
    page.status
}

#[tokio::test]
async fn a_document_is_enough_to_be_a_client() {
    let (publisher, world, client) = published().await;
    let metadata: Value = world.get("/.well-known/oauth-authorization-server").await.json().await.unwrap();
    assert_eq!(metadata["client_id_metadata_document_supported"], true);
    let tokens = client.tokens(&world).await;
    assert_eq!(tokens.decoded().1["client_id"], client.id);
    assert_eq!(client.refresh(&world, &tokens.refresh, &[]).await.0, 200);
    assert_eq!(publisher.asked("/client.json"), 1, "remembered");
    world.advance(Duration::from_secs(600));
    assert_eq!(status(&world, &client).await, 200);
    assert_eq!(publisher.asked("/client.json"), 2, "and not for ever");
}

#[tokio::test]
async fn the_consent_page_names_who_vouches() {
    let (_publisher, world, client) = published().await;
    let mut browser = Browser::default();
    let page = browser.get(&world, &client.link(&[])).await;
    let form = page.form().with("username", "alice").with("password", crate::world::PASSWORD);
    let page = browser.submit(&world, &form).await;
    assert!(
        page.body.contains("Published editor") && page.body.contains("<strong>localhost</strong>"),
        "{}",
        page.body
    );
    assert!(page.body.contains("127.0.0.1:7777"), "and where the answer goes");
}

/// RFC 8252 section 8.6: the id is published, so any program of the machine could ask under it.
#[tokio::test]
async fn a_consent_that_leads_to_the_machine_is_not_remembered() {
    let (_publisher, world, client) = published().await;
    let mut browser = Browser::default();
    assert!(browser.approve(&world, &client.link(&[])).await.param("code").is_some());
    assert!(browser.get(&world, &client.link(&[])).await.has_field("decision"), "asked again");
    let silent = browser.get(&world, &client.link(&[("prompt", "none")])).await;
    assert_eq!(silent.param("error").as_deref(), Some("consent_required"));

    let elsewhere = ("redirect_uri", "https://editor.example/cb");
    browser.approve(&world, &client.link(&[elsewhere])).await;
    let silent = browser.get(&world, &client.link(&[elsewhere, ("prompt", "none")])).await;
    assert!(silent.param("code").is_some(), "its host vouches for it: {silent:?}");
}

#[tokio::test]
async fn only_redirects_of_the_document_are_used() {
    let (_publisher, world, client) = published().await;
    for redirect in ["https://evil.example/cb", "https://editor.example/cb/", "http://127.0.0.1:7777/other"] {
        let page = Browser::default().get(&world, &client.link(&[("redirect_uri", redirect)])).await;
        assert_eq!((page.status, page.left_for), (400, None), "{redirect}");
    }
}

#[tokio::test]
async fn documents_that_make_no_client() {
    let (publisher, world, _) = published().await;
    let json_type = "content-type: application/json\r\n";
    let text = |id: &str, field: &str, value: Value| {
        let mut document = document(id);
        document[field] = value;
        document.to_string()
    };
    let large = |id: &str| text(id, "x", json!("x".repeat(17 * 1024)));
    for (path, code, headers, body) in [
        ("/id", 200, json_type, text("https://localhost/other", "x", json!(1))),
        ("/secret", 200, json_type, text(&publisher.url("/secret"), "client_secret", json!("x"))),
        (
            "/method",
            200,
            json_type,
            text(&publisher.url("/method"), "token_endpoint_auth_method", json!("client_secret_basic")),
        ),
        ("/uris", 200, json_type, text(&publisher.url("/uris"), "redirect_uris", json!([]))),
        ("/large", 200, json_type, large(&publisher.url("/large"))),
        ("/html", 200, "content-type: text/html\r\n", document(&publisher.url("/html")).to_string()),
        ("/untyped", 200, "", document(&publisher.url("/untyped")).to_string()),
        ("/created", 201, json_type, document(&publisher.url("/created")).to_string()),
        ("/gone", 404, json_type, document(&publisher.url("/gone")).to_string()),
        ("/broken", 200, json_type, "{".to_owned()),
        ("/list", 200, json_type, "[]".to_owned()),
    ] {
        publisher.answer(path, code, headers, &body);
        let client = public(publisher.url(path));
        assert_eq!(status(&world, &client).await, 400, "{path}");
        assert_eq!(publisher.asked(path), 1, "{path}");
    }
    let plus_json = publisher.url("/plus");
    let body = document(&plus_json).to_string();
    publisher.answer("/plus", 200, "content-type: application/oauth-client+json; charset=utf-8\r\n", &body);
    assert_eq!(status(&world, &public(plus_json)).await, 200);
}

#[tokio::test]
async fn a_document_without_a_length_ends_where_it_is_too_large() {
    let (publisher, world, _) = published().await;
    let headers = "content-type: application/json\r\ntransfer-encoding: chunked\r\n";
    let chunked = |text: &str| format!("{:x}\r\n{text}\r\n0\r\n\r\n", text.len());
    let client = public(publisher.url("/chunked"));
    let mut body = document(&client.id);
    publisher.answer("/chunked", 200, headers, &chunked(&body.to_string()));
    assert_eq!(status(&world, &client).await, 200);
    let client = public(publisher.url("/large"));
    body["client_id"] = json!(client.id);
    body["x"] = json!("x".repeat(17 * 1024));
    publisher.answer("/large", 200, headers, &chunked(&body.to_string()));
    assert_eq!(status(&world, &client).await, 400);
}

#[tokio::test]
async fn a_host_must_prove_its_name() {
    let (_trusted, world, _) = published().await;
    let stranger = Publisher::start().await;
    let client = public(stranger.url("/client.json"));
    stranger.publish("/client.json", &document(&client.id));
    assert_eq!(status(&world, &client).await, 400);
    assert_eq!(stranger.asked("/client.json"), 0, "nothing is said to somebody without a certificate");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (publisher, world, client) = published().await;
    for (path, code) in [("/301", 301), ("/302", 302), ("/307", 307)] {
        publisher.answer(path, code, &format!("location: {}\r\n", client.id), "");
        assert_eq!(status(&world, &public(publisher.url(path))).await, 400, "{path}");
    }
    assert_eq!(publisher.asked("/client.json"), 0);
}

#[tokio::test]
async fn an_error_is_not_remembered_for_a_sign_in() {
    let (publisher, world, _) = published().await;
    let client = public(publisher.url("/later.json"));
    assert_eq!(status(&world, &client).await, 400);
    publisher.publish("/later.json", &document(&client.id));
    assert_eq!(status(&world, &client).await, 200);
}

#[tokio::test]
async fn the_token_endpoint_does_not_ask_a_failing_host_again_and_again() {
    let (publisher, world, client) = published().await;
    let tokens = client.tokens(&world).await;
    publisher.answer("/client.json", 404, "", "");
    world.advance(Duration::from_secs(600));
    for (seconds, asked) in [(0, 2), (0, 2), (10, 3)] {
        world.advance(Duration::from_secs(seconds));
        let (status, answer) = client.refresh(&world, &tokens.refresh, &[]).await;
        assert_eq!((status, &answer["error"]), (401, &json!("invalid_client")), "it is no client any more");
        assert_eq!(publisher.asked("/client.json"), asked);
    }
    publisher.publish("/client.json", &document(&client.id));
    world.advance(Duration::from_secs(10));
    assert_eq!(client.refresh(&world, &tokens.refresh, &[]).await.0, 200, "nothing was thrown away");
}

#[tokio::test]
async fn no_byte_goes_to_private_places() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let world = World::start_with(|yaml| format!("{yaml}cimd: {{enabled: true}}\n")).await;
    for host in [
        "127.0.0.1",
        "localhost",
        "localhost.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "0.0.0.0",
    ] {
        let client = public(format!("https://{host}:{port}/c.json"));
        assert_eq!(status(&world, &client).await, 400, "{host}");
    }
    for id in [
        "https://169.254.169.254/latest/meta-data",
        "https://10.0.0.1/c.json",
        "https://[fe80::1]/c.json",
        "https://2130706433/c.json",
        "https://0x7f000001/c.json",
        "https://client.example/a/../c.json",
        "https://user@client.example/c.json",
        "https://client.example/c.json#x",
        "https://client.example",
        "http://client.example/c.json",
        "HTTPS://client.example/c.json",
    ] {
        assert_eq!(status(&world, &public(id.to_owned())).await, 400, "{id}");
    }
    let nobody_came =
        matches!(listener.accept(), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock);
    assert!(nobody_came);
}

#[tokio::test]
async fn nothing_is_fetched_where_it_is_not_enabled() {
    let publisher = Publisher::start().await;
    let world =
        World::start_with(|yaml| publisher.allowed(&yaml).replace("enabled: true", "enabled: false")).await;
    let client = public(publisher.url("/client.json"));
    publisher.publish("/client.json", &document(&client.id));
    assert_eq!(status(&world, &client).await, 400);
    assert_eq!(publisher.asked("/client.json"), 0);
    let metadata: Value = world.get("/.well-known/oauth-authorization-server").await.json().await.unwrap();
    assert!(metadata.get("client_id_metadata_document_supported").is_none());
}

#[tokio::test]
async fn the_token_endpoint_fetches_for_nobody_unknown() {
    let (publisher, world, client) = published().await;
    let (status, answer) = client.refresh(&world, "mr_x", &[]).await;
    assert_eq!((status, &answer["error"]), (401, &json!("invalid_client")));
    assert_eq!(publisher.asked("/client.json"), 0);
}

#[tokio::test]
async fn fetches_are_limited_by_address() {
    let (publisher, mut world, client) = published().await;
    world.restart_with(|yaml| yaml.replace("enabled: true", "enabled: true, per_address_per_hour: 2")).await;
    for id in ["https://10.0.0.1/c.json", "https://user@client.example/c.json", "https://client.example"] {
        assert_eq!(
            status(&world, &public(id.to_owned())).await,
            400,
            "{id}: nobody was asked, so it does not count"
        );
    }
    for (path, wanted) in [("/1", 400), ("/client.json", 200), ("/3", 429), ("/client.json", 200)] {
        assert_eq!(status(&world, &public(publisher.url(path))).await, wanted, "{path}");
    }
    world.advance(Duration::from_secs(3600));
    assert_eq!(status(&world, &client).await, 200);
}

#[tokio::test]
async fn a_refresh_lasts_as_long_as_its_redirect_is_published() {
    let (publisher, world, client) = published().await;
    let tokens = client.tokens(&world).await;
    let mut changed = document(&client.id);
    changed["redirect_uris"] = json!([REDIRECT, "https://evil.example/cb"]);
    publisher.publish("/client.json", &changed);
    world.advance(Duration::from_secs(600));
    let (status, answer) = client.refresh(&world, &tokens.refresh, &[]).await;
    assert_eq!(status, 200, "its redirect is still there: {answer}");
    changed["redirect_uris"] = json!(["https://evil.example/cb"]);
    publisher.publish("/client.json", &changed);
    world.advance(Duration::from_secs(600));
    let next = answer["refresh_token"].as_str().unwrap();
    let (status, answer) = client.refresh(&world, next, &[]).await;
    assert_eq!((status, &answer["error"]), (400, &json!("invalid_grant")));
}

#[tokio::test]
async fn a_changed_document_does_not_let_an_old_code_out() {
    let (publisher, mut world, client) = published().await;
    publisher.answer(
        "/client.json",
        200,
        "content-type: application/json\r\ncache-control: max-age=1\r\n",
        &document(&client.id).to_string(),
    );
    world.restart_with(|yaml| format!("{yaml}lifetimes: {{code: 10m}}\n")).await;
    let unchanged = client.code(&world).await;
    let asked = publisher.asked("/client.json");
    let mut renamed = document(&client.id);
    renamed["client_name"] = json!("Renamed");
    publisher.publish("/client.json", &renamed);
    world.advance(Duration::from_secs(299));
    assert_eq!(client.redeem(&world, "mc_x", &[]).await.0, 400);
    assert_eq!(publisher.asked("/client.json"), asked, "fresh for five minutes at least");
    world.advance(Duration::from_secs(1));
    assert_eq!(client.redeem(&world, &unchanged, &[]).await.0, 200, "a name does not count");
    let code = client.code(&world).await;
    renamed["redirect_uris"] = json!([REDIRECT]);
    publisher.publish("/client.json", &renamed);
    world.restart().await;
    let (status, answer) = client.redeem(&world, &code, &[]).await;
    assert_eq!((status, &answer["error"]), (400, &json!("invalid_grant")));
    assert!(answer["error_description"].as_str().unwrap().contains("has changed"), "{answer}");
}

#[tokio::test]
async fn a_document_that_cannot_be_had_throws_no_tokens_away() {
    let (publisher, mut world, client) = published().await;
    let tokens = client.tokens(&world).await;
    publisher.answer("/client.json", 503, "", "");
    world.advance(Duration::from_secs(600));
    let (status, answer) = client.refresh(&world, &tokens.refresh, &[]).await;
    assert_eq!(status, 200, "the last good one stands in: {answer}");
    world.restart().await;
    let (status, answer) = client.refresh(&world, answer["refresh_token"].as_str().unwrap(), &[]).await;
    assert_eq!((status, &answer["error"]), (503, &json!("temporarily_unavailable")), "not invalid_client");
}

#[tokio::test]
async fn a_published_client_may_sign() {
    let (publisher, world, mut client) = published().await;
    let signer = Signer::es256();
    let mut signing = document(&client.id);
    signing["token_endpoint_auth_method"] = json!("private_key_jwt");
    signing["jwks_uri"] = json!(publisher.url("/jwks"));
    publisher.publish("/client.json", &signing);
    publisher.publish("/jwks", &signer.jwks());
    client.method = "private_key_jwt".to_owned();
    let code = client.code(&world).await;
    assert_eq!(client.redeem(&world, &code, &[]).await.0, 401, "unsigned");
    let assertion = signer.assertion(&world, &client.id, |_| {});
    let proof = [("client_assertion_type", ASSERTION), ("client_assertion", assertion.as_str())];
    let (status, answer) = client.redeem(&world, &code, &proof).await;
    assert_eq!(status, 200, "{answer}");
}
