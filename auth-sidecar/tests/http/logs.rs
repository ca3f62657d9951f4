//! What do the logs say? What happened, and no credential (house.md, invariant 7).

use std::io::Write;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::world::browser::Browser;
use crate::world::client::{Client, Tokens, VERIFIER};
use crate::world::enterprise::Enterprise;
use crate::world::signer::{ASSERTION, Signer};
use crate::world::upstream::{ACCESS_TOKEN, Upstream, leave};
use crate::world::{CONFIGURED_SECRET, PASSWORD, RESOURCE, World, read};

/// Everything that this process logs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn events_are_there_and_credentials_are_not() {
    let log = Log::default();
    let writer = log.clone();
    // Ours at the finest level; the libraries of the test's own client would log what they send.
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter("wicketgate_auth=trace,audit=info")
        .with_writer(move || writer.clone())
        .init();
    let world = World::start().await;
    let client = Client::confidential(&world, "client_secret_post").await;
    let mut browser = Browser::default();
    let page = browser.get(&world, &client.link(&[])).await;
    let wrong =
        page.form().with("username", "the-password-typed-as-name").with("password", "a-wrong-password");
    browser.submit(&world, &wrong).await;
    let code = browser.approve(&world, &client.link(&[])).await.param("code").unwrap();
    let first = Tokens::of(client.redeem(&world, &code, &[]).await.1);
    let second = Tokens::of(client.refresh(&world, &first.refresh, &[]).await.1);
    client.redeem(&world, &code, &[]).await;
    let body = json!({"redirect_uris": ["https://app.example/cb"], "token_endpoint_auth_method": "none"});
    let (_, managed) = read(world.http.post(world.url("/register")).json(&body).send().await.unwrap()).await;
    let registration_token = managed["registration_access_token"].as_str().unwrap().to_owned();
    let url = world.url(&format!("/register/{}", managed["client_id"].as_str().unwrap()));
    world
        .http
        .delete(url)
        .header("authorization", format!("Bearer {registration_token}"))
        .send()
        .await
        .unwrap();
    let signer = Signer::es256();
    let signing = json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": signer.jwks()});
    let signing = Client::register(&world, signing).await;
    let assertion = signer.assertion(&world, &signing.id, |_| {});
    let form = [("client_assertion_type", ASSERTION), ("client_assertion", assertion.as_str())];
    signing.refresh(&world, "mr_x", &form).await;
    signing.refresh(&world, "mr_x", &form).await;
    let devices = "urn:ietf:params:oauth:grant-type:device_code";
    let metadata = json!({
        "token_endpoint_auth_method": "none", "grant_types": ["authorization_code", devices],
    });
    let device = Client::register(&world, metadata).await;
    let scope = [("scope", "mcp:read"), ("resource", RESOURCE)];
    let (_, offered) = device.post(&world, "/device_authorization", &scope, &[]).await;
    let form = browser.get(&world, "/device").await.form();
    let typed = form.with("user_code", offered["user_code"].as_str().unwrap());
    let form = browser.submit(&world, &typed).await.form().with("decision", "approve");
    browser.submit(&world, &form).await;
    let form = [("grant_type", devices), ("device_code", offered["device_code"].as_str().unwrap())];
    let (status, on_device) = device.post(&world, "/token", &form, &[]).await;
    assert_eq!(status, 200, "{on_device}");
    let bearer = format!("Bearer {}", on_device["access_token"].as_str().unwrap());
    let told = world.http.get(world.url("/userinfo")).header("authorization", bearer);
    assert_eq!(told.send().await.unwrap().status(), 403);

    let mut elsewhere = signed_in_elsewhere().await;
    elsewhere.append(&mut vouched_for().await);

    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let ours: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for event in [
        "client_registered",
        "sign_in_failed",
        "signed_in",
        "consent_given",
        "code_issued",
        "code_reused",
        "client_deleted",
        "assertion_replayed",
        "upstream_sign_in_started",
        "upstream_sign_in_refused",
        "request",
        "signing_key",
        "device_approved",
        "token_issued",
        "identity_assertion_accepted",
        "identity_assertion_replayed",
        "identity_assertion_refused",
        "token_exchanged",
    ] {
        assert!(ours.iter().any(|line| line["event"] == event), "{event}");
    }
    // What the file holds is on standard error, too.
    let recorded = world.recorded();
    assert!(recorded.len() > 10);
    for record in &recorded {
        let same = |line: &&Value| line["target"] == "audit" && line["event_id"] == record["event_id"];
        let line = ours.iter().find(same).unwrap_or_else(|| panic!("{record}"));
        record.as_object().unwrap().iter().for_each(|(name, value)| assert_eq!(&line[name], value));
    }
    let text = format!("{text}{}", Value::from(recorded));
    let mut secrets = vec![code, first.access, first.refresh, second.access, second.refresh];
    secrets.extend([registration_token, assertion]);
    secrets.append(&mut elsewhere);
    secrets.extend([client.secret.unwrap(), PASSWORD.into(), VERIFIER.into()]);
    secrets.extend(["the-password-typed-as-name".into(), "a-wrong-password".into()]);
    secrets.extend(browser.cookies.into_values());
    let text_of = |answer: &Value, name: &str| answer[name].as_str().unwrap().to_owned();
    secrets.extend([text_of(&offered, "device_code"), text_of(&offered, "user_code")]);
    secrets.push(text_of(&on_device, "access_token"));
    for secret in secrets {
        assert!(!text.contains(&secret), "{secret}");
        let random_part = secret.rsplit('.').next().unwrap();
        assert!(!text.contains(random_part), "the random part of {secret}");
    }
}

/// An assertion that is accepted, replayed and lied about, and its token exchanged; the secrets of all that.
async fn vouched_for() -> Vec<String> {
    let scene = Enterprise::with("allow: {everyone: true}", crate::token_exchange::beside).await;
    let assertion = scene.assertion(|_| {});
    let (_, body) = scene.present(&assertion, &[]).await;
    scene.present(&assertion, &[]).await;
    let lie = scene.assertion(|claims| claims.set("tenant", json!("a-lie-of-the-enterprise")));
    scene.present(&lie, &[]).await;
    let token = body["access_token"].as_str().unwrap();
    let (_, exchanged) = crate::token_exchange::exchange(&scene.world, token).await;
    let exchanged = exchanged["access_token"].as_str().unwrap();
    [&assertion, &lie, token, exchanged, "a-lie-of-the-enterprise"].map(ToOwned::to_owned).into()
}

/// A sign-in at a provider, one that it refuses, and one about which it lies; the secrets of all three.
async fn signed_in_elsewhere() -> Vec<String> {
    let upstream = Upstream::start().await;
    let (world, client) = upstream.world(&upstream.oidc("allow: {everyone: true}")).await;
    let mut secrets = vec![ACCESS_TOKEN.to_owned(), CONFIGURED_SECRET.to_owned()];
    for round in 0..3 {
        let mut browser = Browser::default();
        let location = leave(&world, &mut browser, &client.link(&[])).await;
        let url = url::Url::parse(&location).unwrap();
        let random = url.query_pairs().filter(|(name, _)| ["state", "nonce"].contains(&name.as_ref()));
        secrets.extend(random.map(|(_, value)| value.into_owned()));
        let mut back = upstream.sign_in(&location);
        match round {
            0 => {}
            1 => back.push_str("&error=an-error-of-the-provider"),
            _ => upstream.lie(|claims| claims.set("iss", json!("a-lie-of-the-provider"))),
        }
        browser.get(&world, &back).await;
        secrets.extend(browser.cookies.into_values());
    }
    secrets.extend(["an-error-of-the-provider", "a-lie-of-the-provider"].map(ToOwned::to_owned));
    secrets
}
