//! What do the keys of organizations, groups and clients stand for? Rules, and settings narrower than the server's.

use super::error::{Findings, Place, nearest};
use super::raw::{RawLayer, RawServer, RawSize};
use super::rules;
use super::units::parse_size;
use crate::identity::origin::Origin;
use crate::limits::rate::{Across, Rate};
use crate::limits::tag::Per;
use crate::policy::layer::{Layer, Level, Member};
use crate::policy::pattern::Pattern;
use crate::policy::rule::{Effect, Rule, Targets};
use crate::policy::who::Who;
use crate::server::{Covers, Limit, Limits, Overlay};
use std::time::Duration;

/// What the layers of a server lie below.
pub(crate) struct Above<'a> {
    /// Whose word counts there.
    pub(crate) issuers: &'a [&'a str],
    pub(crate) limits: &'a Limits,
    pub(crate) origins: &'a [Origin],
    /// The server's own rules.
    pub(crate) rules: &'a [Rule],
}

const ALLOW: Effect = Effect::Allow { hide: false };
/// The same as of any bucket.
const MOST_REQUESTS: u32 = 1_000_000;

/// Compiles all layers of a server: the rules of each, and what it says besides.
pub(crate) fn compile(
    raw: &RawServer,
    above: &Above<'_>,
    ids: &mut Vec<String>,
    place: &Place,
    found: &mut Findings,
) -> (Vec<Layer>, Vec<Overlay>) {
    let (mut layers, mut overlays): (Vec<Layer>, Vec<Overlay>) = (Vec::new(), Vec::new());
    let lists = [
        (Level::Organization, &raw.organizations),
        (Level::Group, &raw.groups),
        (Level::Client, &raw.clients),
    ];
    for (level, list) in lists {
        for (at, raw) in list.iter().enumerate() {
            let here = place.key(level.key()).index(at);
            let member = member(raw, level, above, &here, found);
            if layers.iter().any(|layer| layer.member == member) {
                found.error(&here.key("name"), format!("`{}` stands twice", raw.name));
            }
            let mut rules = of_keys(raw, &member, &here, found);
            rules.extend(rules::compile(&raw.rules, above.issuers, ids, &here.key("rules"), found));
            overlays.push(overlay(raw, &member, above, &here, found));
            layers.push(Layer { member, rules });
        }
    }
    (layers, overlays)
}

fn member(raw: &RawLayer, level: Level, above: &Above<'_>, place: &Place, found: &mut Findings) -> Member {
    if raw.name.is_empty() || raw.name.trim() != raw.name {
        found.error(&place.key("name"), "is empty or has a space at an end");
    } else if raw.name.contains('*') {
        found.error(&place.key("name"), "names are compared exactly; `*` has no meaning here");
    }
    let anonymous = level == Level::Client && raw.name == Member::ANONYMOUS;
    let needs_none = raw.require_auth == Some(false);
    if anonymous {
        judge_anonymous(raw, above, place, found);
        return Member::Anonymous;
    }
    if needs_none {
        let message = format!(
            "whoever has no credential is no {}; write a client `{}` that says what he may",
            raw.name,
            Member::ANONYMOUS
        );
        found.error(&place.key("require_auth"), message);
    }
    match &raw.issuer {
        Some(issuer) if !above.issuers.contains(&issuer.as_str()) => {
            let known = above.issuers.join(", ");
            let message = format!("`{issuer}` is no issuer of this server; its issuers: {known}");
            found.suggest(&place.key("issuer"), message, nearest(issuer, above.issuers.iter().copied()));
        }
        None if above.issuers.len() > 1 => {
            found.error(
                place,
                "the server accepts several issuers, and each may give this name to others; add `issuer`",
            );
        }
        _ => {}
    }
    Member::Of { level, name: raw.name.clone(), issuer: raw.issuer.clone() }
}

/// Nothing is open to everybody by accident: it is said that no credential is needed, and for what.
fn judge_anonymous(raw: &RawLayer, above: &Above<'_>, place: &Place, found: &mut Findings) {
    if raw.require_auth != Some(false) {
        found.error(place, "`anonymous` is whoever has no credential: say so by `require_auth: false`");
    }
    let named = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
    if !named(&raw.allowed_tools) && !named(&raw.allowed_resources) {
        found.error(
            place,
            "without a credential only what is named is open: add `allowed_tools` or `allowed_resources`",
        );
    }
    if raw.issuer.is_some() {
        found.error(&place.key("issuer"), "whoever has no credential has no issuer");
    }
    let open = |rule: &Rule| {
        rule.admits_anonymous() || (rule.effect == Effect::Delegate && rule.who == Who::Everyone)
    };
    if !above.rules.is_empty() && !above.rules.iter().any(open) {
        found.error(
            place,
            "the server's rules allow nothing to `anonymous`, and leave nothing open to it: add a rule with `delegable`",
        );
    }
}

/// The rules that the keys of the vocabulary stand for, each named after its key.
fn of_keys(raw: &RawLayer, member: &Member, place: &Place, found: &mut Findings) -> Vec<Rule> {
    let mut rules = Vec::new();
    let who = || if *member == Member::Anonymous { Who::Everyone } else { Who::Authenticated };
    let everything = vec![Pattern::any()];
    if let Some(given) = &raw.allowed_tools {
        let id = format!("{member}.allowed_tools");
        let tasks = everything.clone();
        rules.push(if given.is_empty() {
            let targets = Targets { tools: everything.clone(), tasks, ..Targets::default() };
            rules::enforced(&id, Effect::Deny, Who::Everyone, None, targets)
        } else {
            let tools = rules::patterns(Some(given), &place.key("allowed_tools"), found);
            rules::enforced(&id, ALLOW, who(), None, Targets { tools, tasks, ..Targets::default() })
        });
    }
    if let Some(given) = &raw.allowed_resources {
        let id = format!("{member}.allowed_resources");
        rules.push(if given.is_empty() {
            let targets = Targets { resources: everything.clone(), ..Targets::default() };
            rules::enforced(&id, Effect::Deny, Who::Everyone, None, targets)
        } else {
            let resources = rules::uri_patterns(Some(given), &place.key("allowed_resources"), found);
            rules::enforced(&id, ALLOW, who(), None, Targets { resources, ..Targets::default() })
        });
    }
    if raw.sandbox_mode {
        let targets = Targets { tools: everything.clone(), tasks: everything, ..Targets::default() };
        let id = format!("{member}.sandbox_mode");
        let rule = rules::enforced(&id, Effect::Deny, Who::Everyone, None, targets);
        rules.push(Rule { unless_read_only: true, ..rule });
    }
    rules
}

fn overlay(
    raw: &RawLayer,
    member: &Member,
    above: &Above<'_>,
    place: &Place,
    found: &mut Findings,
) -> Overlay {
    let by_default = (member.level() == Level::Client).then_some(Overlay::REQUEST_BYTES);
    let given = raw.max_request_size.as_ref();
    let size = given.map_or(by_default, |raw| size(raw, above, &place.key("max_request_size"), found));
    let size = size.map(|bytes| (bytes, "max_request_size"));
    let tight = raw.sandbox_mode.then_some((Overlay::SANDBOX_REQUEST_BYTES, "sandbox_mode"));
    Overlay {
        member: member.clone(),
        request_bytes: size.into_iter().chain(tight).min(),
        rate: rate(raw, member, &place.key("max_requests_per_minute"), found),
        origins: origins(raw, above, &place.key("allowed_origins"), found),
        sandbox: raw.sandbox_mode,
    }
}

fn size(raw: &RawSize, above: &Above<'_>, place: &Place, found: &mut Findings) -> Option<u64> {
    let most = above.limits.request_bytes;
    match parse_size(&raw.0) {
        Ok(0) => found.error(place, "zero would refuse everything; leave it out for the default"),
        Ok(bytes) if bytes > most => {
            found.error(
                place,
                format!("the server takes {most} bytes at most: raise its `limits.request_bytes`"),
            );
        }
        Ok(bytes) => return Some(bytes),
        Err(why) => found.error(place, why),
    }
    None
}

fn rate(raw: &RawLayer, member: &Member, place: &Place, found: &mut Findings) -> Option<Limit> {
    let (key, tokens) = match raw.max_requests_per_minute {
        Some(0) => {
            found.error(place, "zero would refuse everything; a deny rule says that more clearly");
            return None;
        }
        Some(tokens) if tokens > MOST_REQUESTS => {
            found.error(place, format!("at most {MOST_REQUESTS}"));
            return None;
        }
        Some(tokens) => ("max_requests_per_minute", tokens),
        None if raw.sandbox_mode => ("sandbox_mode", Overlay::SANDBOX_REQUESTS),
        None => return None,
    };
    let per = match member {
        Member::Of { level: Level::Organization, .. } => Per::Organization,
        Member::Of { level: Level::Client, .. } => Per::Client,
        _ => Per::Principal,
    };
    let rate = Rate { burst: tokens, tokens, per: Duration::from_secs(60) };
    Some(Limit {
        name: format!("{member}.{key}"),
        per,
        covers: Covers::Everything,
        across: Across::Envoy,
        rate,
    })
}

fn origins(raw: &RawLayer, above: &Above<'_>, place: &Place, found: &mut Findings) -> Option<Vec<Origin>> {
    let given = raw.allowed_origins.as_ref()?;
    let compiled = given.iter().enumerate().filter_map(|(at, text)| match Origin::parse(text) {
        Ok(origin) => {
            if !above.origins.contains(&origin) {
                found.error(&place.index(at), "is none of the server's `origins`, by which nobody passes");
            }
            Some(origin)
        }
        Err(why) => {
            found.error(&place.index(at), format!("`{text}`: {why}"));
            None
        }
    });
    Some(compiled.collect())
}

#[cfg(test)]
mod tests;
