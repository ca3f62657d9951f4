//! A record that was read, written and read again is the same.
#![no_main]
use wicketgate_auth::clock::UnixTime;
use wicketgate_auth::store::redis::wire::{record, row};

libfuzzer_sys::fuzz_target!(|input: (u64, &[u8])| {
    let (now, bytes) = input;
    let Ok(Some(kept)) = row(bytes, UnixTime(now)) else { return };
    assert!(now < kept.until.0 || kept.until.0 == u64::MAX);
    let again = record(&kept.written, &kept.json, kept.until);
    assert_eq!(row(&again, UnixTime(now)).ok().flatten(), Some(kept));
});
