//! Of the proofs by one key only the one that was signed holds, whatever is made of it.
#![no_main]
use std::time::Duration;

use wicketgate_core::identity::dpop::{BoundTokens, Expected, Proof, Thumbprint};
use wicketgate_core::identity::host_signature::HostSignatures;
use wicketgate_core::server::Dpop;
use wicketgate_core::time::Timestamp;

/// By a key that was made for this and thrown away, for the token below, when it is `NOW`.
const GOOD: &str = include_str!("../corpus/proof/good");
const KEY: &str = "Nrqg3-M_Xwtx-1tbtc1J7Xul2DyeC0bUSy9u_5NSG6g";
const NOW: u64 = 1_900_000_000;

libfuzzer_sys::fuzz_target!(|proof: &str| {
    let age = Duration::from_secs(60);
    let dpop = Dpop::new(BoundTokens::Required, age, "https://gate.example/mcp").expect("a sound URL");
    let expected = Expected {
        method: "POST",
        is_target: &|uri| dpop.is_target(uri),
        token: "the.bound.token",
        key: Thumbprint::parse(KEY).expect("a thumbprint"),
        max_age: age,
    };
    let shown = Proof::new(proof).verify(&expected, &HostSignatures::NONE, Timestamp::from_secs(NOW));
    // A signature of ECDSA has a twin, which anybody can make: the same text, the same `jti`.
    let (text, _) = GOOD.rsplit_once('.').expect("a proof");
    assert_eq!(shown.is_ok(), proof == GOOD || (shown.is_ok() && proof.starts_with(text)));
});
