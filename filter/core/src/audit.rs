//! What is written down? Who asked what of which server, the verdict and why: never a token, an argument value only where a rule
//! asks for it, and redacted.
//!
//! Two records per exchange: a *decision* when the verdict falls, a *completion* when the exchange ends.

use serde::Serialize;

use crate::head::PeerCertificate;
use crate::identity::principal::Principal;
use crate::mcp::operation::{Operation, Target};
use crate::policy::rule_set::Shadow;
use crate::time::Timestamp;

/// Names and URIs are the client's own words: longer ones are cut, so that a record has a bounded size.
const MAX_NAME: usize = 256;

/// The record of one verdict.
#[derive(Clone, Debug, Serialize)]
pub struct Decision<'a> {
    /// Always `decision`.
    pub record: &'static str,
    /// When the verdict fell, milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// Envoy's `x-request-id`, shared with the access log and traces.
    pub request_id: Option<&'a str>,
    /// The id of the trace in which Envoy handles the request, where it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<&'a str>,
    /// The id of the trace that the client names (`params._meta.traceparent`): its word, which joins its spans to this request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_trace: Option<&'a str>,
    /// The HTTP verb.
    pub verb: &'a str,
    /// The path without its query (a query may hold secrets).
    pub path: String,
    /// The peer's address as Envoy reports it.
    pub source: Option<&'a str>,
    /// The server of the configuration that was asked.
    pub server: Option<&'a str>,
    /// Who asked; absent before authentication.
    pub principal: Option<Who<'a>>,
    /// What was asked, once it is known.
    pub operation: Option<What>,
    /// The protocol revision, once it is known.
    pub revision: Option<&'a str>,
    /// `allow`, `challenge` or `deny`.
    pub verdict: &'static str,
    /// The slug of the denial ([`crate::denial::Denial::reason`]); `allowed` otherwise.
    pub reason: &'static str,
    /// Fixed words that say more: ours, or those of the host where it answered before us.
    pub detail: Option<&'a str>,
    /// The id of the rule that decided, or the key of a layer (`clients[cli].allowed_tools`).
    pub rule: Option<&'a str>,
    /// What rules in shadow mode would have decided, where that is something else.
    pub shadow: Option<Would<'a>>,
    /// What the server's Rego policy said, where it was asked.
    pub rego: Option<Said<'a>>,
    /// The same of the policy that it asks an OPA for.
    pub opa: Option<Said<'a>>,
    /// What an allowed request showed to the server in place of the client's token: `static`, `exchanged` or `signed_identity`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<&'static str>,
    /// How the arguments of a call stood to the input schema of its tool: `met`, `unmet`, `partly` (the rest is not
    /// understood), `unseen`, `unusable`; absent where that is not asked.
    pub input_schema: Option<&'static str>,
    /// The arguments of the call, JSON, redacted and cut ([`crate::sanitize::capture`]); only where the rule that decided has
    /// `capture: redacted`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<&'a str>,
    /// The first 16 digits of the configuration's SHA-256.
    pub policy: &'a str,
    /// What content rules found in the request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub content: Vec<Content<'a>>,
    /// Bytes of the request body, as far as read.
    pub request_bytes: u64,
    /// From the first header to the verdict, microseconds; waiting for the body included.
    pub took_us: u64,
}

/// What would have been decided.
#[derive(Clone, Debug, Serialize)]
pub struct Would<'a> {
    /// `would_allow`, `would_challenge` or `would_deny`.
    pub verdict: &'static str,
    /// The id of the rule.
    pub rule: &'a str,
}

/// What a Rego policy said: words of ours, and constants of the policy.
#[derive(Clone, Debug, Serialize)]
pub struct Said<'a> {
    /// `allow`, `challenge`, `deny` or `failed`.
    pub verdict: &'static str,
    /// Why, or what went wrong.
    pub why: &'static str,
    /// The policy's reasons.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub reasons: &'a [String],
    /// What its obligation `log` wants to be written down.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub log: &'a [String],
    /// The content rules to which it obliges the answer.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub redact: &'a [String],
    /// The limits to which it obliges the call.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub limit: &'a [String],
}

/// The principal as the record names it.
#[derive(Clone, Debug, Serialize)]
pub struct Who<'a> {
    /// `anonymous`, `authenticated`, or `certificate` where that alone says who it is.
    pub kind: &'static str,
    /// `iss`.
    pub issuer: Option<&'a str>,
    /// `sub`.
    pub subject: Option<&'a str>,
    /// The OAuth client.
    pub client: Option<&'a str>,
    /// The organization.
    pub organization: Option<&'a str>,
    /// The grant, so that it can be revoked.
    pub grant: Option<&'a str>,
    /// Whether the token was bound to a key, and shown with a proof of holding it.
    pub bound: bool,
    /// The certificate of the connection, where the server looks at such.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Certificate>,
}

/// The names of a certificate, each cut after 256 bytes.
#[derive(Clone, Debug, Serialize)]
pub struct Certificate {
    /// Its first URI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Its first DNS name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns: Option<String>,
    /// Its subject.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
}

/// The operation as the record names it.
#[derive(Clone, Debug, Serialize)]
pub struct What {
    /// The MCP method.
    pub method: String,
    /// Kind and name of each target, in order.
    pub targets: Vec<Named>,
}

/// One target.
#[derive(Clone, Debug, Serialize)]
pub struct Named {
    /// `tool`, `prompt`, `resource`, `template` or `task`.
    pub kind: &'static str,
    /// Its name, cut after 256 bytes, or its URI without user name, query and fragment, which may hold secrets.
    pub name: String,
}

/// What one content rule found of one kind: how much, never what.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Content<'a> {
    /// The rule's id.
    pub rule: &'a str,
    /// The detector, or another kind of finding.
    pub found: &'static str,
    /// What became of it.
    pub action: &'static str,
    /// How often.
    pub count: u64,
}

/// The record of an exchange's end.
#[derive(Clone, Debug, Serialize)]
pub struct Completion<'a> {
    /// Always `completion`.
    pub record: &'static str,
    /// When the exchange ended, milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// As in the decision record.
    pub request_id: Option<&'a str>,
    /// As in the decision record.
    pub server: Option<&'a str>,
    /// `allow`, `challenge`, `deny`, or `none` where the client left before a verdict.
    pub verdict: &'static str,
    /// The reason with which the exchange ended; differs from the decision's when the *response* was refused.
    pub reason: &'static str,
    /// The HTTP status sent; 0 if none.
    pub status: u16,
    /// Bytes of the request body.
    pub request_bytes: u64,
    /// Bytes of the response body as the upstream sent it.
    pub response_bytes: u64,
    /// List entries removed from the response.
    pub removed: u64,
    /// What was found of tools in lists, and of what the server asked for; the first [`Found::MOST`].
    pub found: &'a [Found],
    /// What content rules found, in the request and in the answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub content: Vec<Content<'a>>,
    /// How structured content stood to the output schema of its tool: `conforms`, `violates`, `unknown`; absent where that is
    /// not asked.
    pub output_schema: Option<&'static str>,
    /// The first result that passed, or error, in the same way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<&'a str>,
    /// The filter's own part of that: time within its callbacks, microseconds.
    pub work_us: u64,
    /// From the first header to the end, milliseconds.
    pub took_ms: u64,
}

/// Something that was found in an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Found {
    /// The tool that it was found of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// What: why a tool is not what it must be, or what the server asked for.
    pub why: &'static str,
    /// What was done.
    pub done: &'static str,
}

// === impl Found ===

impl Found {
    /// So many are written down of one answer; the metrics count all.
    pub const MOST: usize = 16;

    /// What may be done.
    pub const DONE: [&'static str; 4] = ["quarantined", "stripped", "flagged", "refused"];

    /// Of a tool.
    pub(crate) fn tool(name: &str, why: &'static str, done: &'static str) -> Self {
        Self { tool: Some(word_of(name)), why, done }
    }

    /// Of something that the server asked for.
    pub(crate) const fn ask(why: &'static str, done: &'static str) -> Self {
        Self { tool: None, why, done }
    }
}

// === impl Who ===

impl<'a> From<&'a Principal> for Who<'a> {
    fn from(principal: &'a Principal) -> Self {
        let identity = principal.identity();
        Self {
            kind: match principal {
                Principal::Anonymous => "anonymous",
                Principal::Authenticated(_) => "authenticated",
                Principal::Certified(_) => "certificate",
            },
            issuer: identity.map(|i| i.issuer.as_str()),
            subject: identity.map(|i| i.subject.as_str()),
            client: identity.and_then(|i| i.client.as_deref()),
            organization: identity.and_then(|i| i.organization.as_deref()),
            grant: identity.and_then(|i| i.grant.as_deref()),
            bound: identity.is_some_and(|i| i.key.is_some()),
            certificate: principal.certificate().map(Certificate::from),
        }
    }
}

// === impl Certificate ===

impl From<&PeerCertificate> for Certificate {
    fn from(certificate: &PeerCertificate) -> Self {
        Self {
            uri: certificate.uri().map(word_of),
            dns: certificate.dns().map(word_of),
            subject: certificate.subject().map(word_of),
        }
    }
}

// === impl Would ===

impl<'a> From<&'a Shadow> for Would<'a> {
    fn from(shadow: &'a Shadow) -> Self {
        Self { verdict: shadow.verdict, rule: shadow.rule.as_str() }
    }
}

// === impl What ===

impl From<&Operation> for What {
    fn from(operation: &Operation) -> Self {
        let targets = operation.targets.iter().take(16).map(|target| {
            let is_uri = matches!(target, Target::Resource(_) | Target::Template(_));
            let name = if is_uri { uri_of(target.name()) } else { word_of(target.name()) };
            Named { kind: target.kind(), name }
        });
        Self { method: word_of(&operation.method), targets: targets.collect() }
    }
}

/// Milliseconds since the Unix epoch.
pub(crate) fn millis(time: Timestamp) -> u64 {
    time.as_nanos() / 1_000_000
}

/// One JSON object on one line. Cannot fail for these types; if it did, the caller treats it as an internal error.
pub(crate) fn line<T: Serialize>(record: &T) -> Option<String> {
    serde_json::to_string(record).ok()
}

/// A word that the client or the host chose (a tool, a method, a verb, an id), cut. What has the shape of a token
/// (`eyJ….….…`, RFC 7519) is not written down, whatever it was taken for.
pub(crate) fn word_of(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("eyJ") {
        let (before, from) = rest.split_at(at);
        let of_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let (run, after) = from.split_at(from.find(|c| !of_token(c)).unwrap_or(from.len()));
        out.push_str(before);
        out.push_str(if run.matches('.').count() < 2 { run } else { "***" });
        rest = after;
    }
    out.push_str(rest);
    let mut end = out.len().min(MAX_NAME);
    while !out.is_char_boundary(end) {
        end -= 1;
    }
    out.truncate(end);
    out
}

/// A URI or the path of one without user name, query and fragment, any of which may hold secrets; else as [`word_of`].
pub(crate) fn uri_of(text: &str) -> String {
    let text = text.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = text.split_once("://") else { return word_of(text) };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    word_of(&format!("{scheme}://{host}{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_names_targets_without_their_query_and_bounded() {
        let operation = Operation {
            method: "resources/read".into(),
            targets: vec![Target::Resource(format!("https://h/{}?token=secret", "ä".repeat(300)))],
        };
        let text = line(&What::from(&operation)).unwrap();
        assert!(!text.contains("secret"), "{text}");
        assert!(text.len() < 400, "{}", text.len());
    }

    #[test]
    fn a_uri_loses_what_may_be_secret_and_a_name_nothing() {
        for (uri, written) in [
            ("git+ssh://user:pass@host/a@b", "git+ssh://host/a@b"),
            ("x://a@b@host?user@c", "x://host"),
            ("mailto:user@host#x", "mailto:user@host"),
            ("/mcp/eyJhbGciOi.eyJzdWIi.c2ln/x?y", "/mcp/***/x"),
            ("x:eyJ.eyJ/eyJ..eyJ", "x:eyJ.eyJ/***"),
        ] {
            assert_eq!(uri_of(uri), written, "{uri}");
        }
        let named = |target: Target| {
            What::from(&Operation { method: "m?#".into(), targets: vec![target] }).targets.remove(0).name
        };
        assert_eq!(named(Target::Tool("drop#x?y".into())), "drop#x?y");
        assert_eq!(named(Target::Tool("eyJhbGciOi.eyJzdWIi.c2ln".into())), "***");
        assert_eq!(named(Target::Template("x://u@h/{a}{?b}".into())), "x://h/{a}{");
        assert_eq!(word_of(&"ä".repeat(300)).len(), MAX_NAME);
    }

    #[test]
    fn line_breaks_in_a_name_cannot_forge_a_record() {
        let operation =
            Operation { method: "tools/call".into(), targets: vec![Target::Tool("a\n{\"x\":1}".into())] };
        assert!(!line(&What::from(&operation)).unwrap().contains('\n'));
    }
}
