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

/// What is found, in the order of the text.
fn said(text: &str) -> Vec<&str> {
    let mut findings = Vec::new();
    find(text, Wanted::of(Detector::ALL), &mut findings);
    findings.sort_by_key(|finding| finding.range.start);
    findings.into_iter().map(|finding| &text[finding.range]).collect()
}

#[test]
fn an_escape_is_no_part_of_a_word_and_of_no_finding() {
    const FOUND: [&str; 8] = [
        "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",
        "AKIAJ64GJ56VHYCJRPSH",
        "foo@example.com",
        "DE89370400440532013000",
        "4111111111111111",
        "+44 20 7946 0958",
        "219-09-9999",
        "ABC8Q~iMIpzyu8j0LDlIHQl4FnIQeZTFz7pz3Vk",
    ];
    for found in FOUND {
        for before in [r"\n", r"x\r\n", r"\t", r"\b", r"\f", r"\u0026", r"x\u00e9", r"\\n", "\n", ""] {
            assert_eq!(said(&format!("{before}{found}\\n")), [found], "{before:?}");
        }
    }
    // Where it takes a letter from a word, the word is no other.
    for nothing in [
        r"\nB123456C",
        r"C:\new\table",
        r"\tr330006100519786457841326",
        r"\nab8Q~iMIpzyu8j0LDlIHQl4FnIQeZTFz7pz3Vk",
    ] {
        assert_eq!(said(nothing), [""; 0], "{nothing}");
    }
    assert_eq!(
        said(r"\u00261234567890:AAiMIpzyu8j0LDlIHQl4FnIQeZTFz7pz3Vk"),
        ["1234567890:AAiMIpzyu8j0LDlIHQl4FnIQeZTFz7pz3Vk"]
    );
    assert_eq!(said(r"PASSWORD=\nhunter2"), ["hunter2"], "an escape stays whole");
}

#[test]
fn a_long_value_is_found_to_its_end_and_judged_once() {
    let key = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ".repeat(40);
    for (before, behind) in
        [("private_key=", ""), ("\"api_key\": \"", "\", "), ("token: ", ". "), ("secret=", ",x")]
    {
        let text = format!("{before}{key}{behind}");
        assert_eq!(said(&text), [key.as_str()], "{before}");
    }
    let longest = "a1B2".repeat(16 << 10);
    let longest = format!("password={longest}");
    assert_eq!(said(&longest)[0].len(), 32 << 10, "the end is searched so far");
    // What another detector finds within does not make each word be judged anew.
    let crowded = format!("password='{}'", "a@example.com,secret=aB3xY9kQ2mZ7pL,".repeat(400));
    let mut findings = Vec::new();
    find(&crowded, Wanted::of(Detector::ALL), &mut findings);
    let secrets = findings.iter().filter(|finding| finding.detector == Detector::Credentials);
    assert_eq!(secrets.count(), 1);
}

#[test]
fn a_value_ends_at_a_space_and_what_begins_in_it_does_not() {
    let block = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg\n-----END PRIVATE KEY-----";
    let bearer = "q8Zr4xT0vNw2LkJ7bYc5HdMf";
    for (text, hidden) in
        [(format!("PASSWORD={block} x"), block), (format!("DB_PASSWORD=Bearer {bearer} x"), bearer)]
    {
        assert_eq!(said(&text).last(), Some(&hidden), "{text}");
    }
}
