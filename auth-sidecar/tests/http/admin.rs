//! What operators see and do over the admin listener, and who else may not.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::described::{assert_complete, assert_matches, schema};
use crate::once_only::{INVALID_GRANT, is_alive, outcome};
use crate::revocation_feed::{feed, id};
use crate::world::browser::Browser;
use crate::world::client::{Client, Tokens};
use crate::world::{ADMIN_TOKEN as TOKEN, PASSWORD, RESOURCE, World, read};

fn document() -> Value {
    serde_saphyr::from_str(include_str!("../../openapi/admin-v1.yaml")).unwrap()
}

/// What the API answers, having been compared with its description.
async fn ask(world: &World, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
    let mut request = world.http.request(method.clone(), format!("{}{path}", world.admin));
    if let Some(body) = &body {
        request = request.json(body);
    }
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["cache-control"], "no-store", "{path}");
    let (status, answer) = read(response).await;
    let document = document();
    let is_same = |described: &str| {
        let parts = path.split('?').next().unwrap().split('/');
        described.split('/').count() == parts.clone().count()
            && described.split('/').zip(parts).all(|(part, asked)| part.starts_with('{') || part == asked)
    };
    let paths = document["paths"].as_object().unwrap();
    let (_, operations) = paths.iter().find(|(described, _)| is_same(described)).unwrap();
    let responses = &operations[method.as_str().to_lowercase()]["responses"];
    let described = responses.get(status.to_string()).unwrap_or_else(|| panic!("{method} {path}: {status}"));
    match described.pointer("/content/application~1json/schema") {
        Some(schema) => assert_matches(&document, schema, &answer),
        None => assert_eq!(answer, Value::Null, "{method} {path}"),
    }
    (status, answer)
}

pub(crate) async fn get(world: &World, path: &str) -> (u16, Value) {
    ask(world, Method::GET, path, None).await
}

pub(crate) async fn post(world: &World, path: &str, body: Value) -> (u16, Value) {
    ask(world, Method::POST, path, Some(body)).await
}

pub(crate) async fn delete(world: &World, path: &str) -> u16 {
    ask(world, Method::DELETE, path, None).await.0
}

fn grant_of(tokens: &Tokens) -> String {
    tokens.decoded().1["grant_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_description_is_complete_and_served() {
    let world = World::start().await;
    let source = include_str!("../../src/endpoints/admin/mod.rs");
    assert_complete(&world, &document(), &world.admin, source).await;
    let served = world.http.get(format!("{}/v1/openapi.yaml", world.admin)).send().await.unwrap();
    assert_eq!(served.headers()["content-type"], "application/yaml");
    assert_eq!(served.text().await.unwrap(), include_str!("../../openapi/admin-v1.yaml"));
    let keys = get(&world, "/v1/keys").await.1;
    assert_matches(&document(), schema(&document(), "Keys"), &keys);
    get(&world, "/status").await;
}

#[tokio::test]
async fn who_has_a_token_configured_must_show_it() {
    let world = World::start_with(|yaml| yaml + "admin: {token: {file: FOLDER/admin.token}}\n").await;
    let bearer = |token: &str| format!("Bearer {token}");
    for (authorization, wanted) in [
        (None, 401),
        (Some(bearer("another-token-of-some-length")), 401),
        (Some(bearer(&TOKEN[1..])), 401),
        (Some(format!("Basic {TOKEN}")), 401),
        (Some(bearer(TOKEN)), 200),
    ] {
        for path in ["/v1/clients", "/v1/keys", "/v1/openapi.yaml", "/status"] {
            let mut request = world.http.get(format!("{}{path}", world.admin));
            if let Some(value) = &authorization {
                request = request.header("authorization", value);
            }
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), wanted, "{path} {authorization:?}");
            assert_eq!(response.headers().contains_key("www-authenticate"), wanted == 401);
        }
    }
    let rotate = world.http.post(format!("{}/v1/keys/rotate", world.admin)).json(&json!({}));
    assert_eq!(rotate.send().await.unwrap().status(), 401);
    for path in ["/livez", "/readyz"] {
        let probe = world.http.get(format!("{}{path}", world.admin)).send().await.unwrap();
        assert_eq!(probe.status(), 200, "probes have no token: {path}");
    }
}

/// A page of elsewhere in a browser of this machine: under a name of its own that leads here (DNS rebinding), or plainly.
#[tokio::test]
async fn without_a_token_only_programs_of_this_machine_may_ask() {
    let world = World::start().await;
    let port = world.admin.rsplit_once(':').unwrap().1;
    let at = |host: &str| format!("{host}:{port}");
    let (ours, name) = (at("127.0.0.1"), at("localhost"));
    let (origin, named) = (format!("http://{ours}"), format!("http://{name}"));
    let one = [ours.as_str()];
    for (headers, wanted) in [
        (vec![("host", one[0])], 200),
        (vec![("host", name.as_str())], 200),
        (vec![("host", "[::1]:1")], 200),
        (vec![("host", one[0]), ("origin", origin.as_str()), ("sec-fetch-site", "same-origin")], 200),
        (vec![("host", name.as_str()), ("origin", named.as_str())], 200),
        (vec![("host", one[0]), ("sec-fetch-site", "none")], 200),
        (vec![("host", "rebound.example")], 421),
        (vec![("host", "rebound.example:9002"), ("sec-fetch-site", "same-origin")], 421),
        (vec![("host", "localhost.rebound.example")], 421),
        (vec![("host", "10.0.0.1")], 421),
        (vec![("host", one[0]), ("origin", "https://evil.example")], 403),
        (vec![("host", one[0]), ("origin", named.as_str())], 403),
        (vec![("host", one[0]), ("origin", "null")], 403),
        (vec![("host", one[0]), ("origin", "http://127.0.0.1")], 403),
        (vec![("host", one[0]), ("sec-fetch-site", "cross-site")], 403),
        (vec![("host", one[0]), ("sec-fetch-site", "same-site")], 403),
        (vec![("host", one[0]), ("sec-fetch-site", "none"), ("sec-fetch-site", "cross-site")], 403),
    ] {
        world.happened();
        let given =
            headers.iter().fold(world.http.get(format!("{}/v1/keys", world.admin)), |request, header| {
                request.header(header.0, header.1)
            });
        let (status, answer) = read(given.send().await.unwrap()).await;
        assert_eq!(status, wanted, "{headers:?}");
        let noted = if wanted == 200 { vec![] } else { vec!["admin_refused".to_owned()] };
        assert_eq!(world.happened(), noted, "{headers:?}");
        if wanted != 200 {
            assert_matches(&document(), schema(&document(), "Error"), &answer);
        }
        let probe =
            headers.iter().fold(world.http.get(format!("{}/livez", world.admin)), |request, header| {
                request.header(header.0, header.1)
            });
        assert_eq!(probe.send().await.unwrap().status(), 200, "probes tell nothing: {headers:?}");
    }
    let url = format!("{}/v1/users/alice/revoke", world.admin);
    let post = world.http.post(&url).json(&json!({})).header("host", "rebound.example");
    assert_eq!(post.send().await.unwrap().status(), 421, "nor do they change anything");
    // Who has a token comes from wherever it was brought.
    let world = World::start_with(|yaml| yaml + "admin: {token: {file: FOLDER/admin.token}}\n").await;
    let request = world.http.get(format!("{}/v1/keys", world.admin)).bearer_auth(TOKEN);
    assert_eq!(request.header("host", "auth.internal.example").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn what_is_not_described_is_refused() {
    let world = World::start().await;
    for (path, body) in [
        ("/v1/clients", json!({"nam": "x"})),
        (
            "/v1/clients",
            json!({"secret": {"file": "/etc/hostname"}, "redirect_uris": ["https://a.example/"]}),
        ),
        ("/v1/clients", json!({"redirect_uris": ["http://a.example/"]})),
        ("/v1/clients", json!({"id": "https://a.example/c"})),
        (
            "/v1/clients",
            json!({"id": "alice", "grant_types": ["client_credentials"], "scopes": ["mcp:read"]}),
        ),
        ("/v1/clients", json!([])),
        ("/v1/clients/c/secret", json!({"secret": "mine"})),
        ("/v1/clients/c/revoke", json!({"before": 1})),
        ("/v1/users/alice/revoke", json!({"all": true})),
        ("/v1/users/alice/reset-throttle", json!({"address": "everywhere"})),
        ("/v1/tokens/inspect", json!({"token": "x", "resource": "y"})),
        ("/v1/tokens/inspect", json!({"token": ["a-secret"]})),
        ("/v1/keys/rotate", json!({"now": "yes"})),
    ] {
        let (status, answer) = post(&world, path, body.clone()).await;
        assert!(
            status == 400 && !answer.to_string().contains("a-secret"),
            "{path} {body}: {status} {answer}"
        );
        let form = world.http.post(format!("{}{path}", world.admin)).body("{}");
        assert_eq!(form.header("content-type", "text/plain").send().await.unwrap().status(), 400, "{path}");
    }
    for query in
        ["?after=x&more=1", "?more=", "?limit=", "?limit=0", "?limit=101", "?limit=x", "?limit=1&limit=2"]
    {
        assert_eq!(get(&world, &format!("/v1/clients{query}")).await.0, 400, "{query}");
    }
    let twice = world.http.post(format!("{}/v1/clients", world.admin)).body("{\"id\": \"a\", \"id\": \"b\"}");
    assert_eq!(twice.header("content-type", "application/json").send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn an_operator_makes_a_client_and_ends_it() {
    let world = World::start().await;
    let asked = json!({
        "id": "made", "name": "Made here", "redirect_uris": ["http://127.0.0.1:7777/cb"], "scopes": ["mcp:read"],
        "introspects": [RESOURCE], "post_logout_redirect_uris": ["https://a.example/out"],
    });
    let (status, made) = post(&world, "/v1/clients", asked.clone()).await;
    assert_eq!((status, &made["client"]["source"]), (201, &json!("operator")), "{made}");
    assert_eq!(made["client"]["post_logout_redirect_uris"], asked["post_logout_redirect_uris"]);
    for taken in [&asked, &json!({"id": "resource-server", "redirect_uris": ["https://a.example/cb"]})] {
        assert_eq!(post(&world, "/v1/clients", taken.clone()).await.0, 409, "{taken}");
    }
    let (_, public) = post(
        &world,
        "/v1/clients",
        json!({"auth_method": "none", "redirect_uris": ["https://a.example/cb"]}),
    )
    .await;
    assert!(
        public.get("client_secret").is_none()
            && public["client"]["client_id"].as_str().unwrap().starts_with("c_")
    );
    let (_, shown) = get(&world, "/v1/clients/made").await;
    assert_eq!(shown, made["client"], "without its secret");

    let secret = |answer: &Value| answer["client_secret"].as_str().map(ToOwned::to_owned);
    let client = |secret| Client { id: "made".into(), secret, method: "client_secret_basic".into() };
    let old = client(secret(&made));
    let tokens = old.tokens(&world).await;
    assert_eq!(tokens.body["scope"], "mcp:read", "its scopes are a ceiling");
    let (status, rotated) = post(&world, "/v1/clients/made/secret", json!({})).await;
    assert_eq!(status, 200);
    assert_eq!(outcome(&old.refresh(&world, &tokens.refresh, &[]).await), (401, "invalid_client"));
    let new = client(secret(&rotated));
    let refreshed = Tokens::of(new.refresh(&world, &tokens.refresh, &[]).await.1);
    world.advance(Duration::from_secs(400 * 24 * 3600));
    assert_eq!(get(&world, "/v1/clients/made").await.0, 200, "it never expires");

    let again = new.tokens(&world).await;
    assert!(!is_alive(&world, &refreshed.access).await && is_alive(&world, &again.access).await);
    assert_eq!(delete(&world, "/v1/clients/made").await, 204);
    assert!(!is_alive(&world, &again.access).await);
    assert_eq!(outcome(&new.refresh(&world, &again.refresh, &[]).await), (401, "invalid_client"));
    // Of the same name: another client, and what the first one was granted stays withdrawn.
    let (_, made) = post(&world, "/v1/clients", asked).await;
    let namesake = client(secret(&made));
    assert_eq!(outcome(&namesake.refresh(&world, &again.refresh, &[]).await), INVALID_GRANT);
    for (path, wanted) in [("made", 204), ("made", 404), ("resource-server", 409), ("%ff", 404)] {
        assert_eq!(delete(&world, &format!("/v1/clients/{path}")).await, wanted, "{path}");
    }
    for (path, wanted) in
        [("none", 404), ("resource-server", 409), (public["client"]["client_id"].as_str().unwrap(), 409)]
    {
        assert_eq!(post(&world, &format!("/v1/clients/{path}/secret"), json!({})).await.0, wanted, "{path}");
    }
}

#[tokio::test]
async fn clients_are_listed_in_parts() {
    let world = World::start().await;
    let mut ids = vec!["resource-server".to_owned()];
    for _ in 0..5 {
        ids.push(Client::public(&world).await.id);
    }
    let (mut found, mut query) = (Vec::new(), "?limit=2".to_owned());
    loop {
        let (_, part) = get(&world, &format!("/v1/clients{query}")).await;
        let clients = part["clients"].as_array().unwrap();
        found.extend(clients.iter().map(|client| client["client_id"].as_str().unwrap().to_owned()));
        let Some(next) = part["next"].as_str() else { break };
        query = format!("?limit=2&after={next}");
    }
    assert_eq!((found[0].as_str(), found.len()), ("resource-server", 6));
    ids.sort();
    found.sort();
    assert_eq!(found, ids);
    assert_eq!(delete(&world, &format!("/v1/clients/{}", ids[0])).await, 204);
    let (_, left) = get(&world, "/v1/clients").await;
    assert_eq!(left["clients"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn an_operator_withdraws_all_of_a_user() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let mut browser = Browser::default();
    let code = browser.approve(&world, &client.link(&[])).await.param("code").unwrap();
    let tokens = Tokens::of(client.redeem(&world, &code, &[]).await.1);
    let (_, listed) = get(&world, "/v1/users/alice/grants").await;
    let grant = &listed["grants"][0];
    assert_eq!((&grant["grant_id"], &grant["refreshes"]), (&json!(grant_of(&tokens)), &json!(true)));
    assert_eq!(get(&world, &format!("/v1/clients/{}/grants", client.id)).await.1, listed);
    let unused = browser.approve(&world, &client.link(&[])).await.param("code").unwrap();

    assert_eq!(post(&world, "/v1/users/alice/revoke", json!({})).await.0, 204);
    assert!(!is_alive(&world, &tokens.access).await);
    assert_eq!(outcome(&client.refresh(&world, &tokens.refresh, &[]).await), INVALID_GRANT);
    assert_eq!(outcome(&client.redeem(&world, &unused, &[]).await), INVALID_GRANT);
    let asker = Client {
        id: "resource-server".into(),
        secret: Some(crate::world::CONFIGURED_SECRET.into()),
        method: "client_secret_basic".into(),
    };
    let (_, introspected) = asker.post(&world, "/introspect", &[("token", &tokens.access)], &[]).await;
    assert_eq!(introspected, json!({"active": false}));
    assert!(browser.get(&world, &client.link(&[])).await.has_field("password"), "signed out");
    let (_, said) = feed(&world, "?since=0").await;
    assert_eq!(said["revocations"][0]["id"], json!(id("subject", "alice")));
    assert_eq!(get(&world, "/v1/users/alice/grants").await.1, json!({"grants": []}));
    assert_eq!(post(&world, "/v1/users/nobody-ever-seen/revoke", json!({})).await.0, 204);

    world.advance(Duration::from_secs(1));
    let later = client.tokens(&world).await;
    assert!(is_alive(&world, &later.access).await, "what is granted later counts");
    assert_eq!(post(&world, &format!("/v1/clients/{}/revoke", client.id), json!({})).await.0, 204);
    assert!(!is_alive(&world, &later.access).await);
    assert_eq!(outcome(&client.refresh(&world, &later.refresh, &[]).await), INVALID_GRANT);
    world.advance(Duration::from_secs(1));
    assert!(is_alive(&world, &client.tokens(&world).await.access).await, "the client is still there");
}

#[tokio::test]
async fn a_token_is_looked_up_and_its_grant_ended() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let first = client.tokens(&world).await;
    let second = Tokens::of(client.refresh(&world, &first.refresh, &[]).await.1);
    let inspect = async |token: &str| {
        let (status, answer) = post(&world, "/v1/tokens/inspect", json!({"token": token})).await;
        assert_eq!(status, 200);
        answer
    };
    let path = format!("/v1/grants/{}", grant_of(&first));
    for (token, kind, active) in [
        (&second.access, "access_token", true),
        (&second.refresh, "refresh_token", true),
        (&first.refresh, "refresh_token", false),
    ] {
        let told = inspect(token).await;
        assert_eq!((&told["kind"], &told["active"]), (&json!(kind), &json!(active)), "{told}");
        assert_eq!(told["grant"], get(&world, &path).await.1, "{kind}");
        assert_eq!(told["claims"]["sub"].as_str(), (kind == "access_token").then_some("alice"), "{kind}");
    }
    let guess = format!("{}x", &second.refresh[..second.refresh.len() - 1]);
    for token in ["x", "", &guess] {
        assert_eq!(inspect(token).await, json!({"active": false, "kind": "unknown"}), "{token}");
    }
    assert_eq!(delete(&world, &path).await, 204);
    assert!(!is_alive(&world, &second.access).await && inspect(&second.refresh).await["active"] == false);
    assert!(get(&world, &path).await.1["revoked_at"].is_u64());
    for id in ["x", "AAAAAAAAAAAAAAAAAAAAAA"] {
        assert_eq!(delete(&world, &format!("/v1/grants/{id}")).await, 404, "{id}");
    }
}

/// Whoever is signed in and agreed once gets a new grant without a page: so the consent ends with the grant that is taken away.
#[tokio::test]
async fn what_an_operator_ended_is_not_silently_restored() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let mut browser = Browser::default();
    let page = browser.approve(&world, &client.link(&[])).await;
    let code = page.param("code").unwrap();
    let tokens = Tokens::of(client.redeem(&world, &code, &[]).await.1);
    assert!(browser.get(&world, &client.link(&[])).await.param("code").is_some(), "without a page");
    let path = format!("/v1/grants/{}", grant_of(&tokens));
    for attempt in ["alive", "dead"] {
        assert_eq!(delete(&world, &path).await, 204, "{attempt}");
        let asked = browser.get(&world, &client.link(&[])).await;
        assert!(asked.has_field("decision") && !asked.has_field("password"), "{attempt}: {asked:?}");
        browser.submit(&world, &asked.form().with("decision", "approve")).await;
    }
}

#[tokio::test]
async fn an_operator_lets_somebody_try_again() {
    let limits = "login: {per_account_and_address: 2, per_account: 2, per_address: 2}\n";
    let world = World::start_with(|yaml| yaml + limits).await;
    let mut browser = Browser::default();
    let form = browser.get(&world, "/account").await.form();
    let mut attempt = async |password: &str| {
        browser
            .submit(&world, &form.clone().with("username", "alice").with("password", password))
            .await
            .status
    };
    for wanted in [403, 403, 429] {
        assert_eq!(attempt("x").await, wanted);
    }
    assert_eq!(post(&world, "/v1/users/alice/reset-throttle", json!({})).await.0, 204);
    assert_eq!(attempt(PASSWORD).await, 429, "the address goes on counting");
    let with_address = json!({"address": "127.0.0.1"});
    assert_eq!(post(&world, "/v1/users/alice/reset-throttle", with_address).await.0, 204);
    assert_eq!(attempt(PASSWORD).await, 200);
}
