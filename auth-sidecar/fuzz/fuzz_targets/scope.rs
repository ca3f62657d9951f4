//! A set of scopes, written and read again, is the same set.
#![no_main]
use wicketgate_auth::oauth::scope::ScopeSet;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Ok(scope) = ScopeSet::parse(text) else { return };
    assert_eq!(ScopeSet::parse(&scope.to_string()).as_ref(), Ok(&scope));
    assert!(scope.iter().all(|token| !token.is_empty() && text.split(' ').any(|one| one == token)));
    assert_eq!(scope.and(&scope), scope.or(&scope));
});
