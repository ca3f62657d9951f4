//! A proof that nobody signed is none.
#![no_main]
use wicketgate_auth::clock::UnixTime;
use wicketgate_auth::oauth::dpop::read;

libfuzzer_sys::fuzz_target!(|proof: &str| {
    assert!(read(proof, "POST", "https://auth.example/token", UnixTime(1_800_000_000)).is_err());
});
