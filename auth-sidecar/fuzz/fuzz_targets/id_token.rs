//! No ID token and no identity assertion that nobody signed is good, whatever keys it is held against.
#![no_main]
use wicketgate_auth::idp::fuzzing::{holds_as_id_token, holds_as_identity_assertion};
use wicketgate_auth::idp::strict_json;
use wicketgate_auth::oauth::jwk::KeySet;

libfuzzer_sys::fuzz_target!(|input: (&str, &[u8])| {
    let (token, keys) = input;
    let Some(Ok(keys)) = strict_json::parse(keys).map(KeySet::admit) else { return };
    assert!(!holds_as_id_token(token, &keys));
    assert!(!holds_as_identity_assertion(token, &keys));
});
