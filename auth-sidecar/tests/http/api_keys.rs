//! API keys: made, shown once, used, rotated and revoked.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::world::client::Client;
use crate::world::{ISSUER, OTHER_RESOURCE, RESOURCE, World, form_headers, read};

/// What most of them are made of.
fn wanted() -> Value {
    json!({
        "name": "nightly report", "service_account": "reporter", "scopes": ["mcp:read"], "resources": [RESOURCE],
        "groups": ["reports"], "org": "acme", "expires_in": 3600
    })
}

async fn ask(world: &World, method: Method, path: &str, body: Option<&Value>) -> (u16, Value) {
    let request = world.http.request(method, format!("{}/v1/api-keys{path}", world.admin));
    let request = body.into_iter().fold(request, |request, body| request.json(body));
    read(request.send().await.unwrap()).await
}

async fn create(world: &World, body: &Value) -> Value {
    let (status, made) = ask(world, Method::POST, "", Some(body)).await;
    assert_eq!(status, 201, "{made}");
    made
}

fn text(of: &Value, member: &str) -> String {
    of[member].as_str().unwrap_or_else(|| panic!("no {member} in {of}")).to_owned()
}

async fn validate(world: &World, token: &str, resource: &str) -> Value {
    let question = json!({"token": token, "resource": resource});
    let request = world.http.post(format!("{}/v1/validate", world.internal)).json(&question);
    let (status, answer) = read(request.send().await.unwrap()).await;
    assert_eq!(status, 200);
    answer
}

async fn is_good(world: &World, token: &str) -> bool {
    validate(world, token, RESOURCE).await["active"] == json!(true)
}

/// How often a record was changed and something was told to the log.
async fn writes(world: &World) -> Vec<String> {
    let text =
        world.http.get(format!("{}/metrics", world.metrics)).send().await.unwrap().text().await.unwrap();
    let counted = |line: &&str| {
        ["swap", "announce"].iter().any(|operation| {
            line.starts_with(&format!("wicketgate_auth_store_seconds_count{{operation=\"{operation}\"}}"))
        })
    };
    text.lines().filter(counted).map(ToOwned::to_owned).collect()
}

#[tokio::test]
async fn a_key_is_shown_once_and_stands_for_claims() {
    let world = World::start().await;
    let made = create(&world, &wanted()).await;
    let (id, secret) = (text(&made, "id"), text(&made, "api_key"));
    assert!(secret.starts_with(&format!("mk_{id}.")));
    let answer = validate(&world, &secret, RESOURCE).await;
    let claims = json!({
        "active": true, "token_type": "Bearer", "iss": ISSUER, "sub": "reporter", "client_id": "reporter", "aud": RESOURCE,
        "scope": "mcp:read", "groups": ["reports"], "org": "acme", "jti": id, "grant_id": id,
        "iat": 1_800_000_000, "exp": 1_800_003_600
    });
    assert_eq!(answer, claims);
    assert_eq!(validate(&world, &secret, OTHER_RESOURCE).await, json!({"active": false}));
    let asker = Client::configured("resource-server");
    assert_eq!(asker.post(&world, "/introspect", &[("token", &secret)], &[]).await.1, claims);
    // Neither the list nor the key itself says the secret again, and the store does not know it.
    let (_, list) = ask(&world, Method::GET, "", None).await;
    let (_, shown) = ask(&world, Method::GET, &format!("/{id}"), None).await;
    assert_eq!((&list["api_keys"], &list["next"]), (&json!([shown]), &Value::Null));
    assert_eq!(shown["last_used_at"], json!(1_800_000_000));
    assert!(!list.to_string().contains("api_key\"") && !list.to_string().contains(&secret[26..]));
    let kept = world.kept();
    assert!(kept.windows(22).any(|window| window == id.as_bytes()), "what is searched for would be found");
    assert!(!kept.windows(43).any(|window| window == &secret.as_bytes()[26..]));
    world.advance(Duration::from_secs(3600));
    assert!(!is_good(&world, &secret).await, "it has expired");
}

#[tokio::test]
async fn both_secrets_work_while_they_overlap() {
    let world = World::start().await;
    let made = create(&world, &wanted()).await;
    let (id, first) = (text(&made, "id"), text(&made, "api_key"));
    let rotate = async |overlap: u64| {
        let body = json!({"overlap": overlap});
        let (status, rotated) = ask(&world, Method::POST, &format!("/{id}/rotate"), Some(&body)).await;
        assert_eq!(status, 200, "{rotated}");
        text(&rotated, "api_key")
    };
    let second = rotate(60).await;
    assert!(is_good(&world, &first).await && is_good(&world, &second).await);
    assert_eq!(validate(&world, &first, RESOURCE).await["exp"], json!(1_800_000_060), "its own end");
    world.advance(Duration::from_secs(60));
    assert!(!is_good(&world, &first).await && is_good(&world, &second).await);
    let third = rotate(0).await;
    assert!(!is_good(&world, &second).await && is_good(&world, &third).await, "without an overlap at once");
}

/// Who gives a key a new secret after a switch wants a good one, and not the withdrawn one back for the time of overlap.
#[tokio::test]
async fn a_withdrawn_secret_is_not_revived_by_the_next() {
    let world = World::start().await;
    let made = create(&world, &wanted()).await;
    let (id, first) = (text(&made, "id"), text(&made, "api_key"));
    let rotate = async || {
        let path = format!("/{id}/rotate");
        text(&ask(&world, Method::POST, &path, Some(&json!({"overlap": 600}))).await.1, "api_key")
    };
    world.advance(Duration::from_secs(5));
    let switch = world.http.post(format!("{}/v1/users/reporter/revoke", world.admin)).json(&json!({}));
    assert_eq!(switch.send().await.unwrap().status(), 204);
    assert!(!is_good(&world, &first).await);
    world.advance(Duration::from_secs(5));
    let second = rotate().await;
    assert!(!is_good(&world, &first).await && is_good(&world, &second).await);
    world.advance(Duration::from_secs(5));
    let third = rotate().await;
    for (secret, made_at) in [(&second, 1_800_000_010), (&third, 1_800_000_015)] {
        let iat = &validate(&world, secret, RESOURCE).await["iat"];
        assert_eq!(iat, &json!(made_at), "each is as old as it is");
    }
}

#[tokio::test]
async fn a_revoked_key_is_dead_and_news() {
    let mut world = World::start().await;
    let made = create(&world, &wanted()).await;
    let (id, secret) = (text(&made, "id"), text(&made, "api_key"));
    world.happened();
    assert_eq!(ask(&world, Method::DELETE, &format!("/{id}"), None).await.0, 204);
    assert_eq!(world.happened(), ["api_key_revoked"]);
    let before = writes(&world).await;
    assert!(before.len() == 2 && before.iter().all(|line| !line.ends_with(" 0")), "{before:?}");
    world.advance(Duration::from_secs(5));
    assert_eq!(ask(&world, Method::DELETE, &format!("/{id}"), None).await.0, 204, "it has ended");
    assert_eq!(writes(&world).await, before, "and nothing is written again");
    assert_eq!(world.happened(), [] as [&str; 0]);
    assert!(!is_good(&world, &secret).await);
    let (status, _) = ask(&world, Method::POST, &format!("/{id}/rotate"), Some(&json!({}))).await;
    assert_eq!(status, 404, "what is dead gets no new secret");
    world.restart().await;
    assert!(!is_good(&world, &secret).await);
    let (_, shown) = ask(&world, Method::GET, &format!("/{id}"), None).await;
    assert_eq!(shown["revoked_at"], json!(1_800_000_000));
    let feed = world.http.get(format!("{}/v1/feed?since=0", world.internal)).send().await.unwrap();
    let (_, feed) = crate::world::client::decode(&feed.text().await.unwrap());
    let news = feed["revocations"].as_array().unwrap();
    assert!(news.len() == 1 && news[0]["kind"] == "grant", "{feed}");
    let expired = text(&create(&world, &wanted()).await, "id");
    world.advance(Duration::from_secs(3600));
    let before = writes(&world).await;
    assert_eq!(ask(&world, Method::DELETE, &format!("/{expired}"), None).await.0, 204);
    assert_eq!(writes(&world).await, before, "what has expired need not be ended");
}

#[tokio::test]
async fn a_clients_key_dies_with_the_client() {
    let world = World::start().await;
    let body = json!({"redirect_uris": ["https://app.example/cb"], "token_endpoint_auth_method": "none"});
    let (_, client) = read(world.http.post(world.url("/register")).json(&body).send().await.unwrap()).await;
    let wanted =
        json!({"name": "x", "client_id": client["client_id"], "scopes": [], "resources": [RESOURCE]});
    let secret = text(&create(&world, &wanted).await, "api_key");
    let answer = validate(&world, &secret, RESOURCE).await;
    assert_eq!((&answer["sub"], &answer["client_id"]), (&client["client_id"], &client["client_id"]));
    let path = format!("/register/{}", text(&client, "client_id"));
    let token = text(&client, "registration_access_token");
    let gone = world.http.delete(world.url(&path)).bearer_auth(token).send().await.unwrap();
    assert_eq!(gone.status().as_u16(), 204);
    assert!(!is_good(&world, &secret).await);
}

#[tokio::test]
async fn what_is_no_key_is_not_good() {
    let world = World::start().await;
    let made = create(&world, &wanted()).await;
    let (id, secret) = (text(&made, "id"), text(&made, "api_key"));
    let other = text(&create(&world, &wanted()).await, "api_key");
    let swapped = format!("mk_{id}.{}", other.split_once('.').unwrap().1);
    for wrong in
        [swapped, secret.replace("mk_", "ma_"), format!("{secret}x"), format!("mk_{id}."), "mk_".into()]
    {
        assert!(!is_good(&world, &wrong).await, "{wrong}");
    }
    assert!(is_good(&world, &secret).await);
    for path in ["/unknown", "/../keys/x"] {
        assert_eq!(ask(&world, Method::GET, path, None).await.0, 404, "{path}");
    }
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_its_place() {
    let world = World::start().await;
    for (member, value, said) in [
        ("name", json!(""), "name is 1 to 128"),
        ("name", json!("a\nb"), "name is 1 to 128"),
        ("service_account", json!("alice"), "service_account is the name of a user"),
        ("service_account", json!("resource-server"), "service_account is the name of a user or a client"),
        ("service_account", Value::Null, "name one of client_id and service_account"),
        ("client_id", json!("resource-server"), "name one of client_id"),
        ("scopes", json!(["mcp:admin"]), "scopes: one is not of these resources"),
        ("scopes", json!(["other:use"]), "scopes: one is not of these resources"),
        ("scopes", json!("mcp:read"), "cannot be read at scopes"),
        ("resources", json!([]), "resources is empty"),
        ("resources", json!(["https://elsewhere.example/"]), "resources: https://elsewhere.example/"),
        ("groups", json!(vec!["g"; 101]), "groups has more than 100"),
        ("expires_in", json!(0), "expires_in lies between"),
        ("expires_in", json!(366 * 86_400), "expires_in lies between"),
        ("expires_in", json!(-1), "cannot be read at expires_in"),
        ("owner", json!("x"), "cannot be read at owner"),
    ] {
        let mut body = wanted();
        body[member] = value;
        let (status, answer) = ask(&world, Method::POST, "", Some(&body)).await;
        let description = answer["error_description"].as_str().unwrap_or_default();
        assert!(status == 400 && description.contains(said), "{body}: {status} {answer}");
    }
    let clients = json!({"name": "x", "client_id": "nobody", "resources": [RESOURCE]});
    assert_eq!(ask(&world, Method::POST, "", Some(&clients)).await.0, 400);
    let form = world
        .http
        .post(format!("{}/v1/api-keys", world.admin))
        .headers(form_headers())
        .body("name=x")
        .send()
        .await
        .unwrap();
    assert_eq!(form.status().as_u16(), 400, "a form of another page is none of ours");
    assert_eq!(ask(&world, Method::GET, "", None).await.1["api_keys"], json!([]), "nothing was made");
}

#[tokio::test]
async fn who_holds_a_key_is_told_that_it_cannot_revoke_it() {
    let world = World::start().await;
    let wanted = json!({"name": "ci", "client_id": "resource-server", "scopes": ["mcp:read"], "resources": [RESOURCE]});
    let key = text(&create(&world, &wanted).await, "api_key");
    for client in [Client::configured("resource-server"), Client::public(&world).await] {
        let (status, body) = client.post(&world, "/revoke", &[("token", &key)], &[]).await;
        assert_eq!(
            (status, &body["error"]),
            (400, &json!("unsupported_token_type")),
            "RFC 7009 section 2.2.1"
        );
    }
    assert!(is_good(&world, &key).await);
}
