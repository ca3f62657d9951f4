//! What is admitted goes to one place, which no answer moves; and only the port of loopback may differ.
#![no_main]
use url::Url;
use wicketgate_auth::oauth::redirect_uri::{admit, is_loopback, matches, with_params};

libfuzzer_sys::fuzz_target!(|input: (&str, &str)| {
    let (registered, presented) = input;
    if admit(registered, &wicketgate_auth::oauth::redirect_uri::PrivateUse::None).is_err() {
        return;
    }
    let url = Url::parse(registered).expect("a URL");
    assert!(url.scheme() == "https" || (url.scheme() == "http" && is_loopback(registered)));
    let answer = Url::parse(&with_params(registered, &[("code", presented)])).expect("a URL");
    assert_eq!((answer.origin(), answer.path()), (url.origin(), url.path()));
    assert!(answer.query_pairs().any(|(name, value)| name == "code" && value == presented));
    if matches(registered, presented) {
        let other = Url::parse(presented).expect("a URL");
        assert_eq!((other.scheme(), other.host(), other.path()), (url.scheme(), url.host(), url.path()));
        assert_eq!(other.query(), url.query());
        assert!(is_loopback(presented) || registered == presented);
    }
});
