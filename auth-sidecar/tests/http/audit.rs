//! Is what happens written down, once each time, and nothing else?

mod administration;
mod clients;

use std::time::Duration;

use serde_json::{Value, json};
use wicketgate_auth::audit::Act;

use crate::world::browser::Browser;
use crate::world::client::{Client, Tokens};
use crate::world::dpop::Key;
use crate::world::publisher::Publisher;
use crate::world::signer::{ASSERTION, Signer};
use crate::world::upstream::{Upstream, leave};
use crate::world::{CONFIGURED_SECRET, RESOURCE, World, form_headers, read};

const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Asserts that exactly these acts were written down since the last look.
#[track_caller]
fn assert_happened(world: &World, wanted: &[&str]) {
    assert_eq!(world.happened(), wanted);
}

#[tokio::test]
async fn a_code_and_what_comes_of_it() {
    let world = World::start().await;
    assert_happened(&world, &["keys_rotated"]);
    let client = Client::confidential(&world, "client_secret_post").await;
    assert_happened(&world, &["client_registered"]);
    let mut browser = Browser::default();
    let page = browser.get(&world, &client.link(&[])).await;
    browser.submit(&world, &page.form().with("username", "alice").with("password", "wrong")).await;
    assert_happened(&world, &["sign_in_failed"]);
    let code = browser.approve(&world, &client.link(&[])).await.param("code").unwrap();
    assert_happened(&world, &["signed_in", "consent_given", "code_issued"]);
    assert_eq!(client.redeem(&world, &code, &[("client_secret", "wrong")]).await.0, 401);
    assert_happened(&world, &["client_authentication_failed"]);
    assert_eq!(client.redeem(&world, &code, &[("code_verifier", "x".repeat(43).as_str())]).await.0, 400);
    assert_happened(&world, &[]);
    let first = Tokens::of(client.redeem(&world, &code, &[]).await.1);
    assert_happened(&world, &["code_redeemed"]);
    let second = Tokens::of(client.refresh(&world, &first.refresh, &[]).await.1);
    assert_happened(&world, &["token_refreshed"]);
    world.advance(Duration::from_secs(60));
    assert_eq!(client.refresh(&world, &first.refresh, &[]).await.0, 400);
    assert_happened(&world, &["refresh_token_reused"]);
    assert_eq!(client.refresh(&world, &second.refresh, &[]).await.0, 400);
    assert_happened(&world, &[]);

    let again = client.link(&[("prompt", "consent")]);
    let code = browser.approve(&world, &again).await.param("code").unwrap();
    client.redeem(&world, &code, &[]).await;
    assert_happened(&world, &["consent_given", "code_issued", "code_redeemed"]);
    assert_eq!(client.redeem(&world, &code, &[]).await.0, 400);
    assert_happened(&world, &["code_reused"]);
    browser.answer(&world, &again, "deny").await;
    assert_happened(&world, &["consent_denied"]);

    let tokens = client.tokens(&world).await;
    world.happened();
    for wanted in [&["grant_revoked"][..], &[]] {
        assert_eq!(client.post(&world, "/revoke", &[("token", &tokens.refresh)], &[]).await.0, 200);
        assert_happened(&world, wanted);
    }
    let metrics = world.http.get(format!("{}/metrics", world.metrics)).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    assert!(metrics.contains("wicketgate_auth_grants_revoked_total 1\n"), "{metrics}");
}

#[tokio::test]
async fn a_record_says_who_and_from_where() {
    let world = World::start_with(|yaml| format!("{yaml}forwarded: {{trusted_hops: 1}}\n")).await;
    let client = Client::public(&world).await;
    let code = client.code(&world).await;
    let before = world.recorded();
    let form = [("grant_type", "authorization_code"), ("code", &code), ("client_id", &client.id)];
    let verifier = [("code_verifier", crate::world::client::VERIFIER)];
    let body = crate::world::encode(&[form.as_slice(), &verifier].concat());
    let ask = || {
        let request = world.http.post(world.url("/token")).headers(form_headers()).body(body.clone());
        request.header("x-forwarded-for", "203.0.113.9, 192.0.2.7")
    };
    let answer = read(ask().header("x-request-id", "the-proxys-own-name").send().await.unwrap()).await;
    let claims = Tokens::of(answer.1).decoded().1;
    let [record] = world.recorded().try_into().unwrap();
    let number = |record: &Value| -> u64 {
        record["event_id"].as_str().unwrap().rsplit_once('-').unwrap().1.parse().unwrap()
    };
    assert_eq!(number(&record), number(before.last().unwrap()) + 1, "a lost record leaves a gap");
    let wanted = json!({
        "event": "code_redeemed", "event_id": record["event_id"], "time": 1_800_000_000, "outcome": "success",
        "subject": "alice", "client_id": client.id, "grant_id": claims["grant_id"], "address": "192.0.2.7",
        "request_id": "the-proxys-own-name",
    });
    assert_eq!(record, wanted);
    ask().header("x-request-id", "not a name\u{e9}").send().await.unwrap();
    let [record] = world.recorded().try_into().unwrap();
    assert_eq!(record["event"], "code_reused");
    assert!(record["request_id"].as_str().is_some_and(|id| id.len() == 16), "one of ours: {record}");
}

#[tokio::test]
async fn too_many_of_anything() {
    let limits = "login: {per_account_and_address: 1, per_address: 1}\n";
    let world = World::start_with(|yaml| {
        let one = "registration: {open: true, per_address_per_hour: 1}";
        yaml.replace("registration: {open: true}", one) + limits
    });
    let world = world.await;
    let metadata =
        json!({"token_endpoint_auth_method": "none", "grant_types": ["authorization_code", DEVICE]});
    let client = Client::register(&world, metadata).await;
    let body = json!({"redirect_uris": ["https://app.example/cb"]});
    world.http.post(world.url("/register")).json(&body).send().await.unwrap();
    assert_happened(&world, &["keys_rotated", "client_registered", "registration_throttled"]);
    let mut browser = Browser::default();
    let form = browser.get(&world, &client.link(&[])).await.form();
    let form = form.with("username", "alice").with("password", "wrong");
    for wanted in ["sign_in_failed", "sign_in_throttled"] {
        browser.submit(&world, &form).await;
        assert_happened(&world, &[wanted]);
    }
    let form = browser.get(&world, "/device").await.form().with("user_code", "BCDF-GHJK");
    for wanted in [[].as_slice(), &["user_code_throttled"]] {
        browser.submit(&world, &form).await;
        assert_happened(&world, wanted);
    }
}

/// Begun so often within the hour that the next one is too much.
#[tokio::test]
async fn too_many_devices() {
    let mut world = World::start().await;
    let client = Client::register(
        &world,
        json!({"token_endpoint_auth_method": "none", "grant_types": ["authorization_code", DEVICE]}),
    );
    let client = client.await;
    let begin = async |world: &World| {
        client.post(world, "/device_authorization", &[("resource", RESOURCE)], &[]).await.0
    };
    assert_eq!(begin(&world).await, 200);
    // The counter of this address, of which there is none but that one, as if it had been asked for all that is allowed.
    clients::counted(&mut world, 3_599).await;
    for (wanted, noted) in [(200, vec![]), (429, vec!["device_throttled"])] {
        assert_eq!(begin(&world).await, wanted);
        assert_happened(&world, &noted);
    }
}

#[tokio::test]
async fn clients_and_their_registrations() {
    let world = World::start().await;
    let body = json!({"redirect_uris": ["https://app.example/cb"], "token_endpoint_auth_method": "none"});
    let (_, answer) = read(world.http.post(world.url("/register")).json(&body).send().await.unwrap()).await;
    assert_happened(&world, &["keys_rotated", "client_registered"]);
    let bad = json!({"redirect_uris": ["javascript:alert(1)"]});
    world.http.post(world.url("/register")).json(&bad).send().await.unwrap();
    let [refused] = world.recorded().try_into().unwrap();
    assert_eq!(
        (&refused["event"], &refused["reason"]),
        (&json!("client_refused"), &json!("invalid_redirect_uri"))
    );
    let id = answer["client_id"].as_str().unwrap();
    let url = world.url(&format!("/register/{id}"));
    let bearer = |answer: &Value| format!("Bearer {}", answer["registration_access_token"].as_str().unwrap());
    let mut update = body.clone();
    update["client_id"] = json!(id);
    let put = world.http.put(&url).header("authorization", bearer(&answer)).json(&update);
    let (_, updated) = read(put.send().await.unwrap()).await;
    assert_happened(&world, &["client_updated"]);
    world.http.delete(&url).header("authorization", bearer(&answer)).send().await.unwrap();
    assert_happened(&world, &["client_refused"]);
    let public = Client { id: id.to_owned(), secret: None, method: "none".into() };
    assert_eq!(public.post(&world, "/introspect", &[("token", "mr_x")], &[]).await.0, 401);
    assert_happened(&world, &["introspection_refused"]);
    world.http.delete(&url).header("authorization", bearer(&updated)).send().await.unwrap();
    assert_happened(&world, &["client_deleted"]);
    assert_eq!(public.refresh(&world, "mr_x", &[]).await.0, 401);
    let [record] = world.recorded().try_into().unwrap();
    assert_eq!(record["event"], "client_authentication_failed");
    assert!(record.get("client_id").is_none(), "what names no client may be anything: {record}");
}

#[tokio::test]
async fn devices_and_clients_themselves() {
    let machine = "  - {id: machine, secret: {file: FOLDER/rs.secret}, grant_types: [client_credentials], scopes: [mcp:read]}\n";
    let world = World::start_with(|yaml| yaml + machine).await;
    let metadata =
        json!({"token_endpoint_auth_method": "none", "grant_types": ["authorization_code", DEVICE]});
    let client = Client::register(&world, metadata).await;
    let machine = Client {
        id: "machine".into(),
        secret: Some(CONFIGURED_SECRET.into()),
        method: "client_secret_basic".into(),
    };
    let form = [("grant_type", "client_credentials"), ("resource", RESOURCE)];
    assert_eq!(machine.post(&world, "/token", &form, &[]).await.0, 200);
    assert_happened(&world, &["keys_rotated", "client_registered", "token_issued"]);
    let mut browser = Browser::default();
    browser.approve(&world, &client.link(&[])).await;
    world.happened();
    for (decision, wanted) in [("approve", "device_approved"), ("deny", "device_denied")] {
        let scope = [("scope", "mcp:read"), ("resource", RESOURCE)];
        let (_, offered) = client.post(&world, "/device_authorization", &scope, &[]).await;
        let form = browser.get(&world, "/device").await.form();
        let form = form.with("user_code", offered["user_code"].as_str().unwrap());
        let form = browser.submit(&world, &form).await.form().with("decision", decision);
        browser.submit(&world, &form).await;
        assert_happened(&world, &[wanted]);
        let code = offered["device_code"].as_str().unwrap();
        client.post(&world, "/token", &[("grant_type", DEVICE), ("device_code", code)], &[]).await;
        let wanted = if decision == "approve" { ["token_issued"].as_slice() } else { &[] };
        assert_happened(&world, wanted);
    }
}

#[tokio::test]
async fn what_is_shown_twice() {
    let world = World::start().await;
    let signer = Signer::es256();
    let metadata = json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": signer.jwks()});
    let signing = Client::register(&world, metadata).await;
    world.happened();
    let assertion = signer.assertion(&world, &signing.id, |_| {});
    let form = [("client_assertion_type", ASSERTION), ("client_assertion", assertion.as_str())];
    for wanted in [[].as_slice(), &["assertion_replayed"]] {
        signing.refresh(&world, "mr_x", &form).await;
        assert_happened(&world, wanted);
    }
    let public = Client::public(&world).await;
    world.happened();
    let proof = Key::new("ES256").proof("/token", 1_800_000_000);
    let body = crate::world::encode(&[
        ("grant_type", "refresh_token"),
        ("refresh_token", "mr_x"),
        ("client_id", &public.id),
    ]);
    for wanted in [[].as_slice(), &["dpop_proof_replayed"]] {
        let request = world.http.post(world.url("/token")).headers(form_headers()).body(body.clone());
        request.header("dpop", &proof).send().await.unwrap();
        assert_happened(&world, wanted);
    }
}

#[tokio::test]
async fn sign_ins_elsewhere() {
    let upstream = Upstream::start().await;
    let (world, client) = upstream.world(&upstream.oidc("allow: {everyone: true}")).await;
    world.happened();
    let mut browser = Browser::default();
    let location = leave(&world, &mut browser, &client.link(&[])).await;
    browser.get(&world, &upstream.sign_in(&location)).await;
    let records = world.recorded();
    let events: Vec<_> = records.iter().map(|record| record["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["signed_in", "consent_given", "code_issued"]);
    assert_eq!((&records[0]["provider"], &records[0]["client_id"]), (&json!("x"), &json!(client.id)));
    assert_eq!(records[0]["subject"], format!("{}#u-1", upstream.base));
    let mut browser = Browser::default();
    let location = leave(&world, &mut browser, &client.link(&[])).await;
    upstream.lie(|claims| claims.set("aud", json!("somebody else")));
    browser.get(&world, &upstream.sign_in(&location)).await;
    let [refused] = world.recorded().try_into().unwrap();
    assert_eq!(refused["event"], "upstream_sign_in_refused");
    assert!(refused["reason"].as_str().unwrap().starts_with("ID token: "), "{refused}");
}

#[tokio::test]
async fn documents_that_are_not_fetched() {
    let publisher = Publisher::start().await;
    let world =
        World::start_with(|yaml| format!("{yaml}cimd: {{enabled: true, per_address_per_hour: 1}}\n")).await;
    world.happened();
    let client = |path: &str| Client { id: publisher.url(path), secret: None, method: "none".into() };
    let aimed_inside = client("/client.json");
    Browser::default().get(&world, &aimed_inside.link(&[])).await;
    let [refused] = world.recorded().try_into().unwrap();
    assert_eq!(refused["event"], "client_document_refused");
    assert_eq!(
        (&refused["client_id"], &refused["reason"]),
        (&json!(aimed_inside.id), &json!("its place is not public"))
    );
    assert_eq!(publisher.asked("/client.json"), 0);
    Browser::default().get(&world, &client("/other.json").link(&[])).await;
    assert_happened(&world, &["client_document_throttled"]);
    let page = Browser::default().get(&world, &client("/a/../b").link(&[])).await;
    assert_eq!(page.status, 400);
    let [refused] = world.recorded().try_into().unwrap();
    assert_eq!(refused["event"], "client_document_refused");
    assert!(refused.get("client_id").is_none(), "{refused}");
}

#[tokio::test]
async fn keys_that_are_rotated() {
    let world = World::start().await;
    world.happened();
    for now in [false, true] {
        let url = format!("{}/v1/keys/rotate", world.admin);
        world.http.post(url).json(&json!({"now": now})).send().await.unwrap();
        assert_happened(&world, &["keys_rotated"]);
    }
    world.advance(Duration::from_secs(40 * 24 * 3600));
    world.get("/jwks").await;
    let [record] = world.recorded().try_into().unwrap();
    assert_eq!((&record["event"], &record["reason"]), (&json!("keys_rotated"), &json!("schedule")));
}

/// So that an act without a test does not go unnoticed.
#[test]
fn each_act_has_its_test() {
    let tests = [
        include_str!("audit.rs"),
        include_str!("audit/administration.rs"),
        include_str!("audit/clients.rs"),
        include_str!("grant_limit.rs"),
        include_str!("reloading.rs"),
        include_str!("upstream_credentials.rs"),
    ]
    .concat();
    for act in Act::ALL {
        assert!(tests.contains(&format!("\"{act}\"")), "{act}");
    }
}
