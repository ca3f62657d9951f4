//! How much do the detectors find, and how much that is nothing? Texts as servers answer them (`corpus/content`), each with what is
//! in it; what is not found, or found for nothing, is written there too, and in the table of `filter/README.md`.
//!
//! | file | whose texts |
//! |---|---|
//! | `tool_outputs.json` | outputs as tools of public servers give them, with values made at random in the issuers' formats |
//! | `published.json` | what others publish to test detectors: Presidio's and detect-secrets' vectors, banks' and issuers' examples |
//! | `negatives.json` | outputs in which nothing is |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail that way"
)]

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use wicketgate_core::sanitize::detect::{Detector, Finding, Wanted, find};

/// True findings, misses, false findings.
type Counts = [usize; 3];

fn corpus() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/content");
    let mut cases = Vec::new();
    for file in ["tool_outputs.json", "published.json", "negatives.json"] {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        let read: Vec<Value> = serde_json::from_str(&text).unwrap();
        cases.extend(read.into_iter().enumerate().map(|(at, case)| (format!("{file} {at}"), case)));
    }
    cases
}

/// What all detectors find, overlaps of one kind as one.
fn found(text: &str) -> Vec<(String, String)> {
    let mut findings = Vec::new();
    find(text, Wanted::of(Detector::ALL), &mut findings);
    findings.sort_by_key(|finding| (finding.detector, finding.range.start));
    let mut merged: Vec<Finding> = Vec::new();
    for finding in findings {
        match merged.last_mut() {
            Some(last) if last.detector == finding.detector && finding.range.start < last.range.end => {
                last.range.end = last.range.end.max(finding.range.end);
            }
            _ => merged.push(finding),
        }
    }
    let said = |finding: Finding| (finding.detector.name().to_owned(), text[finding.range].to_owned());
    let mut said: Vec<_> = merged.into_iter().map(said).collect();
    said.sort();
    said
}

fn listed(case: &Value, key: &str) -> Vec<(String, String)> {
    let pairs = case[key].as_array().cloned().unwrap_or_default();
    pairs.iter().map(|p| (p[0].as_str().unwrap().to_owned(), p[1].as_str().unwrap().to_owned())).collect()
}

#[test]
fn each_text_holds_what_is_written_of_it() {
    let mut wrong = Vec::new();
    for (name, case) in corpus() {
        let text = case["text"].as_str().unwrap();
        let mut expected = [listed(&case, "holds"), listed(&case, "false")].concat();
        expected.sort();
        let found = found(text);
        if found != expected {
            let over: Vec<_> = found.iter().filter(|f| !expected.contains(f)).collect();
            let under: Vec<_> = expected.iter().filter(|e| !found.contains(e)).collect();
            wrong.push(format!("{name}: {text:?}\n   too much: {over:?}\n   missing: {under:?}"));
        }
        for (_, value) in [listed(&case, "holds"), listed(&case, "misses"), listed(&case, "false")].concat() {
            assert!(text.contains(&value), "{name}: {value} is not in the text");
        }
    }
    assert!(wrong.is_empty(), "{} texts:\n{}", wrong.len(), wrong.join("\n"));
}

fn counts() -> BTreeMap<String, Counts> {
    let mut counts: BTreeMap<String, Counts> = BTreeMap::new();
    for (_, case) in corpus() {
        for (at, key) in ["holds", "misses", "false"].into_iter().enumerate() {
            for (detector, _) in listed(&case, key) {
                counts.entry(detector).or_default()[at] += 1;
            }
        }
    }
    counts
}

/// Precision and recall as the documents have them, in whole percent.
#[test]
fn the_table_of_the_readme_says_what_was_measured() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let counts = counts();
    for detector in Detector::ALL {
        let [found, missed, wrong] = counts.get(detector.name()).copied().unwrap_or_default();
        assert!(found > 0, "{}: nothing to find", detector.name());
        let percent = |of: usize| 100 * found / (found + of);
        let figures =
            format!("| {found} | {missed} | {wrong} | {} % | {} % |", percent(wrong), percent(missed));
        let begins = format!("| `{}` |", detector.name());
        let row = readme.lines().find(|line| line.starts_with(&begins) && line.ends_with(" % |"));
        let row = row.unwrap_or_else(|| panic!("no row for {}: {figures}", detector.name()));
        assert!(row.ends_with(&figures), "{}: measured {figures}\n{row}", detector.name());
    }
}

#[test]
fn every_known_miss_and_false_finding_is_listed() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    for (name, case) in corpus() {
        if case["misses"].is_array() || case["false"].is_array() {
            let note = case["note"].as_str().unwrap_or_else(|| panic!("{name} says not why"));
            assert!(readme.contains(note), "{name}: the README does not say: {note}");
        }
    }
}

/// Thousands of digests, versions and addresses that nobody wrote with detectors in mind.
#[test]
fn nothing_is_found_in_lock_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for file in ["Cargo.lock", "tests/node/package-lock.json", "tests/conformance/package-lock.json"] {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        assert_eq!(found(&text), [], "{file}");
    }
}
