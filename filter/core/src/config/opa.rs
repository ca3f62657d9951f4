//! Can a policy be asked that lies elsewhere, and what is it told? Its place and terms, judged.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::destination::{self, Usual, written};
use super::error::{Findings, Place};
use super::issuers::duration;
use super::raw::{RawOpa, RawServer};
use super::{obligations, rego};
use crate::policy::rego::opa::{Opa, RULE, Terms};
use crate::policy::rego::reads::hidden;

/// Longer no call may wait.
const MOST_PATIENCE: Duration = Duration::from_secs(5);
/// For longer no answer counts.
const MOST_MEMORY: Duration = Duration::from_secs(300);
/// The most headers, and texts that may be written down, and the longest of them, bytes.
const MOST_HEADERS: usize = 16;
const MOST_TEXTS: usize = 64;
const LONGEST: usize = 256;

/// Compiles the policy that a server asks for elsewhere, if there is one.
pub(crate) fn compile(raw: &RawServer, place: &Place, found: &mut Findings) -> Option<Arc<Opa>> {
    let given = raw.opa.as_ref()?;
    if let Some(at) = raw.rules.iter().position(|rule| rule.id == RULE) {
        let message = format!("`{RULE}` names the server's OPA in records; call the rule otherwise");
        found.error(&place.key("rules").index(at).key("id"), message);
    }
    let here = place.key("opa");
    let usual = Usual { authority: given.cluster.clone(), timeout: "500ms", most: MOST_PATIENCE };
    let place = destination::compile(&written!(given), usual, &here, found);
    if !given.path.starts_with("/v1/data/") {
        found.error(&here.key("path"), "is a rule of the Data API, such as /v1/data/mcp/authz/allow");
    }
    Some(Arc::new(Opa::new(place, terms(raw, given, &here, found))))
}

fn terms(server: &RawServer, raw: &RawOpa, place: &Place, found: &mut Findings) -> Terms {
    let of_rego = server.rego.as_ref();
    let labels = raw.labels.as_ref().or(of_rego.map(|rego| &rego.labels)).cloned().unwrap_or_default();
    let tools = raw.tool_labels.as_ref().or(of_rego.map(|rego| &rego.tool_labels)).cloned();
    let bytes = rego::argument_bytes(raw.argument_bytes.as_ref(), &place.key("argument_bytes"), found);
    let memory = Duration::ZERO..=MOST_MEMORY;
    let remember = duration(raw.remember.as_deref(), "0s", memory, &place.key("remember"), found);
    let time = raw.time.unwrap_or(false);
    if time && !remember.is_zero() {
        found.error(&place.key("time"), "no two questions are the same then: leave out `remember`, or this");
    }
    let tools = tools.unwrap_or_default();
    let tools = tools.iter().enumerate();
    Terms {
        server: server.name.clone(),
        labels: rego::labels(&labels, &place.key("labels"), found),
        tools: tools
            .map(|(at, entry)| rego::tool_labels(entry, &place.key("tool_labels").index(at), found))
            .collect(),
        argument_bytes: raw.arguments.unwrap_or(true).then_some(bytes),
        headers: headers(raw.headers.as_deref().unwrap_or_default(), &place.key("headers"), found),
        source: raw.source.unwrap_or(true),
        time,
        remember,
        words: words(raw.reasons.as_deref().unwrap_or_default(), &place.key("reasons"), found),
        obligable: obligations::of(server),
    }
}

fn headers(raw: &[String], place: &Place, found: &mut Findings) -> Vec<String> {
    if raw.len() > MOST_HEADERS {
        found.error(place, format!("at most {MOST_HEADERS} headers, found {}", raw.len()));
    }
    for (at, name) in raw.iter().enumerate() {
        let token = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
        if let Some(message) = hidden(name) {
            found.error(&place.index(at), message);
        } else if name.is_empty() || !name.bytes().all(token) {
            found.error(&place.index(at), format!("`{name}` is no name of a header in lower case"));
        } else if raw.iter().take(at).any(|other| other == name) {
            found.error(&place.index(at), format!("`{name}` stands twice"));
        }
    }
    raw.to_vec()
}

fn words(raw: &[String], place: &Place, found: &mut Findings) -> BTreeSet<String> {
    if raw.len() > MOST_TEXTS {
        found.error(place, format!("at most {MOST_TEXTS} texts, found {}", raw.len()));
    }
    for (at, text) in raw.iter().enumerate().filter(|(_, text)| text.is_empty() || text.len() > LONGEST) {
        let bytes = text.len();
        found.error(&place.index(at), format!("a text has 1 to {LONGEST} bytes, found {bytes}"));
    }
    raw.iter().cloned().collect()
}
