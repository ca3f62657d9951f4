//! Clients that send a browser to be signed out (OpenID Connect RP-Initiated Logout 1.0).

use std::time::Duration;

use serde_json::{Value, json};

use crate::once_only::is_alive;
use crate::world::browser::{Browser, Page};
use crate::world::client::{Client, REDIRECT};
use crate::world::publisher::Publisher;
use crate::world::{ISSUER, PASSWORD, World, encode, form_headers};

const AFTER: &str = "https://app.example/signed-out?from=wicketgate";
const LOOPBACK: &str = "http://127.0.0.1:7777/out";

/// A client that has places to go, a browser in which alice is signed in, and the ID token that the client has of it.
struct Scene {
    world: World,
    client: Client,
    browser: Browser,
    id_token: String,
    access_token: String,
}

impl Scene {
    async fn start() -> Self {
        let bob = |yaml: String| {
            yaml.replace("clients:\n", "  - {name: bob, password: {file: FOLDER/alice.password}}\nclients:\n")
        };
        let world = World::start_with(bob).await;
        let client = Client::register(&world, metadata()).await;
        let (browser, body) = signed_in(&world, &client, "alice").await;
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        let (id_token, access_token) = (text("id_token"), text("access_token"));
        world.happened();
        Self { world, client, browser, id_token, access_token }
    }

    async fn follow(&mut self, params: &[(&str, &str)]) -> Page {
        self.browser.get(&self.world, &link(params)).await
    }

    async fn is_signed_in(&self) -> bool {
        let mut browser = Browser { cookies: self.browser.cookies.clone() };
        !browser.get(&self.world, &self.client.link(&[])).await.has_field("password")
    }
}

fn metadata() -> Value {
    json!({"token_endpoint_auth_method": "none", "post_logout_redirect_uris": [AFTER, LOOPBACK]})
}

fn link(params: &[(&str, &str)]) -> String {
    format!("/logout?{}", encode(params))
}

/// A browser in which somebody signed in for this client, and the tokens that it got.
async fn signed_in(world: &World, client: &Client, name: &str) -> (Browser, Value) {
    let mut browser = Browser::default();
    let login = browser.get(world, &client.link(&[("scope", "openid mcp:read")])).await.form();
    let mut page = browser.submit(world, &login.with("username", name).with("password", PASSWORD)).await;
    if page.has_field("decision") {
        page = browser.submit(world, &page.form().with("decision", "approve")).await;
    }
    let (status, body) = client.redeem(world, &page.param("code").unwrap(), &[]).await;
    assert_eq!(status, 200, "{body}");
    (browser, body)
}

#[tokio::test]
async fn the_id_token_of_its_user_signs_out_and_returns() {
    for (more, wanted) in [
        (vec![], None),
        (vec![("state", "not sent anywhere")], None),
        (vec![("post_logout_redirect_uri", AFTER)], Some(AFTER.to_owned())),
        (
            vec![("post_logout_redirect_uri", AFTER), ("state", "a b&c"), ("ui_locales", "fr")],
            Some(format!("{AFTER}&state=a+b%26c")),
        ),
        (
            vec![("post_logout_redirect_uri", LOOPBACK), ("state", "s"), ("logout_hint", "bob")],
            Some(format!("{LOOPBACK}?state=s")),
        ),
    ] {
        let mut scene = Scene::start().await;
        let (planted, id_token) = (scene.browser.cookies.clone(), scene.id_token.clone());
        let params = [vec![("id_token_hint", id_token.as_str())], more].concat();
        let page = scene.follow(&params).await;
        assert_eq!(page.left_for, wanted, "{params:?}: {page:?}");
        assert_eq!(page.status, if wanted.is_some() { 303 } else { 200 });
        assert!(wanted.is_some() || page.body.contains("Signed out"), "{}", page.body);
        assert!(scene.browser.cookies.is_empty(), "the browser forgets");
        scene.browser.cookies = planted;
        assert!(!scene.is_signed_in().await, "and so do we");
        let records = scene.world.recorded();
        let [record] = records.as_slice() else { panic!("{records:?}") };
        assert_eq!(
            (&record["event"], &record["subject"], &record["client_id"]),
            (&json!("signed_out"), &json!("alice"), &json!(scene.client.id))
        );
        assert!(is_alive(&scene.world, &scene.access_token).await, "applications keep their access");
    }
}

/// Expired ones are shown, too: sessions are longer than tokens.
#[tokio::test]
async fn an_expired_id_token_will_do() {
    let mut scene = Scene::start().await;
    scene.world.advance(Duration::from_secs(7200));
    let id_token = scene.id_token.clone();
    let page = scene.follow(&[("id_token_hint", &id_token), ("post_logout_redirect_uri", AFTER)]).await;
    assert_eq!(page.left_for.as_deref(), Some(AFTER), "{page:?}");
    assert!(!scene.is_signed_in().await);
}

#[tokio::test]
async fn without_a_proof_the_user_is_asked() {
    let mut scene = Scene::start().await;
    let (_, bobs) = signed_in(&scene.world, &scene.client, "bob").await;
    let bobs = bobs["id_token"].as_str().unwrap().to_owned();
    let (own, access, id) = (scene.id_token.clone(), scene.access_token.clone(), scene.client.id.clone());
    // The first letter of the signature: of the last one most bits are none of it.
    let (signed, signature) = own.rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { 'B' } else { 'A' };
    let forged = format!("{signed}.{other}{}", &signature[1..]);
    for (case, hint, returns) in [
        ("none", ("client_id", id.as_str()), true),
        ("bob's", ("id_token_hint", bobs.as_str()), true),
        ("forged", ("id_token_hint", forged.as_str()), false),
        ("an access token", ("id_token_hint", access.as_str()), false),
        ("no token", ("id_token_hint", "x"), false),
    ] {
        let mut other = Browser { cookies: scene.browser.cookies.clone() };
        std::mem::swap(&mut other, &mut scene.browser);
        let more = [hint, ("post_logout_redirect_uri", AFTER), ("state", "s&<s>")];
        let page = scene.follow(&more).await;
        assert!(page.body.contains("Sign out?") && page.body.contains("alice"), "{case}: {page:?}");
        assert_eq!(page.body.contains("<strong>app.example</strong>"), returns, "{case}: where to");
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert_eq!(policy.contains("form-action 'self' https:;"), returns, "{case}: {policy}");
        assert!(scene.is_signed_in().await, "{case}: not yet");
        if case == "bob's" {
            let done = scene.browser.submit(&scene.world, &page.form()).await;
            assert_eq!(done.left_for, Some(format!("{AFTER}&state=s%26%3Cs%3E")), "{done:?}");
            assert!(!scene.is_signed_in().await);
            let (browser, _) = signed_in(&scene.world, &scene.client, "alice").await;
            other = browser;
        }
        scene.browser = other;
    }
    let page = scene.follow(&[("id_token_hint", &forged), ("post_logout_redirect_uri", AFTER)]).await;
    let done = scene.browser.submit(&scene.world, &page.form()).await;
    assert!(done.left_for.is_none() && done.body.contains("Signed out"), "{done:?}");
    assert!(!scene.is_signed_in().await, "who wants to sign out can");
}

#[tokio::test]
async fn nobody_is_sent_where_the_client_did_not_register() {
    let mut scene = Scene::start().await;
    let theirs =
        json!({"token_endpoint_auth_method": "none", "post_logout_redirect_uris": ["https://evil.example/"]});
    let other = Client::register(&scene.world, theirs).await.id;
    let (own, id) = (scene.id_token.clone(), scene.client.id.clone());
    let long = "s".repeat(4097);
    let (hint, named) = (("id_token_hint", own.as_str()), ("client_id", id.as_str()));
    let to = |uri| ("post_logout_redirect_uri", uri);
    for params in [
        vec![hint, to("https://evil.example/")],
        vec![hint, to("https://app.example/signed-out")],
        vec![hint, to("https://app.example/signed-out?from=wicketgate&x")],
        vec![hint, to("https://app.example/signed-out?from=wicketgate#x")],
        vec![hint, to("HTTPS://app.example/signed-out?from=wicketgate")],
        vec![hint, to("http://127.0.0.1:7778/out")],
        vec![hint, to("//evil.example/")],
        vec![hint, to("javascript:alert(1)")],
        vec![hint, to(REDIRECT)],
        vec![hint, ("client_id", &other), to("https://evil.example/")],
        vec![hint, ("client_id", &other)],
        vec![named, to("https://evil.example/")],
        vec![("client_id", "nobody"), to(AFTER)],
        vec![("client_id", "https://client.example/client.json"), to(AFTER)],
        vec![to(AFTER)],
        vec![hint, to(AFTER), ("state", &long)],
        vec![hint, to(AFTER), to(LOOPBACK)],
        vec![hint, hint, to(AFTER)],
    ] {
        let page = scene.follow(&params).await;
        assert_eq!((page.status, page.left_for), (400, None), "{params:?}");
        assert!(scene.is_signed_in().await, "{params:?}");
    }
    assert_eq!(scene.world.happened(), ["client_registered"]);
}

#[tokio::test]
async fn nobody_who_is_signed_in_is_needed() {
    let scene = Scene::start().await;
    let named = [("client_id", scene.client.id.as_str()), ("post_logout_redirect_uri", AFTER)];
    let hinted = [("id_token_hint", scene.id_token.as_str()), ("post_logout_redirect_uri", AFTER)];
    let page = Browser::default().get(&scene.world, &link(&hinted)).await;
    assert_eq!(page.left_for.as_deref(), Some(AFTER), "{page:?}");
    // Without an ID token anybody could have written the link: it leads nowhere without a click.
    let page = Browser::default().get(&scene.world, &link(&named)).await;
    assert!(page.left_for.is_none() && page.body.contains("Signed out"), "{page:?}");
}

/// Browsers leave our cookies out of posts from elsewhere.
#[tokio::test]
async fn a_posted_request_is_asked_again_as_a_link() {
    let mut scene = Scene::start().await;
    let params = [
        ("id_token_hint", scene.id_token.as_str()),
        ("post_logout_redirect_uri", AFTER),
        ("state", "s"),
        ("where", "everywhere"),
    ];
    let (mut other, _) = signed_in(&scene.world, &scene.client, "alice").await;
    let url = scene.world.url("/logout");
    let post = || scene.world.http.post(&url).headers(form_headers()).header("origin", "https://app.example");
    let answer = post().body(encode(&params)).send().await.unwrap();
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    assert_eq!((answer.status().as_u16(), &location), (303, &link(&params)));
    let page = scene.browser.get(&scene.world, &location).await;
    assert_eq!(page.left_for, Some(format!("{AFTER}&state=s")), "{page:?}");
    assert!(!scene.is_signed_in().await);
    let goes_on = !other.get(&scene.world, &scene.client.link(&[])).await.has_field("password");
    assert!(goes_on, "a client signs out this browser alone");

    let own = other.get(&scene.world, "/logout").await.form();
    let stolen = [("binding", own.field("binding"))];
    let stolen: Vec<(&str, &str)> = stolen.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let answer = post().header("cookie", other.cookie_line()).body(encode(&stolen)).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 403, "our own form from elsewhere");
    let page = other.get(&scene.world, &link(&stolen)).await;
    assert!(page.body.contains("Sign out?"), "a form is no link");
    let twice = encode(&[("state", "a"), ("state", "b")]);
    assert_eq!(post().body(twice).send().await.unwrap().status().as_u16(), 400);
}

#[tokio::test]
async fn places_are_registered_like_redirects() {
    let world = World::start().await;
    let register = async |uris: Value| {
        let body = json!({"redirect_uris": [REDIRECT], "post_logout_redirect_uris": uris});
        crate::world::read(world.http.post(world.url("/register")).json(&body).send().await.unwrap()).await
    };
    for uris in [json!([]), json!([AFTER, LOOPBACK])] {
        let (status, answer) = register(uris.clone()).await;
        assert_eq!((status, &answer["post_logout_redirect_uris"]), (201, &uris));
        let read = world.http.get(world.url(&format!("/register/{}", answer["client_id"].as_str().unwrap())));
        let read = read.bearer_auth(answer["registration_access_token"].as_str().unwrap());
        let read: Value = read.send().await.unwrap().json().await.unwrap();
        assert_eq!(read["post_logout_redirect_uris"], uris);
    }
    for uris in [
        json!("https://app.example/"),
        json!([7]),
        json!(["http://app.example/"]),
        json!(["javascript:alert(1)"]),
        json!(["https://app.example/#x"]),
        json!(["com.example.app:/out"]),
        json!(vec!["https://app.example/"; 21]),
    ] {
        let (status, answer) = register(uris.clone()).await;
        assert_eq!((status, &answer["error"]), (400, &json!("invalid_client_metadata")), "{uris}");
    }
    let metadata: Value = world.get("/.well-known/openid-configuration").await.json().await.unwrap();
    assert_eq!(metadata["end_session_endpoint"], format!("{ISSUER}/logout"));
}

/// What stands in a document, and who makes us fetch it.
#[tokio::test]
async fn a_published_client_returns_once_somebody_let_it_in() {
    let publisher = Publisher::start().await;
    let world = World::start_with(|yaml| publisher.allowed(&yaml)).await;
    let client = Client { id: publisher.url("/client.json"), secret: None, method: "none".to_owned() };
    let mut document = metadata();
    for (name, value) in [
        ("client_id", json!(client.id)),
        ("client_name", json!("Published")),
        ("redirect_uris", json!([REDIRECT])),
    ] {
        document[name] = value;
    }
    publisher.publish("/client.json", &document);
    let named = link(&[("client_id", &client.id), ("post_logout_redirect_uri", AFTER)]);
    assert_eq!(Browser::default().get(&world, &named).await.status, 400);
    assert_eq!(publisher.asked("/client.json"), 0, "a link from anywhere makes us fetch nothing");

    let (mut browser, body) = signed_in(&world, &client, "alice").await;
    let hint = [("id_token_hint", body["id_token"].as_str().unwrap()), ("post_logout_redirect_uri", AFTER)];
    assert_eq!(browser.get(&world, &link(&hint)).await.left_for.as_deref(), Some(AFTER));

    // Its host is away, and what it said is too old.
    let (mut browser, _) = signed_in(&world, &client, "alice").await;
    publisher.answer("/client.json", 503, "", "");
    world.advance(Duration::from_secs(2 * 24 * 3600));
    let page = browser.get(&world, &link(&hint)).await;
    assert!(page.left_for.is_none() && page.body.contains("Signed out"), "{page:?}");
}
