//! What does the value of a rule mean? True, false, or an object whose obligations can only tighten.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::ruling::{Outcome, Ruling};
use super::setting::Obligable;
use crate::identity::scope::is_scope;

/// The most reasons, entries for the log, scopes, or names of one obligation.
const MOST: usize = 16;
/// The longest of them, bytes.
pub(super) const LONGEST: usize = 256;
/// What stands for a text that the policy computed, and which may hold what somebody sent.
const COMPUTED: &str = "(computed)";

/// By what an answer is read.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// The scopes of who asks.
    pub granted: &'a [String],
    /// The texts that may be written down: what somebody sent is none of them, unless it is the same.
    pub words: &'a BTreeSet<String>,
    /// What a call may be obliged to; `None` for an answer about what lists show, which obliges to nothing.
    pub obligable: Option<&'a Obligable>,
}

// === impl Reading ===

impl Reading<'_> {
    /// What follows from `value`; `None` is undefined.
    pub fn read(&self, value: Option<&Value>) -> Ruling {
        match value {
            Some(Value::Bool(true)) => Ruling::of(Outcome::Allow, "allowed"),
            Some(Value::Bool(false)) => Ruling::of(Outcome::Deny, "false"),
            None => Ruling::of(Outcome::Deny, "undefined"),
            Some(Value::Object(members)) => self.of_object(members),
            Some(_) => failed("a result that is neither true or false nor an object"),
        }
    }

    fn of_object(&self, members: &Map<String, Value>) -> Ruling {
        if members.keys().any(|key| !["allow", "reasons", "obligations"].contains(&key.as_str())) {
            return failed("a result with an unknown key");
        }
        let Some(Value::Bool(allow)) = members.get("allow") else {
            return failed("a result without `allow`");
        };
        let mut ruling = Ruling::of(
            if *allow { Outcome::Allow } else { Outcome::Deny },
            if *allow { "allowed" } else { "false" },
        );
        if let Some(reasons) = members.get("reasons") {
            let Some(reasons) = texts(reasons) else { return failed("reasons that are no list of texts") };
            ruling.reasons = reasons.iter().map(|reason| self.said(reason)).collect();
        }
        match members.get("obligations") {
            None => ruling,
            Some(Value::Object(obligations)) => self.oblige(ruling, obligations),
            Some(_) => failed("obligations that are no object"),
        }
    }

    /// What cannot be honoured denies: an obligation is part of the permission.
    fn oblige(&self, mut ruling: Ruling, obligations: &Map<String, Value>) -> Ruling {
        for (key, value) in obligations {
            match (key.as_str(), texts(value)) {
                ("log", Some(entries)) => {
                    ruling.log = entries.iter().map(|entry| self.said(entry)).collect();
                }
                ("scopes", Some(scopes))
                    if scopes.iter().all(|scope| scope.len() <= LONGEST && is_scope(scope)) =>
                {
                    if scopes.iter().any(|scope| !self.granted.iter().any(|has| has == scope)) {
                        ruling.outcome =
                            Outcome::Challenge(scopes.iter().map(|&scope| scope.to_owned()).collect());
                        ruling.why = "scopes";
                    }
                }
                ("redact" | "limit", Some(names)) => {
                    let Some(obligable) = self.obligable else {
                        return failed("an obligation of a call, in `visible`");
                    };
                    let redacts = key == "redact";
                    let known = if redacts { &obligable.redact } else { &obligable.limit };
                    if names.iter().any(|name| !known.iter().any(|known| known == name)) {
                        return failed(if redacts {
                            "`redact` names no content rule about answers"
                        } else {
                            "`limit` names no limit of `limits.obliged`"
                        });
                    }
                    let into = if redacts { &mut ruling.redact } else { &mut ruling.limit };
                    *into = names.iter().map(|&name| name.to_owned()).collect();
                    into.sort_unstable();
                    into.dedup();
                }
                ("log" | "scopes" | "redact" | "limit", _) => {
                    return failed("an obligation in a form that is not known");
                }
                _ => return failed("an unknown obligation"),
            }
        }
        ruling
    }

    fn said(&self, text: &str) -> String {
        let own = self.words.contains(text) && text.len() <= LONGEST;
        if own { text.to_owned() } else { COMPUTED.to_owned() }
    }
}

const fn failed(why: &'static str) -> Ruling {
    Ruling::of(Outcome::Failed, why)
}

/// A list of few texts.
fn texts(value: &Value) -> Option<Vec<&str>> {
    let items = value.as_array().filter(|items| items.len() <= MOST)?;
    items.iter().map(Value::as_str).collect()
}
