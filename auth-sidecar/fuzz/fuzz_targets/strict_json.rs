//! Whatever is accepted means the same to serde_json, and nothing stands in it twice.
#![no_main]
use wicketgate_auth::idp::strict_json::parse;

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    let theirs = serde_json::from_slice::<serde_json::Value>(text);
    let Some(value) = parse(text) else { return };
    assert_eq!(theirs.ok().as_ref(), Some(&value));
    // Not compared: serde_json reads fractions to the last bit only where it is told to take its time.
    assert!(parse(value.to_string().as_bytes()).is_some());
});
