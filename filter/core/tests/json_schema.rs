//! Does the validator say of schemas what everybody says? The cases of the JSON Schema Test Suite for draft 2020-12
//! (`corpus/json-schema`, MIT, as jsonschema 4.26.0 carries them): never a wrong answer, and none where it should know one.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail that way")]

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use wicketgate_core::tools::schema::{Schema, Told};

/// Files, how many of their cases have no answer here, and why. Those that are not named have an answer to all.
const ABSTAINS: &[(&str, usize, &str)] = &[
    ("anchor", 8, "names of places in a document"),
    ("defs", 2, "a reference to another document"),
    ("dynamicRef", 42, "dynamic references"),
    ("not", 2, "unevaluatedProperties"),
    ("ref", 37, "names of documents, references to them, and references with percent-encodings"),
    ("refRemote", 31, "references to other documents"),
    ("unevaluatedItems", 64, "what was not evaluated elsewhere"),
    ("unevaluatedProperties", 108, "what was not evaluated elsewhere"),
    ("vocabulary", 5, "dialects of one's own"),
];

/// The same in builds without regular expressions, besides.
const WITHOUT_PATTERNS: &[(&str, usize)] = if cfg!(feature = "regex") {
    &[]
} else {
    &[
        ("additionalProperties", 8),
        ("pattern", 9),
        ("patternProperties", 23),
        ("properties", 7),
        ("propertyNames", 2),
        ("unevaluatedProperties", 4),
    ]
};

#[test]
fn the_official_cases_are_answered_rightly_or_not_at_all() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/json-schema");
    let (mut answered, mut wrong) = (0, Vec::new());
    let mut abstained: BTreeMap<String, usize> = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let groups: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        for group in groups.as_array().unwrap() {
            let schema = Schema::compile(group["schema"].to_string().as_bytes());
            for case in group["tests"].as_array().unwrap() {
                let data = case["data"].to_string();
                let told = schema.as_ref().ok().and_then(|schema| schema.validate(data.as_bytes()).ok());
                match told {
                    Some(Told::Valid) if case["valid"] == true => answered += 1,
                    Some(Told::Invalid(_)) if case["valid"] == false => answered += 1,
                    None | Some(Told::Unknown) => *abstained.entry(name.clone()).or_default() += 1,
                    Some(_) => {
                        wrong.push(format!("{name}: {}: {}", group["description"], case["description"]))
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(answered > 700, "{answered}");
    let mut expected: BTreeMap<String, usize> =
        ABSTAINS.iter().map(|(name, count, _)| ((*name).to_owned(), *count)).collect();
    for (name, count) in WITHOUT_PATTERNS {
        *expected.entry((*name).to_owned()).or_default() += count;
    }
    assert_eq!(abstained, expected, "{answered} answered");
}
