//! Does a running server take over another configuration, whole or not at all?

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::world::browser::Browser;
use crate::world::client::Client;
use crate::world::enterprise::{self, Enterprise};
use crate::world::upstream::Upstream;
use crate::world::{ADMIN_TOKEN, CONFIGURED_SECRET, OTHER_RESOURCE, RESOURCE, World};

#[tokio::test]
async fn what_may_change_changes_at_once() {
    let upstream = Upstream::start().await;
    let mut world = World::start().await;
    let client = Client::public(&world).await;
    let tokens = client.tokens(&world).await;
    assert_eq!(tokens.body["expires_in"], 600);
    world.happened();

    let machine = "  - {id: machine, secret: {file: FOLDER/rs.secret}, grant_types: [client_credentials], scopes: [mcp:admin]}\n";
    let provider = upstream.oidc("allow: {everyone: true}");
    let change = |yaml: String| {
        let yaml = yaml.replace("registration: {open: true}", "lifetimes: {access_token: 5m}");
        let yaml = yaml.replace("scopes: [mcp:read, mcp:write]", "scopes: [mcp:read, mcp:write, mcp:admin]");
        format!("{yaml}{machine}{provider}dpop: {{require_nonce: true}}\ncimd: {{enabled: true}}\n")
    };
    world.reload(change).await.unwrap();
    assert_eq!(world.happened(), ["config_reloaded"]);

    let refreshed = client.refresh(&world, &tokens.refresh, &[]).await.1;
    assert_eq!(refreshed["expires_in"], 300, "lifetimes");
    let metadata: serde_json::Value =
        world.get("/.well-known/oauth-authorization-server").await.json().await.unwrap();
    assert_eq!(metadata["client_id_metadata_document_supported"], true, "cimd");
    assert!(metadata.get("registration_endpoint").is_none(), "registration");
    let body = json!({"redirect_uris": ["https://app.example/cb"]});
    let status = world.http.post(world.url("/register")).json(&body).send().await.unwrap().status();
    assert_eq!(status, 404, "registration");
    let page = Browser::default().get(&world, &client.link(&[])).await;
    assert!(page.body.contains("action=\"/signin/x\""), "identity providers");
    let machine = Client {
        id: "machine".into(),
        secret: Some(CONFIGURED_SECRET.into()),
        method: "client_secret_basic".into(),
    };
    let form = [("grant_type", "client_credentials"), ("resource", RESOURCE)];
    let (status, body) = machine.post(&world, "/token", &form, &[]).await;
    assert_eq!((status, &body["scope"]), (200, &json!("mcp:admin")), "clients and resources");

    let without_alice = |yaml: String| yaml.replace("name: alice,", "name: bob,");
    world.reload(without_alice).await.unwrap();
    let refresh = refreshed["refresh_token"].as_str().unwrap();
    assert_eq!(client.refresh(&world, refresh, &[]).await.0, 400, "users");
}

#[tokio::test]
async fn whose_word_counts_changes_and_who_may_administer() {
    let (upstream, mut world) = (Upstream::start().await, World::start().await);
    let trust = enterprise::trusted(&upstream, "allow: {everyone: true}");
    let token = "admin: {token: {file: FOLDER/admin.token}}\n";
    world.reload(|yaml| enterprise::configured(yaml) + &trust + token).await.unwrap();
    let scene = Enterprise { upstream, world, agent: Client::configured("agent") };
    let (status, body) = scene.presented(|_| {}).await;
    assert_eq!(status, 200, "{body}");
    let keys = scene.world.http.get(format!("{}/v1/keys", scene.world.admin));
    assert_eq!(keys.try_clone().unwrap().send().await.unwrap().status(), 401);
    assert_eq!(keys.bearer_auth(ADMIN_TOKEN).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn what_is_wrong_changes_nothing() {
    let mut world = World::start().await;
    let client = Client::public(&world).await;
    world.happened();
    for (from, to, place) in [
        ("issuer: http://127.0.0.1:8080", "issuer: http://127.0.0.1:8081", "issuer"),
        ("public: 127.0.0.1:0", "public: 127.0.0.1:1", "listen"),
        ("store: ", "store: {embedded: {path: elsewhere.redb}} #", "store"),
        ("data_key: {file: FOLDER/data.key}", "data_key: {file: FOLDER/other.key}", "data_key"),
        ("FOLDER/addresses.json", "FOLDER/other.json", "addresses_file"),
        ("FOLDER/audit.jsonl", "FOLDER/other.jsonl", "audit"),
        ("registration:", "signing: {algorithm: EdDSA}\nregistration:", "signing"),
        ("registration:", "registratoin:", "registratoin"),
        ("registration:", "lifetimes: {access_token: 2h}\nregistration:", "lifetimes.access_token"),
        ("alice.password", "nowhere", "users[0].password"),
    ] {
        let [from, to] = [from, to].map(|text| world.filled_in(text));
        let error = world.reload(|yaml| yaml.replacen(&from, &to, 1)).await.unwrap_err().to_string();
        assert!(error.contains(place), "{place}: {error}");
        let [record] = world.recorded().try_into().unwrap();
        assert_eq!((&record["event"], &record["reason"]), (&json!("config_refused"), &json!(error)));
    }
    assert_eq!(client.tokens(&world).await.body["expires_in"], 600, "the old one is in force");
    let text =
        world.http.get(format!("{}/metrics", world.metrics)).send().await.unwrap().text().await.unwrap();
    assert!(text.contains("wicketgate_auth_config_reloads_total{outcome=\"refused\"} 10"), "{text}");
    assert!(text.contains("wicketgate_auth_config_loaded_at 1800000000"), "{text}");
}

#[tokio::test]
async fn requests_in_flight_are_answered() {
    let mut world = World::start().await;
    let client = Client::public(&world).await;
    let tokens = client.tokens(&world).await;
    let body = crate::world::encode(&[
        ("grant_type", "refresh_token"),
        ("refresh_token", &tokens.refresh),
        ("client_id", &client.id),
        ("resource", RESOURCE),
    ]);
    let head = format!(
        "POST /token HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(world.public.strip_prefix("http://").unwrap()).await.unwrap();
    // One request, so that the connection is known to be served; then the head of another.
    stream.write_all(b"GET /jwks HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(until(&mut stream, "}]}").await.starts_with("HTTP/1.1 200"));
    stream.write_all(head.as_bytes()).await.unwrap();
    world.reload(|yaml| format!("{yaml}lifetimes: {{access_token: 5m}}\n")).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    let answer = until(&mut stream, "}").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    stream.write_all(b"GET /jwks HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(until(&mut stream, "}]}").await.starts_with("HTTP/1.1 200"), "the connection stays");
    let other = client.link(&[("resource", OTHER_RESOURCE), ("scope", "other:use")]);
    let code = Browser::default().approve(&world, &other).await.param("code").unwrap();
    assert_eq!(
        client.redeem(&world, &code, &[]).await.1["expires_in"],
        300,
        "and who comes later finds the new one"
    );
}

async fn until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        let mut bytes = [0; 4096];
        let length = stream.read(&mut bytes).await.unwrap();
        assert_ne!(length, 0, "{text}");
        text.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
    }
    text
}
