//! What does the value of `allow` or `visible` mean? True, false, or an object whose obligations can only tighten.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use regorus::Value;
use regorus::rvm::program::Program;

use super::ruling::{Outcome, Ruling};

/// The most reasons, entries for the log, or scopes of one answer.
const MOST: usize = 16;
/// The longest of them, bytes.
const LONGEST: usize = 256;
/// What stands for a text that the policy computed, and which may hold what somebody sent.
const COMPUTED: &str = "(computed)";

/// The texts that a policy itself holds. Only these are written down.
#[derive(Debug, Default)]
pub(super) struct Constants(BTreeSet<String>);

// === impl Constants ===

impl Constants {
    pub(super) fn of(program: &Program) -> Self {
        let mut texts = BTreeSet::new();
        for literal in &program.literals {
            if let Ok(json) = serde_json::to_value(literal) {
                collect(&json, &mut texts);
            }
        }
        Self(texts)
    }

    fn said(&self, text: &str) -> String {
        let own = self.0.contains(text) && text.len() <= LONGEST;
        if own { text.to_owned() } else { COMPUTED.to_owned() }
    }
}

fn collect(value: &Json, texts: &mut BTreeSet<String>) {
    match value {
        Json::String(text) => drop(texts.insert(text.clone())),
        Json::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Json::Object(members) => members.values().for_each(|member| collect(member, texts)),
        _ => {}
    }
}

/// Reads an answer for a caller with these scopes.
pub(super) fn read(value: &Value, granted: &[String], constants: &Constants) -> Ruling {
    match value {
        Value::Bool(true) => Ruling::of(Outcome::Allow, "allowed"),
        Value::Bool(false) => Ruling::of(Outcome::Deny, "false"),
        Value::Undefined => Ruling::of(Outcome::Deny, "undefined"),
        Value::Object(_) => match serde_json::to_value(value) {
            Ok(Json::Object(members)) => of_object(&members, granted, constants),
            _ => failed("a result that is no JSON"),
        },
        _ => failed("a result that is neither true or false nor an object"),
    }
}

const fn failed(why: &'static str) -> Ruling {
    Ruling::of(Outcome::Failed, why)
}

fn of_object(members: &serde_json::Map<String, Json>, granted: &[String], constants: &Constants) -> Ruling {
    if members.keys().any(|key| !["allow", "reasons", "obligations"].contains(&key.as_str())) {
        return failed("a result with an unknown key");
    }
    let Some(Json::Bool(allow)) = members.get("allow") else {
        return failed("a result without `allow`");
    };
    let mut ruling = Ruling::of(
        if *allow { Outcome::Allow } else { Outcome::Deny },
        if *allow { "allowed" } else { "false" },
    );
    if let Some(reasons) = members.get("reasons") {
        let Some(reasons) = texts(reasons) else { return failed("reasons that are no list of texts") };
        ruling.reasons = reasons.iter().map(|reason| constants.said(reason)).collect();
    }
    match members.get("obligations") {
        None => ruling,
        Some(Json::Object(obligations)) => oblige(ruling, obligations, granted, constants),
        Some(_) => failed("obligations that are no object"),
    }
}

/// What cannot be honoured denies: an obligation is part of the permission.
fn oblige(
    mut ruling: Ruling,
    obligations: &serde_json::Map<String, Json>,
    granted: &[String],
    constants: &Constants,
) -> Ruling {
    for (key, value) in obligations {
        match (key.as_str(), texts(value)) {
            ("log", Some(entries)) => {
                ruling.log = entries.iter().map(|entry| constants.said(entry)).collect()
            }
            ("scopes", Some(scopes)) if scopes.iter().all(|scope| is_scope(scope)) => {
                if scopes.iter().any(|scope| !granted.iter().any(|has| has == scope)) {
                    ruling.outcome =
                        Outcome::Challenge(scopes.iter().map(|&scope| scope.to_owned()).collect());
                    ruling.why = "scopes";
                }
            }
            ("log" | "scopes", _) => return failed("an obligation in a form that is not known"),
            ("redact" | "limit", _) => {
                return failed("the obligation `redact` or `limit`, which is not there yet");
            }
            _ => return failed("an unknown obligation"),
        }
    }
    ruling
}

/// A list of few texts.
fn texts(value: &Json) -> Option<Vec<&str>> {
    let items = value.as_array().filter(|items| items.len() <= MOST)?;
    items.iter().map(Json::as_str).collect()
}

/// RFC 6749 section 3.3.
fn is_scope(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= LONGEST
        && text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\'))
}
