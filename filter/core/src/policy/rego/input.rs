//! What is a policy told? The input document, version 1 (`filter/CONFIGURATION.md`, "Rego").
//!
//! ```text
//! {"version": 1,
//!  "server": {"name", "labels"},
//!  "principal": {"authenticated", "issuer", "subject", "client", "scopes", "groups", "roles", "organization",
//!                "certificate": {"uri", "dns", "subject"}},
//!  "method": "tools/call",
//!  "tool": {"name", "labels"}        or "prompt": {"name"}, "resource": {"uri"}, "template": {"uri"}, "task": {"id"}
//!  "arguments": {…}, "headers": {…}, "source": {"address"}, "time": {…}}      for `allow` only, and what it reads of them
//! ```

use std::collections::BTreeMap;

use regorus::Value;

use super::circumstance::{Moment, address_of};
use super::reads::Reads;
use super::setting::{Labels, Setting};
use crate::identity::principal::Principal;
use crate::policy::rego::narrow::Circumstances;
use crate::time::Timestamp;

/// The version of this schema.
const VERSION: u64 = 1;

/// Parts that are the same for every request to a server.
#[derive(Debug)]
pub(super) struct Frame {
    version: Value,
    server: Value,
    keys: BTreeMap<&'static str, Value>,
}

/// One thing that is asked about, as a policy sees it.
#[derive(Clone, Debug)]
pub(super) enum Subject<'a> {
    /// A method that names nothing.
    Nothing,
    Tool(&'a str),
    Prompt(&'a str),
    Resource(&'a str),
    Template(&'a str),
    Task(&'a str),
}

const KEYS: [&str; 13] = [
    "version",
    "server",
    "principal",
    "method",
    "tool",
    "prompt",
    "resource",
    "template",
    "task",
    "arguments",
    "headers",
    "source",
    "time",
];

fn object(members: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    Value::from(members.into_iter().map(|(key, value)| (Value::from(key), value)).collect::<BTreeMap<_, _>>())
}

fn list(texts: &[String]) -> Value {
    Value::from(texts.iter().map(|text| Value::from(text.as_str())).collect::<Vec<_>>())
}

fn labels(labels: &Labels) -> Value {
    let members = labels.iter().map(|(key, value)| (Value::from(key.as_str()), Value::from(value.as_str())));
    Value::from(members.collect::<BTreeMap<_, _>>())
}

/// `input.principal`; what a token does not say is left out.
pub(super) fn principal(who: &Principal) -> Value {
    let mut members = vec![("authenticated", Value::Bool(!who.is_anonymous()))];
    members.extend(who.certificate().map(|certificate| {
        let names = certificate.names().into_iter();
        ("certificate", object(names.filter_map(|(kind, name)| Some((kind, Value::from(name?))))))
    }));
    let Some(identity) = who.identity() else { return object(members) };
    members.extend([
        ("issuer", Value::from(identity.issuer.as_str())),
        ("subject", Value::from(identity.subject.as_str())),
        ("scopes", list(&identity.scopes)),
        ("groups", list(&identity.groups)),
        ("roles", list(&identity.roles)),
    ]);
    members.extend(identity.client.as_deref().map(|client| ("client", Value::from(client))));
    members.extend(identity.organization.as_deref().map(|name| ("organization", Value::from(name))));
    object(members)
}

/// `input.tool.labels` of the tool with this name.
pub(super) fn tool_labels(setting: &Setting, name: &str) -> Value {
    let mut joined = Labels::new();
    for entry in setting.tools.iter().filter(|entry| entry.names.iter().any(|p| p.matches(name))) {
        joined.extend(entry.labels.clone());
    }
    labels(&joined)
}

// === impl Frame ===

impl Frame {
    pub(super) fn new(setting: &Setting) -> Self {
        let server =
            object([("name", Value::from(setting.server.as_str())), ("labels", labels(&setting.labels))]);
        let keys = KEYS.iter().map(|key| (*key, Value::from(*key))).collect();
        Self { version: Value::from(VERSION), server, keys }
    }

    fn member(&self, key: &'static str, value: Value) -> (Value, Value) {
        (self.keys.get(key).cloned().unwrap_or_else(|| Value::from(key)), value)
    }

    /// What does not differ between two requests of `who` for this.
    pub(super) fn stable(
        &self,
        who: Value,
        method: &str,
        subject: &Subject<'_>,
        setting: &Setting,
    ) -> BTreeMap<Value, Value> {
        let mut members = BTreeMap::from([
            self.member("version", self.version.clone()),
            self.member("server", self.server.clone()),
            self.member("principal", who),
            self.member("method", Value::from(method)),
        ]);
        let (key, value) = match *subject {
            Subject::Nothing => return members,
            Subject::Tool(name) => {
                ("tool", object([("name", Value::from(name)), ("labels", tool_labels(setting, name))]))
            }
            Subject::Prompt(name) => ("prompt", object([("name", Value::from(name))])),
            Subject::Resource(uri) => ("resource", object([("uri", Value::from(uri))])),
            Subject::Template(uri) => ("template", object([("uri", Value::from(uri))])),
            Subject::Task(id) => ("task", object([("id", Value::from(id))])),
        };
        members.extend([self.member(key, value)]);
        members
    }

    /// Adds what does, as far as it is read. `arguments` is empty where a method has none.
    pub(super) fn add_circumstances(
        &self,
        members: &mut BTreeMap<Value, Value>,
        reads: &Reads,
        arguments: Value,
        headers: &[(String, String)],
        around: &Circumstances<'_>,
    ) {
        if !reads.arguments.is_empty() {
            members.extend([self.member("arguments", arguments)]);
        }
        if !reads.headers.is_empty() {
            let headers =
                headers.iter().map(|(name, value)| (Value::from(name.as_str()), Value::from(value.as_str())));
            members.extend([self.member("headers", Value::from(headers.collect::<BTreeMap<_, _>>()))]);
        }
        if reads.source {
            let address = around.source.map(|source| ("address", Value::from(address_of(source))));
            members.extend([self.member("source", object(address))]);
        }
        if reads.time {
            members.extend([self.member("time", time(around.now))]);
        }
    }
}

/// `input.time`, in UTC.
fn time(now: Timestamp) -> Value {
    let moment = Moment::of(now);
    let numbers = moment.numbers.map(|(key, number)| (key, Value::from(number)));
    let others = [("now_ns", Value::from(moment.now_ns)), ("weekday", Value::from(moment.weekday))];
    object(numbers.into_iter().chain(others))
}
