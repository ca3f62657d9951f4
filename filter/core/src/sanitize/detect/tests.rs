//! Whatever a text says: what is found lies within it, at whole characters. How well it is found: `tests/detectors.rs`.

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn findings_are_stretches_of_the_text(text in prop_oneof![
        "\\PC{0,60}",
        "[0-9 ().+/-]{0,60}",
        "([A-Za-z]{2}[0-9]{2}|[0-9]{4}[ -]|é|@|\\.|[a-z]{1,3}){0,20}",
        "(password|token|api_key|secret|bearer|://|:|=|\"|'| |é|[a-z0-9]{1,9}|-----BEGIN |PRIVATE KEY-----|\n){0,16}",
        "(ignore|all|previous|instructions|!\\[|\\]\\(|https://|<img src=|\\?q=|eyJ|\\.|sk-|ghp_| |é){0,16}",
    ]) {
        let mut findings = Vec::new();
        find(&text, Wanted::of(Detector::ALL), &mut findings);
        for finding in findings {
            prop_assert!(text.get(finding.range.clone()).is_some_and(|found| !found.is_empty()), "{finding:?} in {text:?}");
        }
    }

    #[test]
    fn a_detector_that_is_not_wanted_finds_nothing(text in "[0-9 a-z@.+:=-]{0,80}", at in 0..Detector::ALL.len()) {
        let mut findings = Vec::new();
        find(&text, Wanted::of(Detector::ALL.get(at).copied()), &mut findings);
        prop_assert!(findings.iter().all(|finding| Some(&finding.detector) == Detector::ALL.get(at)));
    }
}

#[test]
fn names_are_read_as_they_are_written() {
    for detector in Detector::ALL {
        assert_eq!(Detector::parse(detector.name()), Some(detector));
    }
    assert_eq!(Detector::parse("Email"), None);
}
