//! Is what operators, users with an account page, and those who vouch for others do written down?

use reqwest::Method;
use serde_json::{Value, json};

use super::assert_happened;
use crate::account::{account, form};
use crate::token_exchange;
use crate::world::browser::Browser;
use crate::world::client::{Client, decode, redeemed};
use crate::world::enterprise::Enterprise;
use crate::world::{ADMIN_TOKEN, RESOURCE, World, read};

/// The events with whom they name: subject, client and reason.
fn who(world: &World) -> Vec<Value> {
    let of =
        |record: Value| json!([record["event"], record["subject"], record["client_id"], record["reason"]]);
    world.recorded().into_iter().map(of).collect()
}

async fn ask(world: &World, method: Method, path: &str, body: Value) -> Value {
    let request = world.http.request(method, format!("{}/v1{path}", world.admin)).json(&body);
    read(request.bearer_auth(ADMIN_TOKEN).send().await.unwrap()).await.1
}

async fn operated() -> World {
    let world = World::start_with(|yaml| yaml + "admin: {token: {file: FOLDER/admin.token}}\n").await;
    world.happened();
    world
}

#[tokio::test]
async fn operators_and_clients() {
    let world = operated().await;
    let made = json!({"redirect_uris": ["http://127.0.0.1:7777/cb"]});
    let made = ask(&world, Method::POST, "/clients", made).await;
    let id = made["client"]["client_id"].as_str().unwrap_or_else(|| panic!("{made}"));
    for (method, path, wanted, reason) in [
        (Method::GET, format!("/clients/{id}"), None, Value::Null),
        (Method::POST, format!("/clients/{id}/secret"), Some("client_secret_rotated"), Value::Null),
        (Method::POST, format!("/clients/{id}/revoke"), Some("client_withdrawn"), json!("operator")),
        (Method::DELETE, format!("/clients/{id}"), Some("client_deleted"), json!("operator")),
        (Method::DELETE, format!("/clients/{id}"), None, Value::Null),
    ] {
        let wanted = wanted.map(|event| json!([event, null, id, reason]));
        let created = (method == Method::GET).then(|| json!(["client_created", null, id, null]));
        ask(&world, method, &path, json!({})).await;
        assert_eq!(who(&world), created.into_iter().chain(wanted).collect::<Vec<_>>(), "{path}");
    }
}

#[tokio::test]
async fn operators_and_users() {
    let world = operated().await;
    let client = Client::public(&world).await;
    let tokens = client.tokens(&world).await;
    let grant = tokens.decoded().1["grant_id"].as_str().unwrap().to_owned();
    world.happened();
    for wanted in [vec![json!(["grant_revoked", "alice", client.id, "operator"])], vec![]] {
        ask(&world, Method::DELETE, &format!("/grants/{grant}"), json!({})).await;
        assert_eq!(who(&world), wanted, "once");
    }
    ask(&world, Method::POST, "/users/alice/revoke", json!({})).await;
    assert_eq!(who(&world), [json!(["user_withdrawn", "alice", null, "operator"])]);
    ask(&world, Method::POST, "/users/alice/reset-throttle", json!({})).await;
    assert_eq!(who(&world), [json!(["throttle_reset", "alice", null, null])]);
    let url = format!("{}/v1/users/alice/grants", world.admin);
    for (token, reason) in [(None, "no token"), (Some("a token that was guessed"), "another token")] {
        let request = world.http.get(&url);
        let request = token.into_iter().fold(request, |request, token| request.bearer_auth(token));
        assert_eq!(request.send().await.unwrap().status(), 401);
        assert_eq!(who(&world), [json!(["admin_refused", null, null, reason])]);
    }
}

#[tokio::test]
async fn api_keys() {
    let world = operated().await;
    let wanted = json!({"name": "nightly", "service_account": "robot", "scopes": ["mcp:read"], "resources": [RESOURCE]});
    let made = ask(&world, Method::POST, "/api-keys", wanted).await;
    let id = made["id"].as_str().unwrap_or_else(|| panic!("{made}"));
    let path = format!("/api-keys/{id}");
    ask(&world, Method::POST, &format!("{path}/rotate"), json!({})).await;
    ask(&world, Method::DELETE, &path, json!({})).await;
    ask(&world, Method::DELETE, "/api-keys/of-nobody", json!({})).await;
    let records = world.recorded();
    let named: Vec<_> = records
        .iter()
        .map(|record| json!([record["event"], record["grant_id"], record["subject"]]))
        .collect();
    let wanted = [
        ("api_key_created", json!("robot")),
        ("api_key_rotated", json!("robot")),
        ("api_key_revoked", Value::Null),
    ];
    assert_eq!(named, wanted.map(|(event, subject)| json!([event, id, subject])));
}

#[tokio::test]
async fn users_and_their_account() {
    let world = World::start().await;
    let mut browser = Browser::default();
    world.happened();
    account(&world, &mut browser).await;
    assert_eq!(who(&world), [json!(["signed_in", "alice", null, null])]);
    let client = Client::public(&world).await;
    let other = Client::confidential(&world, "client_secret_post").await;
    let page = browser.approve(&world, &client.link(&[])).await;
    let first = redeemed(&world, &client, &page).await;
    let page = browser.approve(&world, &other.link(&[])).await;
    redeemed(&world, &other, &page).await;
    world.happened();
    let page = account(&world, &mut browser).await;
    let one = form(&page, first.decoded().1["grant_id"].as_str().unwrap());
    browser.submit(&world, &one).await;
    assert_eq!(who(&world), [json!(["grant_revoked", "alice", client.id, "its user asked"])]);
    let page = account(&world, &mut browser).await;
    browser.submit(&world, &form(&page, "revoke_all")).await;
    assert_eq!(who(&world), [json!(["user_withdrawn", "alice", null, "the user asked"])]);
    for extent in ["in one browser", "everywhere"] {
        account(&world, &mut browser).await;
        world.happened();
        let page = browser.get(&world, "/logout").await;
        let form = page.form().with("where", if extent == "everywhere" { extent } else { "here" });
        browser.submit(&world, &form).await;
        assert_eq!(who(&world), [json!(["signed_out", "alice", null, extent])]);
    }
}

#[tokio::test]
async fn assertions_and_exchanges() {
    let scene = Enterprise::with("allow: {everyone: true}", token_exchange::beside).await;
    scene.world.happened();
    let assertion = scene.assertion(|_| {});
    let (_, body) = scene.present(&assertion, &[]).await;
    let [record] = scene.world.recorded().try_into().unwrap();
    assert_eq!(record["event"], "identity_assertion_accepted");
    assert_eq!((&record["provider"], &record["client_id"]), (&json!(scene.upstream.base), &json!("agent")));
    scene.present(&assertion, &[]).await;
    assert_happened(&scene.world, &["identity_assertion_replayed"]);
    for lie in [
        ("tenant", json!("another")),
        ("resource", json!("https://elsewhere.example/")),
        ("iss", json!("https://nobody.example")),
    ] {
        scene.presented(|claims| claims.set(lie.0, lie.1.clone())).await;
        let [record] = scene.world.recorded().try_into().unwrap();
        assert_eq!(record["event"], "identity_assertion_refused", "{lie:?}");
        assert!(
            record["reason"].as_str().is_some_and(|why| !why.contains(lie.1.as_str().unwrap())),
            "{record}"
        );
    }
    let exchanged = token_exchange::exchange(&scene.world, body["access_token"].as_str().unwrap()).await;
    assert_eq!(exchanged.0, 200, "{}", exchanged.1);
    let [exchange] = scene.world.recorded().try_into().unwrap();
    assert_eq!((&exchange["event"], &exchange["client_id"]), (&json!("token_exchanged"), &json!("gateway")));
    assert_eq!(exchange["grant_id"], decode(body["access_token"].as_str().unwrap()).1["grant_id"]);
}
