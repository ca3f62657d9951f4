//! What can the policy of a server oblige a call to? What its configuration names for that, and nothing where no policy is.

use super::error::{Findings, Place};
use super::raw::RawServer;
use crate::policy::rego::Obligable;

/// What a policy of the server may name.
pub(crate) fn of(raw: &RawServer) -> Obligable {
    let about_answers = raw.content.iter().filter(|rule| {
        let directions = rule.r#in.as_ref();
        directions.is_none_or(|words| words.iter().any(|word| word == "responses"))
    });
    let limits = raw.limits.iter().flat_map(|limits| &limits.obliged);
    Obligable {
        redact: about_answers.map(|rule| rule.id.clone()).collect(),
        limit: limits.map(|limit| limit.id.clone()).collect(),
    }
}

/// Refuses what nobody can oblige to.
pub(crate) fn judge(raw: &RawServer, place: &Place, found: &mut Findings) {
    const NOBODY: &str = "nothing can oblige to it: the server has no policy in `rego` or `opa`";
    if raw.rego.is_some() || raw.opa.is_some() {
        return;
    }
    if raw.limits.as_ref().is_some_and(|limits| !limits.obliged.is_empty()) {
        found.error(&place.key("limits").key("obliged"), NOBODY);
    }
    for (at, rule) in raw.content.iter().enumerate() {
        if rule.applies.as_ref().is_some_and(|applies| applies.obliged) {
            found.error(&place.key("content").index(at).key("applies").key("obliged"), NOBODY);
        }
    }
}
