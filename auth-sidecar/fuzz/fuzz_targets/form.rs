//! A form, written and read again, says the same; what stands twice is nobody's value.
#![no_main]
use url::form_urlencoded::Serializer;
use wicketgate_auth::oauth::params::Params;

libfuzzer_sys::fuzz_target!(|encoded: &[u8]| {
    let params = Params::parse(encoded);
    let again = Serializer::new(String::new()).extend_pairs(params.pairs()).finish();
    assert_eq!(Params::parse(again.as_bytes()).pairs(), params.pairs());
    for (name, value) in params.pairs() {
        let once = params.all(name).count() == 1;
        assert_eq!(params.get(name), once.then_some(value.as_str()));
        assert!(once || name == "resource" || params.admit().is_err());
    }
});
