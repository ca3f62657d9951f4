//! No token that nobody signed is good, whatever key set it is held against.
#![no_main]
use std::sync::LazyLock;

use wicketgate_core::config::compile;
use wicketgate_core::guard::Guard;
use wicketgate_core::identity::jwks::KeySet;
use wicketgate_core::identity::jwt::{Expected, verify};
use wicketgate_core::identity::key_ring::KeyRing;
use wicketgate_core::time::Timestamp;

static GUARD: LazyLock<Guard> = LazyLock::new(|| {
    let document = br#"{"version": 1, "issuers": [{"issuer": "https://a.example", "algorithms": ["RS256", "PS256", "ES256",
        "EdDSA"], "token_type": "JWT", "jwks": {"cluster": "c", "path": "/"}}], "servers": [{"name": "s",
        "url": "https://b.example/mcp", "rules": [{"id": "r", "allow": {"who": "any", "tools": ["*"]}}]}]}"#;
    compile(document).expect("sound").guard
});

libfuzzer_sys::fuzz_target!(|input: (&str, &[u8])| {
    let (token, keys) = input;
    let now = Timestamp::from_secs(1_800_000_000);
    let mut ring = KeyRing::new(&GUARD.issuers);
    if let Ok(keys) = KeySet::parse(keys) {
        ring.set(0, keys, now, now);
    }
    let expected = Expected { issuers: &GUARD.issuers, accepted: &[0], audience: "https://b.example/mcp" };
    assert!(verify(token, &expected, &ring, now).is_err());
});
