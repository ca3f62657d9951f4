//! Whatever the scanner accepts, serde_json accepts.
#![no_main]
use wicketgate_core::mcp::strict::{Rigour, Scanner};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(mut scanner) = Scanner::new(bytes, 64, Rigour::EveryLevel) else { return };
    if scanner.skip().is_ok() && scanner.end().is_ok() {
        serde_json::from_slice::<serde_json::Value>(bytes).expect("serde_json accepts it too");
    }
});
