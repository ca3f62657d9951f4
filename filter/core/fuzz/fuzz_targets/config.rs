//! Whatever document is given, it is refused with places or compiled to the same policy each time.
#![no_main]
use wicketgate_core::config::compile;

libfuzzer_sys::fuzz_target!(|document: &[u8]| {
    match compile(document) {
        Ok(compiled) => {
            assert!(!compiled.guard.servers.is_empty());
            assert_eq!(compile(document).map(|again| again.guard), Ok(compiled.guard));
        }
        Err(errors) => assert!(!errors.is_empty() && errors.iter().all(|error| !error.message.is_empty())),
    }
});
