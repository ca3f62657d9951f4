//! What does somebody find who copies the store's file? Nothing that works.

use std::os::unix::fs::PermissionsExt as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::world::browser::Browser;
use crate::world::client::{Client, Tokens};
use crate::world::dpop::Key;
use crate::world::signer::{ASSERTION, Signer};
use crate::world::{PASSWORD, RESOURCE, World, read};

#[tokio::test]
async fn the_file_holds_no_credential_in_clear() {
    let mut world = World::start().await;
    let client = Client::confidential(&world, "client_secret_basic").await;
    let mut browser = Browser::default();
    let page = browser.approve(&world, &client.link(&[])).await;
    let code = page.param("code").unwrap();
    let (_, first) = client.redeem(&world, &code, &[]).await;
    let first = Tokens::of(first);
    let (_, second) = client.refresh(&world, &first.refresh, &[]).await;
    let second = Tokens::of(second);
    let unused_code = client.code(&world).await;
    let managed = json!({"redirect_uris": ["https://app.example/cb"], "token_endpoint_auth_method": "none"});
    let (_, managed) =
        read(world.http.post(world.url("/register")).json(&managed).send().await.unwrap()).await;
    let signer = Signer::es256();
    let signing = json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": signer.jwks()});
    let signing = Client::register(&world, signing).await;
    let assertion = signer.assertion(&world, &signing.id, |_| {});
    let form = [("client_assertion_type", ASSERTION), ("client_assertion", assertion.as_str())];
    signing.refresh(&world, "mr_x", &form).await;
    world.stop().await;

    let file = world.kept();
    assert!(
        contains(&file, client.id.as_bytes()),
        "the file is the store, and what is searched for would be found"
    );
    let mut secrets = vec![
        code,
        unused_code,
        first.refresh,
        second.refresh,
        first.access,
        client.secret.unwrap(),
        PASSWORD.to_owned(),
        managed["registration_access_token"].as_str().unwrap().to_owned(),
        assertion,
    ];
    secrets.extend(browser.cookies.into_values());
    assert_absent(&file, secrets);
    // Redis has no file of ours.
    if let Ok(metadata) = std::fs::metadata(world.store_path()) {
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    }
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

#[tokio::test]
async fn nor_what_devices_and_pushed_requests_and_opaque_tokens_are_known_by() {
    let change = |yaml: String| {
        yaml.replace("default_scopes: [mcp:read]}", "default_scopes: [mcp:read], access_tokens: opaque}")
    };
    let mut world = World::start_with(change).await;
    let device = "urn:ietf:params:oauth:grant-type:device_code";
    let metadata = serde_json::json!({
        "token_endpoint_auth_method": "none", "grant_types": ["authorization_code", device],
    });
    let client = Client::register(&world, metadata).await;
    let page = Browser::default().approve(&world, &client.link(&[("scope", "openid mcp:read")])).await;
    let proof = Key::new("ES256").proof("/token", 1_800_000_000);
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", client.id.as_str()),
        ("code", &page.param("code").unwrap()),
        ("code_verifier", crate::world::client::VERIFIER),
    ];
    let request = world.http.post(world.url("/token")).headers(crate::world::form_headers());
    let request = request.header("dpop", &proof).body(crate::world::encode(&form));
    let (status, tokens) = crate::world::read(request.send().await.unwrap()).await;
    assert_eq!(status, 200, "{tokens}");
    let scope = [("scope", "mcp:read"), ("resource", RESOURCE)];
    let (_, offered) = client.post(&world, "/device_authorization", &scope, &[]).await;
    let link = client.link(&[("client_id", "")]);
    let request = world.http.post(world.url("/par")).headers(crate::world::form_headers());
    let request = request.body(format!("client_id={}&{}", client.id, link.split_once('?').unwrap().1));
    let (status, pushed) = crate::world::read(request.send().await.unwrap()).await;
    assert_eq!(status, 201, "{pushed}");
    world.stop().await;

    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let secrets = vec![
        text(&tokens["access_token"]),
        text(&tokens["id_token"]),
        text(&offered["device_code"]),
        text(&offered["user_code"]),
        text(&pushed["request_uri"]).rsplit(':').next().unwrap().to_owned(),
        proof,
    ];
    assert_absent(&world.kept(), secrets);
}

fn assert_absent(file: &[u8], secrets: Vec<String>) {
    for secret in secrets {
        assert!(!contains(file, secret.as_bytes()), "{secret}");
        // Behind the prefix and the grant's id. (Base64url has underscores of its own.)
        let without_prefix =
            ["ms_", "mreg_"].iter().find_map(|prefix| secret.strip_prefix(prefix)).unwrap_or(&secret);
        let random_part = without_prefix.rsplit('.').next().unwrap().to_owned();
        assert!(!contains(file, random_part.as_bytes()), "the random part of {secret}");
        if let Ok(raw) = URL_SAFE_NO_PAD.decode(&random_part) {
            assert!(raw.len() < 16 || !contains(file, &raw), "the bytes of {secret}");
        }
    }
}
