//! No assertion that nobody signed proves a client, whatever keys it registered.
#![no_main]
use wicketgate_auth::clock::UnixTime;
use wicketgate_auth::oauth::client_assertion::Assertion;
use wicketgate_auth::oauth::jwk::KeySet;
use wicketgate_auth::oauth::metadata_document;

const ID: &str = "https://client.example/id";
const DOCUMENT: &[u8] =
    br#"{"client_id": "https://client.example/id", "client_name": "c", "redirect_uris": ["https://client.example/cb"]}"#;

libfuzzer_sys::fuzz_target!(|input: (&str, &[u8])| {
    let (jwt, keys) = input;
    let assertion = Assertion::new(jwt);
    let _ = assertion.subject();
    let Some(Ok(keys)) = serde_json::from_slice(keys).ok().map(KeySet::admit) else { return };
    let client = metadata_document::admit(
        ID,
        DOCUMENT,
        (&wicketgate_auth::oauth::redirect_uri::PrivateUse::None, false),
    )
    .expect("sound");
    let audiences = ["https://auth.example".to_owned()];
    assert_eq!(assertion.verify(&client, &keys, &audiences, UnixTime(1_800_000_000)), None);
});
