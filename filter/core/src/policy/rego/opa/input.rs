//! The same input document, version 1, that a policy here is told ([`super::super::input`]), as the text that is sent.

use serde_json::{Map, Value, json};

use super::{Circumstances, Terms};
use crate::identity::principal::Principal;
use crate::mcp::operation::Target;
use crate::policy::rego::circumstance::{Moment, address_of};
use crate::policy::rego::setting::Labels;

/// The version of the schema.
const VERSION: u64 = 1;

/// `{"input": …}` about one thing, or about a method that names nothing; `None` where the arguments are no JSON.
pub(super) fn document(
    terms: &Terms,
    who: &Principal,
    method: &str,
    (target, name): (Option<&Target>, &str),
    around: &Circumstances<'_>,
) -> Option<Vec<u8>> {
    let mut input = Map::new();
    let mut put = |key: &str, value: Value| drop(input.insert(key.to_owned(), value));
    put("version", VERSION.into());
    put("server", json!({"name": terms.server, "labels": terms.labels}));
    put("principal", principal(who));
    put("method", method.into());
    if let Some(target) = target {
        let (key, value) = thing(terms, target, name);
        put(key, value);
    }
    if !terms.headers.is_empty() {
        let told = |name: &String| terms.headers.contains(name);
        let headers = around.headers.unwrap_or_default().iter().filter(|(name, _)| told(name));
        put("headers", headers.map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect());
    }
    if terms.source {
        put("source", around.source.map_or_else(|| json!({}), |s| json!({"address": address_of(s)})));
    }
    if terms.time {
        put("time", time(around));
    }
    let mut text = json!({ "input": input }).to_string();
    if terms.argument_bytes.is_some() {
        // As they came, so that numbers stay what they are.
        let arguments = std::str::from_utf8(around.arguments.unwrap_or(b"{}")).ok()?.trim();
        if !arguments.starts_with('{') || !arguments.ends_with('}') {
            return None;
        }
        text.truncate(text.len().checked_sub(2)?);
        text.push_str(",\"arguments\":");
        text.push_str(arguments);
        text.push_str("}}");
    }
    Some(text.into_bytes())
}

fn principal(who: &Principal) -> Value {
    let mut members = Map::new();
    let mut put = |key: &str, value: Value| drop(members.insert(key.to_owned(), value));
    put("authenticated", (!who.is_anonymous()).into());
    if let Some(certificate) = who.certificate() {
        let names = certificate.names().into_iter();
        put(
            "certificate",
            names.filter_map(|(kind, name)| Some((kind.to_owned(), Value::from(name?)))).collect(),
        );
    }
    if let Some(identity) = who.identity() {
        put("issuer", identity.issuer.as_str().into());
        put("subject", identity.subject.as_str().into());
        put("scopes", json!(identity.scopes));
        put("groups", json!(identity.groups));
        put("roles", json!(identity.roles));
        identity.client.as_deref().into_iter().for_each(|client| put("client", client.into()));
        identity.organization.as_deref().into_iter().for_each(|name| put("organization", name.into()));
    }
    Value::Object(members)
}

fn thing(terms: &Terms, target: &Target, name: &str) -> (&'static str, Value) {
    match target {
        Target::Tool(_) => {
            let mut labels = Labels::new();
            for entry in terms.tools.iter().filter(|entry| entry.names.iter().any(|p| p.matches(name))) {
                labels.extend(entry.labels.clone());
            }
            ("tool", json!({"name": name, "labels": labels}))
        }
        Target::Prompt(_) => ("prompt", json!({"name": name})),
        Target::Resource(_) => ("resource", json!({"uri": name})),
        Target::Template(_) => ("template", json!({"uri": name})),
        Target::Task(_) => ("task", json!({"id": name})),
    }
}

fn time(around: &Circumstances<'_>) -> Value {
    let moment = Moment::of(around.now);
    let mut members = json!({"now_ns": moment.now_ns, "weekday": moment.weekday});
    if let Some(members) = members.as_object_mut() {
        members.extend(moment.numbers.map(|(key, value)| (key.to_owned(), value.into())));
    }
    members
}
