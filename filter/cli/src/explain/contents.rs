//! The rules about contents that count for a request and its answer.

use std::fmt::Write as _;

use serde_json::{Value, json};
use wicketgate_core::mcp::operation::Operation;
use wicketgate_core::policy::Caller;
use wicketgate_core::sanitize::content::{Asked, ContentRule};
use wicketgate_core::server::Server;

/// Those that count, by what they say or by what the policy obliges the answer to, or would if the request were one of a session.
pub(super) fn counting(
    server: &Server,
    who: Caller<'_>,
    operation: &Operation,
    obliged: &[String],
) -> Vec<Value> {
    let may_be_obliged = server.rego.is_some() || server.opa.is_some();
    let counts = |rule: &ContentRule, may_be_anothers| {
        let may_be_obliged = may_be_obliged && rule.responses;
        rule.means(who, Asked { operation, may_be_anothers, may_be_obliged, obliged })
    };
    let said = server.content.0.iter().filter_map(|rule| {
        let when = if counts(rule, false) {
            "counts"
        } else if rule.responses && counts(rule, true) {
            "counts in a session, where an answer may be another request's"
        } else {
            return None;
        };
        Some(json!({
            "rule": rule.id.as_str(), "action": rule.action.name(), "counts": when,
            "requests": rule.requests, "responses": rule.responses,
        }))
    });
    said.collect()
}

/// The same in words, a line each.
pub(super) fn told(counting: &[Value]) -> String {
    let mut text = String::new();
    for content in counting {
        let word = |key: &str| content.get(key).and_then(Value::as_str).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "content: {} ({}): {}", word("rule"), word("action"), word("counts"));
    }
    text
}
