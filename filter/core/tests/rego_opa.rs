//! Do we answer what OPA publishes as right? Its own test cases for the language and for the built-ins that are admitted, as
//! data (`corpus/rego/opa.json`, Apache-2.0, see the README there).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail that way"
)]

mod rego;

use std::collections::BTreeMap;

use rego::{Compiled, compile, load};
use serde_json::Value;
use wicketgate_core::policy::rego::compile::Source;

/// Where our answer is another one, and why that is no danger: nothing is allowed that OPA denies.
const KNOWN: &[(&str, &str)] = &[];

/// Cases whose policy is refused when it is compiled, so that no request is ever judged by it.
const REFUSED: usize = 491;

fn source(name: &str, text: &str) -> Source {
    Source { name: name.to_owned(), text: text.to_owned() }
}

#[test]
fn published_cases_have_the_published_results() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("corpus/rego/opa.json")).unwrap();
    let (mut same, mut stricter, mut refused, mut other) = (0, 0, 0, Vec::new());
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for case in &cases {
        let note = case["note"].as_str().unwrap();
        let mut sources: Vec<Source> = case["modules"]
            .as_array()
            .unwrap()
            .iter()
            .enumerate()
            .map(|(at, text)| source(&format!("{at}.rego"), text.as_str().unwrap()))
            .collect();
        let asked = case["asked"].as_str().unwrap();
        sources.push(source("ask.rego", &format!("package mcp.authz\nallow := data.{asked}\n")));
        let rego = match compile(&sources) {
            Compiled::Yes(packed) => load(*packed),
            Compiled::No(messages) => {
                refused += 1;
                let first = messages.first().cloned().unwrap_or_default();
                let words: Vec<&str> = first.split(": ").collect();
                *reasons.entry((*words.last().unwrap()).chars().take(70).collect()).or_default() += 1;
                continue;
            }
        };
        let input = case.get("input").map_or_else(|| "{}".to_owned(), Value::to_string);
        let answer = rego.answer(false, &input);
        let expected = case.get("value");
        match (&answer, expected) {
            (Ok(value), Some(wanted)) if equal(value, wanted) => same += 1,
            (Err("undefined"), None) => same += 1,
            // An error of OPA's, or what it calls undefined because something in it failed.
            (Err(_), None) => stricter += 1,
            _ if KNOWN.iter().any(|(known, _)| *known == note) => {}
            _ => other.push(format!(
                "{note}: {answer:?}, and OPA has {expected:?} {}",
                case.get("error").unwrap_or(&Value::Null)
            )),
        }
    }
    assert!(other.is_empty(), "{} others:\n{}", other.len(), other.join("\n"));
    println!(
        "{} cases: {same} the same, {stricter} an error where OPA has none or another, {refused} refused",
        cases.len()
    );
    assert_eq!(refused, REFUSED, "{reasons:#?}");
    assert!(same > 400, "{same}");
}

/// Sets become lists in some order of their own.
fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len()
                && (a.iter().zip(b).all(|(a, b)| equal(a, b))
                    || a.iter().all(|a| b.iter().any(|b| equal(a, b))))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b)))
        }
        (a, b) => a == b,
    }
}
