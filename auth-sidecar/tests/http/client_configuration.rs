//! A client and its own registration (RFC 7592).

use reqwest::Method;
use serde_json::{Value, json};

use crate::world::browser::Browser;
use crate::world::client::{Client, REDIRECT, Tokens};
use crate::world::{ISSUER, RESOURCE, World, read};

/// A registration as its owner holds it.
struct Owned {
    id: String,
    token: String,
    answer: Value,
}

impl Owned {
    async fn register(world: &World, extra: Value) -> Self {
        let mut body = json!({"redirect_uris": [REDIRECT], "client_name": "Mine"});
        for (key, value) in extra.as_object().unwrap() {
            body[key] = value.clone();
        }
        let (status, answer) =
            read(world.http.post(world.url("/register")).json(&body).send().await.unwrap()).await;
        assert_eq!(status, 201, "{answer}");
        Self::of(answer)
    }

    fn of(answer: Value) -> Self {
        let text = |key: &str| answer[key].as_str().unwrap().to_owned();
        Self { id: text("client_id"), token: text("registration_access_token"), answer }
    }

    fn request(&self, world: &World, method: Method) -> reqwest::RequestBuilder {
        let url = world.url(&format!("/register/{}", self.id));
        world.http.request(method, url).header("authorization", format!("Bearer {}", self.token))
    }

    async fn get(&self, world: &World) -> (u16, Value) {
        read(self.request(world, Method::GET).send().await.unwrap()).await
    }

    async fn put(&self, world: &World, body: &Value) -> (u16, Value) {
        read(self.request(world, Method::PUT).json(body).send().await.unwrap()).await
    }

    /// What an update may say: the answer without what is the server's.
    fn update(&self) -> Value {
        let mut body = self.answer.clone();
        for key in [
            "registration_access_token",
            "registration_client_uri",
            "client_secret_expires_at",
            "client_id_issued_at",
        ] {
            body.as_object_mut().unwrap().remove(key);
        }
        body
    }
}

#[tokio::test]
async fn a_client_reads_what_it_registered() {
    let world = World::start().await;
    for extra in [json!({"token_endpoint_auth_method": "none", "scope": "mcp:read"}), json!({})] {
        let owned = Owned::register(&world, extra).await;
        assert_eq!(owned.answer["registration_client_uri"], format!("{ISSUER}/register/{}", owned.id));
        let mut wanted = owned.answer.clone();
        wanted.as_object_mut().unwrap().remove("client_secret");
        let response = owned.request(&world, Method::GET).send().await.unwrap();
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(
            read(response).await,
            (200, wanted.clone()),
            "all but the secret, which nobody has any more"
        );
        assert_eq!(owned.get(&world).await, (200, wanted), "the token stays");
    }
}

#[tokio::test]
async fn an_update_replaces_all_and_the_token_too() {
    let world = World::start().await;
    let owned = Owned::register(&world, json!({"tos_uri": "https://app.example/tos"})).await;
    let secret = owned.answer["client_secret"].as_str().unwrap().to_owned();
    let body = json!({
        "client_id": owned.id, "client_secret": secret, "client_name": "Renamed",
        "redirect_uris": ["https://app.example/new"], "grant_types": ["authorization_code", "refresh_token"],
    });
    let (status, answer) = owned.put(&world, &body).await;
    assert_eq!((status, &answer["client_name"]), (200, &json!("Renamed")));
    assert_eq!(answer["redirect_uris"], json!(["https://app.example/new"]));
    assert_eq!(answer["client_secret"], json!(secret));
    assert_eq!(answer["client_id_issued_at"], owned.answer["client_id_issued_at"]);
    assert!(answer.get("tos_uri").is_none(), "what is left out is gone");
    assert_eq!(owned.get(&world).await.0, 401, "the old token is worth nothing");
    let owned = Owned::of(answer);
    assert_eq!(owned.get(&world).await.1["client_name"], "Renamed");
    let client =
        Client { id: owned.id.clone(), secret: Some(secret), method: "client_secret_basic".to_owned() };
    assert_eq!(
        Browser::default().get(&world, &client.link(&[])).await.status,
        400,
        "the old redirect is gone"
    );
    let (status, answer) = client.refresh(&world, "mr_x", &[]).await;
    assert_eq!((status, &answer["error"]), (400, &json!("invalid_grant")), "the secret still works");
}

#[tokio::test]
async fn the_secret_follows_the_method() {
    let world = World::start().await;
    let owned = Owned::register(&world, json!({"token_endpoint_auth_method": "none"})).await;
    let mut body = owned.update();
    body["token_endpoint_auth_method"] = json!("client_secret_post");
    let (_, answer) = owned.put(&world, &body).await;
    let secret = answer["client_secret"].as_str().unwrap().to_owned();
    let owned = Owned::of(answer);
    let confidential =
        Client { id: owned.id.clone(), secret: Some(secret), method: "client_secret_post".to_owned() };
    assert_eq!(confidential.refresh(&world, "mr_x", &[]).await.0, 400);
    let mut body = owned.update();
    body["token_endpoint_auth_method"] = json!("none");
    let (_, answer) = owned.put(&world, &body).await;
    assert_eq!((answer.get("client_secret"), answer.get("client_secret_expires_at")), (None, None));
    assert_eq!(confidential.refresh(&world, "mr_x", &[]).await.0, 401);
}

#[tokio::test]
async fn bad_updates_change_nothing() {
    let world = World::start().await;
    let owned = Owned::register(&world, json!({})).await;
    for (field, value, error) in [
        ("client_id", Value::Null, "invalid_client_metadata"),
        ("client_id", json!("c_other"), "invalid_client_metadata"),
        ("client_secret", json!("mine"), "invalid_client_metadata"),
        ("client_secret", json!(7), "invalid_client_metadata"),
        ("registration_access_token", json!(owned.token), "invalid_client_metadata"),
        ("registration_client_uri", json!("https://evil.example/"), "invalid_client_metadata"),
        ("client_secret_expires_at", json!(0), "invalid_client_metadata"),
        ("client_id_issued_at", json!(1), "invalid_client_metadata"),
        ("redirect_uris", json!(["http://evil.example/"]), "invalid_redirect_uri"),
        ("redirect_uris", Value::Null, "invalid_redirect_uri"),
        ("client_uri", json!("javascript:alert(1)"), "invalid_client_metadata"),
        ("grant_types", json!(["client_credentials"]), "invalid_client_metadata"),
    ] {
        let mut body = owned.update();
        body[field] = value;
        let (status, answer) = owned.put(&world, &body).await;
        assert_eq!((status, &answer["error"]), (400, &json!(error)), "{body}");
    }
    for body in ["[]", "{", ""] {
        let request = owned.request(&world, Method::PUT).header("content-type", "application/json");
        let (status, answer) = read(request.body(body).send().await.unwrap()).await;
        assert_eq!((status, &answer["error"]), (400, &json!("invalid_client_metadata")), "{body}");
    }
    let form = owned.request(&world, Method::PUT).body(owned.update().to_string());
    assert_eq!(read(form.send().await.unwrap()).await.0, 400, "JSON only");
    assert_eq!(owned.get(&world).await.1["client_name"], "Mine", "and the token has not changed either");
}

#[tokio::test]
async fn nobody_else_learns_or_does_anything() {
    let world = World::start().await;
    let owned = Owned::register(&world, json!({})).await;
    let other = Owned::register(&world, json!({})).await;
    let at = |id: &str| world.url(&format!("/register/{id}"));
    let error = "Bearer realm=\"wicketgate\", error=\"invalid_token\"";
    for (id, token, challenge) in [
        (owned.id.as_str(), None, "Bearer realm=\"wicketgate\""),
        (&owned.id, Some(format!("Basic {}", owned.token)), "Bearer realm=\"wicketgate\""),
        (&owned.id, Some("Bearer mreg_wrong".to_owned()), error),
        (&owned.id, Some(format!("Bearer {}", other.token)), error),
        (&owned.id, Some(format!("Bearer {}", owned.answer["client_secret"].as_str().unwrap())), error),
        ("c_unknown", Some(format!("Bearer {}", owned.token)), error),
        ("resource-server", Some(format!("Bearer {}", owned.token)), error),
        ("%ff", Some(format!("Bearer {}", owned.token)), error),
        ("https%3A%2F%2Fclient.example%2Fc.json", Some(format!("Bearer {}", owned.token)), error),
    ] {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let mut request = world.http.request(method.clone(), at(id)).json(&json!({"client_id": id}));
            if let Some(token) = &token {
                request = request.header("authorization", token);
            }
            let response = request.send().await.unwrap();
            assert_eq!(response.headers()["www-authenticate"], challenge, "{method} {id} {token:?}");
            assert_eq!(response.headers()["cache-control"], "no-store");
            let (status, answer) = read(response).await;
            assert_eq!((status, &answer["error"]), (401, &json!("invalid_token")), "{method} {id} {token:?}");
        }
    }
    let form = world.http.put(at(&owned.id)).header("authorization", "Bearer mreg_x").body("x");
    assert_eq!(form.send().await.unwrap().status(), 401, "before anything else is looked at");
    let twice = owned.request(&world, Method::GET).header("authorization", "Bearer x").send().await.unwrap();
    assert_eq!(twice.status(), 400);
    let query =
        world.http.get(format!("{}?access_token={}", at(&owned.id), owned.token)).send().await.unwrap();
    assert_eq!(query.status(), 401, "never in the query");
    assert_eq!(owned.get(&world).await.0, 200);
}

#[tokio::test]
async fn other_methods_are_told_which_there_are() {
    let world = World::start().await;
    let owned = Owned::register(&world, json!({})).await;
    for method in [Method::POST, Method::PATCH] {
        let response = owned.request(&world, method).send().await.unwrap();
        assert_eq!(response.status(), 405);
        let allow = response.headers()["allow"].to_str().unwrap().to_owned();
        assert!(["GET", "PUT", "DELETE"].iter().all(|method| allow.contains(method)), "{allow}");
    }
}

#[tokio::test]
async fn the_end_of_a_client_ends_its_tokens() {
    let world = World::start().await;
    let extra =
        json!({"grant_types": ["authorization_code", "refresh_token"], "token_endpoint_auth_method": "none"});
    let owned = Owned::register(&world, extra).await;
    let client = Client { id: owned.id.clone(), secret: None, method: "none".to_owned() };
    let tokens = client.tokens(&world).await;
    let code = client.code(&world).await;
    let validate = async |tokens: &Tokens| {
        let question = json!({"token": tokens.access, "resource": RESOURCE});
        let url = format!("{}/v1/validate", world.internal);
        read(world.http.post(url).json(&question).send().await.unwrap()).await.1["active"].clone()
    };
    assert_eq!(validate(&tokens).await, true);
    let response = owned.request(&world, Method::DELETE).send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["cache-control"]),
        (204, &"no-store".parse().unwrap())
    );
    assert!(response.text().await.unwrap().is_empty());
    assert_eq!(validate(&tokens).await, false);
    for (status, answer) in
        [client.refresh(&world, &tokens.refresh, &[]).await, client.redeem(&world, &code, &[]).await]
    {
        assert_eq!((status, &answer["error"]), (401, &json!("invalid_client")));
    }
    assert_eq!(Browser::default().get(&world, &client.link(&[])).await.status, 400);
    assert_eq!(owned.get(&world).await.0, 401, "never 404");
    assert_eq!(owned.request(&world, Method::DELETE).send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn of_two_updates_with_one_token_one_succeeds() {
    let world = World::start().await;
    let owned = Owned::register(&world, json!({})).await;
    let body = owned.update();
    let (one, two) = tokio::join!(owned.put(&world, &body), owned.put(&world, &body));
    let mut statuses = [one.0, two.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401]);
}

#[tokio::test]
async fn a_code_for_a_redirect_that_was_withdrawn_is_worth_nothing() {
    let world = World::start().await;
    let extra =
        json!({"grant_types": ["authorization_code", "refresh_token"], "token_endpoint_auth_method": "none"});
    let owned = Owned::register(&world, extra).await;
    let client = Client { id: owned.id.clone(), secret: None, method: "none".to_owned() };
    let tokens = client.tokens(&world).await;
    let code = client.code(&world).await;
    let mut body = owned.update();
    body["redirect_uris"] = json!(["https://app.example/new"]);
    assert_eq!(owned.put(&world, &body).await.0, 200);
    for (status, answer) in
        [client.redeem(&world, &code, &[]).await, client.refresh(&world, &tokens.refresh, &[]).await]
    {
        assert_eq!((status, &answer["error"]), (400, &json!("invalid_grant")));
    }
}

/// A page that was open while the client changed.
#[tokio::test]
async fn a_redirect_that_was_withdrawn_gets_no_code_by_an_earlier_consent() {
    let world = World::start().await;
    let owned = Owned::register(&world, json!({"token_endpoint_auth_method": "none"})).await;
    let client = Client { id: owned.id.clone(), secret: None, method: "none".into() };
    let mut browser = Browser::default();
    let login = browser.get(&world, &client.link(&[])).await.form();
    let open = browser
        .submit(&world, &login.with("username", "alice").with("password", crate::world::PASSWORD))
        .await
        .form();
    let path = format!("/consent?request={}", open.field("request"));
    assert!(browser.approve(&world, &client.link(&[])).await.param("code").is_some(), "in another tab");
    let mut body = owned.update();
    body["redirect_uris"] = json!(["https://app.example/cb"]);
    assert_eq!(owned.put(&world, &body).await.0, 200);
    let page = browser.get(&world, &path).await;
    assert_eq!((page.status, page.left_for.as_deref()), (400, None), "{page:?}");
}
