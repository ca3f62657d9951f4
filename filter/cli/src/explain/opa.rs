//! What would the server's OPA be asked, where everything here lets the call go on? It is not asked from here.

use std::fmt::Write as _;

use serde_json::{Value, json};
use wicketgate_core::identity::principal::Principal;
use wicketgate_core::mcp::operation::Operation;
use wicketgate_core::policy::rego::opa::Circumstances;
use wicketgate_core::server::Server;

use crate::outcome::Unusable;
use crate::request::{Around, Request};

/// What would be asked, and where; `None` where there is nobody to ask.
pub(super) fn asked(
    server: &Server,
    who: &Principal,
    operation: &Operation,
    request: &Request,
    around: &Around,
) -> Result<Option<Value>, Unusable> {
    let Some(opa) = &server.opa else { return Ok(None) };
    let arguments = request.arguments()?;
    let headers = super::rego::headers_of(request);
    let around = Circumstances {
        arguments: Some(arguments.as_bytes()),
        headers: Some(&headers),
        source: around.address.as_deref(),
        now: super::rego::now_of(request)?,
    };
    let (questions, denies) = match opa.questions(who, operation, &around) {
        Ok(questions) => (questions, None),
        Err(ruling) => (Vec::new(), Some(ruling.why)),
    };
    let questions = questions.iter().map(|question| serde_json::from_slice(&question.body));
    let questions: Vec<Value> = questions.collect::<Result<_, _>>().unwrap_or_default();
    let place = &opa.place;
    Ok(Some(json!({"cluster": place.cluster, "path": place.path, "asked": questions, "denies": denies})))
}

/// The same in words, a line each.
pub(super) fn told(asked: &Value) -> String {
    let word = |key: &str| asked.get(key).and_then(Value::as_str).unwrap_or_default();
    let questions = asked.get("asked").and_then(Value::as_array).map_or(0, Vec::len);
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = match asked.get("denies").and_then(Value::as_str) {
        Some(why) => writeln!(text, "-> OPA: denies, because it cannot be asked: {why}"),
        None if questions == 0 => Ok(()),
        None => writeln!(
            text,
            "   OPA: {questions} questions to {} ({}), whose answers are not known here; --json shows them",
            word("cluster"),
            word("path")
        ),
    };
    text
}
