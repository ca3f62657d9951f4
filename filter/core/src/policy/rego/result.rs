//! Which texts are the policy's own, and what is a value of the machine as JSON?

use std::collections::BTreeSet;

use serde_json::Value as Json;

use regorus::Value;
use regorus::rvm::program::Program;

use super::answer::{LONGEST, Reading};
use super::ruling::{Outcome, Ruling};

/// The texts that a policy itself holds, and its data. Only these are written down.
pub(super) fn words(program: &Program, data: &Value) -> BTreeSet<String> {
    let mut texts = BTreeSet::new();
    if let Ok(json) = serde_json::to_value(data) {
        collect(&json, &mut texts);
    }
    for literal in &program.literals {
        if let Ok(json) = serde_json::to_value(literal) {
            collect(&json, &mut texts);
        }
    }
    texts
}

fn collect(value: &Json, texts: &mut BTreeSet<String>) {
    match value {
        Json::String(text) if text.len() <= LONGEST => drop(texts.insert(text.clone())),
        Json::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Json::Object(members) => members.values().for_each(|member| collect(member, texts)),
        _ => {}
    }
}

/// What an answer of the machine means.
pub(super) fn read(value: &Value, reading: &Reading<'_>) -> Ruling {
    match value {
        Value::Undefined => reading.read(None),
        Value::Bool(value) => reading.read(Some(&Json::Bool(*value))),
        other => match serde_json::to_value(other) {
            Ok(json) => reading.read(Some(&json)),
            Err(_) => Ruling::of(Outcome::Failed, "a result that is no JSON"),
        },
    }
}
