//! A code that is read is read again as itself, and whatever is given out can be read.
#![no_main]
use wicketgate_auth::oauth::user_code::{of, read};

libfuzzer_sys::fuzz_target!(|input: ([u8; 16], &str)| {
    let (random, typed) = input;
    let given = of(random);
    assert_eq!(read(&given).as_deref(), Some(&*given));
    if let Some(code) = read(typed) {
        assert_eq!(read(&code).as_deref(), Some(&*code));
        assert_eq!(code.len(), given.len());
    }
});
