//! What is a policy told? The input document, version 1 (`filter/CONFIGURATION.md`, "Rego").
//!
//! ```text
//! {"version": 1,
//!  "server": {"name", "labels"},
//!  "principal": {"authenticated", "issuer", "subject", "client", "scopes", "groups", "roles", "organization"},
//!  "method": "tools/call",
//!  "tool": {"name", "labels"}        or "prompt": {"name"}, "resource": {"uri"}, "template": {"uri"}, "task": {"id"}
//!  "arguments": {…}, "headers": {…}, "source": {"address"}, "time": {…}}      for `allow` only, and what it reads of them
//! ```

use std::collections::BTreeMap;

use regorus::Value;

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
    let Some(identity) = who.identity() else { return object([("authenticated", Value::Bool(false))]) };
    let mut members = vec![
        ("authenticated", Value::Bool(true)),
        ("issuer", Value::from(identity.issuer.as_str())),
        ("subject", Value::from(identity.subject.as_str())),
        ("scopes", list(&identity.scopes)),
        ("groups", list(&identity.groups)),
        ("roles", list(&identity.roles)),
    ];
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

/// The peer's address without its port.
fn address_of(source: &str) -> &str {
    if let Some((address, _)) = source.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return address;
    }
    match source.split_once(':') {
        Some((address, port)) if !port.contains(':') => address,
        _ => source,
    }
}

/// `input.time`, in UTC.
fn time(now: Timestamp) -> Value {
    let seconds = now.as_secs();
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    // 1970-01-01 was a Thursday.
    let weekdays = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
    let weekday = usize::try_from(days % 7).ok().and_then(|at| weekdays.get(at)).copied().unwrap_or_default();
    object([
        ("now_ns", Value::from(now.as_nanos())),
        ("year", Value::from(year)),
        ("month", Value::from(month)),
        ("day", Value::from(day)),
        ("hour", Value::from(of_day / 3600)),
        ("minute", Value::from(of_day / 60 % 60)),
        ("second", Value::from(of_day % 60)),
        ("weekday", Value::from(weekday)),
    ])
}

/// Year, month and day in the Gregorian calendar, so many days after 1970-01-01. Counted in eras of 400 years that begin in
/// March, so that the leap day comes last.
const fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_the_dates_that_the_calendar_gives_them() {
        for (days, date) in [
            (0, (1970, 1, 1)),
            (58, (1970, 2, 28)),
            (59, (1970, 3, 1)),
            (11_016, (2000, 2, 29)),
            (20_786, (2026, 11, 29)),
            (47_540, (2100, 2, 28)),
            (47_541, (2100, 3, 1)),
        ] {
            assert_eq!(civil(days), date, "{days}");
        }
    }

    #[test]
    fn an_address_has_no_port() {
        for (source, address) in [
            ("10.0.0.1:4711", "10.0.0.1"),
            ("[::1]:80", "::1"),
            ("10.0.0.1", "10.0.0.1"),
            ("2001:db8::1", "2001:db8::1"),
        ] {
            assert_eq!(address_of(source), address);
        }
    }
}
