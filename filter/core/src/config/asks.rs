//! What may a server ask for? Judged for one server.

use super::error::{Findings, Place};
use super::raw::{RawAsks, RawElicitation};
use super::tools::word;
use crate::sanitize::asks::{AskPolicy, HostPattern};
use crate::sanitize::server_asks::Gate;

/// Compiles it; where it is absent, everything may be asked.
pub(crate) fn compile(raw: Option<&RawAsks>, place: &Place, found: &mut Findings) -> AskPolicy {
    let Some(raw) = raw else { return AskPolicy::default() };
    let none = RawElicitation::default();
    let (elicitation, here) = (raw.elicitation.as_ref().unwrap_or(&none), place.key("elicitation"));
    let mut gate = |raw: Option<&String>, at: Place| {
        let words = [("allow", Gate::Pass), ("deny", Gate::Refuse), ("strip", Gate::Strip)];
        word(raw.map(String::as_str), &words, &at, found)
    };
    let policy = AskPolicy {
        sampling: gate(raw.sampling.as_ref(), place.key("sampling")).unwrap_or_default(),
        roots: gate(raw.roots.as_ref(), place.key("roots")).unwrap_or_default(),
        form: gate(elicitation.form.as_ref(), here.key("form")).unwrap_or_default(),
        // Servers must not ask for these (2025-11-25, client/elicitation, "Security Considerations").
        sensitive: gate(elicitation.sensitive_fields.as_ref(), here.key("sensitive_fields"))
            .unwrap_or(Gate::Refuse),
        url: gate(elicitation.url.as_ref(), here.key("url")).unwrap_or_default(),
        hosts: None,
    };
    let hosts =
        elicitation.url_hosts.as_ref().map(|raw| hosts(raw, policy.url, &here.key("url_hosts"), found));
    AskPolicy { hosts, ..policy }
}

fn hosts(raw: &[String], url: Gate, place: &Place, found: &mut Findings) -> Vec<HostPattern> {
    if url != Gate::Pass {
        found.error(place, "no URL may be visited anyway: leave it out, or let `url` be `allow`");
    } else if raw.is_empty() {
        found.suggest(place, "an empty list allows no URL", Some("url: deny".to_owned()));
    }
    let mut patterns = Vec::new();
    for (at, text) in raw.iter().enumerate() {
        match HostPattern::parse(text) {
            Some(pattern) => patterns.push(pattern),
            None => {
                let message = "is a host name in lower case without a port, or `*.` and one for all below it";
                found.error(&place.index(at), message);
            }
        }
    }
    patterns
}
