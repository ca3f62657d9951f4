//! What can be fuzzed of that which others sign? The readers of tokens with an expectation of their own; built for fuzzing alone.

use super::{id_token, identity_assertion};
use crate::clock::UnixTime;
use crate::oauth::jwk::{Algorithm, KeySet};

const ISSUER: &str = "https://idp.example";
const NOW: UnixTime = UnixTime(1_800_000_000);

/// Whether this is an ID token that one of the keys signed.
#[must_use]
pub fn holds_as_id_token(text: &str, keys: &KeySet) -> bool {
    let expected = id_token::Expected {
        issuer: ISSUER,
        client_id: "client",
        nonce: "nonce",
        access_token: "token",
        algorithms: &Algorithm::ALL,
        now: NOW,
    };
    id_token::read(text, keys, &expected).is_ok()
}

/// Whether this is an identity assertion (ID-JAG) that one of the keys signed.
#[must_use]
pub fn holds_as_identity_assertion(text: &str, keys: &KeySet) -> bool {
    let expected = identity_assertion::Expected {
        issuer: ISSUER,
        algorithms: &Algorithm::ALL,
        tenant: None,
        audience: "https://auth.example",
        client_id: "client",
        now: NOW,
    };
    identity_assertion::read(text, keys, &expected).is_ok()
}
