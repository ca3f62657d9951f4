//! What does somebody find who copies the store's file? Nothing that works.

use std::os::unix::fs::PermissionsExt as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::world::browser::Browser;
use crate::world::client::{Client, Tokens};
use crate::world::signer::{ASSERTION, Signer};
use crate::world::{PASSWORD, World, read};

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

    let file = std::fs::read(world.store_path()).unwrap();
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
    for secret in secrets {
        assert!(!contains(&file, secret.as_bytes()), "{secret}");
        // Behind the prefix and the grant's id. (Base64url has underscores of its own.)
        let without_prefix =
            ["ms_", "mreg_"].iter().find_map(|prefix| secret.strip_prefix(prefix)).unwrap_or(&secret);
        let random_part = without_prefix.rsplit('.').next().unwrap().to_owned();
        assert!(!contains(&file, random_part.as_bytes()), "the random part of {secret}");
        if let Ok(raw) = URL_SAFE_NO_PAD.decode(&random_part) {
            assert!(raw.len() < 16 || !contains(&file, &raw), "the bytes of {secret}");
        }
    }
    let mode = std::fs::metadata(world.store_path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}
