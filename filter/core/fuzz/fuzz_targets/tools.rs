//! What is written in canonical form says the same, is its own canonical form, and means the same digest; ranges of hidden
//! characters lie within the entry, and without them nothing is hidden any more in prose.
#![no_main]
use wicketgate_core::tools::canonical::canonical;
use wicketgate_core::tools::entry::examine;
use wicketgate_core::tools::listing::listed;

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    let _ = listed(body);
    let examined = examine(body);
    let Ok(once) = canonical(body, &mut |_| {}) else {
        assert!(examined.digest.is_none());
        return;
    };
    assert_eq!(canonical(&once, &mut |_| {}).expect("still JSON"), once);
    let mut without = body.to_vec();
    for range in examined.hidden.prose.iter().rev() {
        without.drain(range.clone());
    }
    let again = examine(&without);
    assert_eq!(examined.digest.is_some(), again.digest.is_some());
    if examined.digest.is_some() && examined.hidden.prose.is_empty() {
        assert_eq!(examine(&once).digest, examined.digest, "however it is written");
    }
});
