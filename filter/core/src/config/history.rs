//! Does each rule over the past say one thing? Judged.

use super::error::{Findings, Place, nearest};
use super::issuers::duration;
use super::raw::RawHistory;
use super::rules;
use crate::history::rule::{HistoryRule, Per, Sort, Things};
use crate::policy::rule::RuleId;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);
/// Each is asked for every call that it concerns, in one set of slots.
const MOST_RULES: usize = 16;

/// Compiles those of one server. `ids` are those of its other rules, and get these besides.
pub(crate) fn compile(
    raw: &[RawHistory],
    ids: &mut Vec<String>,
    place: &Place,
    found: &mut Findings,
) -> Vec<HistoryRule> {
    if raw.len() > MOST_RULES {
        found.error(place, format!("at most {MOST_RULES}"));
    }
    let mut compiled = Vec::new();
    for (at, raw) in raw.iter().enumerate() {
        let here = place.index(at);
        rules::name(&raw.id, &here.key("id"), found);
        if ids.contains(&raw.id) {
            found.error(&here.key("id"), format!("the id `{}` stands twice on this server", raw.id));
        }
        ids.push(raw.id.clone());
        let within =
            duration(Some(&raw.within), "1h", Duration::from_secs(1)..=DAY, &here.key("within"), found);
        let per = per(raw.per.as_deref(), &here.key("per"), found);
        let Some(sort) = sort(raw, &here, found) else { continue };
        compiled.push(HistoryRule { id: RuleId::new(&raw.id), per, within, sort });
    }
    compiled
}

fn per(raw: Option<&str>, place: &Place, found: &mut Findings) -> Per {
    match raw {
        None | Some("session") => return Per::Session,
        Some("principal") => return Per::Principal,
        Some(other) => {
            let message = format!("`{other}` is neither `session` nor `principal`");
            found.suggest(place, message, nearest(other, ["session", "principal"]));
        }
    }
    Per::Session
}

fn sort(raw: &RawHistory, place: &Place, found: &mut Findings) -> Option<Sort> {
    let RawHistory { after, deny, require, before, distinct, of, .. } = raw;
    let given = [
        after.is_some(),
        deny.is_some(),
        require.is_some(),
        before.is_some(),
        distinct.is_some(),
        of.is_some(),
    ];
    let mut tools =
        |key: &str, list: &Option<Vec<String>>| rules::patterns(list.as_ref(), &place.key(key), found);
    match given {
        [true, true, false, false, false, false] => {
            Some(Sort::Taint { after: tools("after", after), deny: tools("deny", deny) })
        }
        [false, false, true, true, false, false] => {
            Some(Sort::Order { require: tools("require", require), before: tools("before", before) })
        }
        [false, false, false, false, true, true] => {
            let most = most(distinct.unwrap_or_default(), &place.key("distinct"), found);
            Some(Sort::Distinct { most, of: things(of.as_deref(), &place.key("of"), found)? })
        }
        _ => {
            found.error(place, "has `after` and `deny`, or `require` and `before`, or `distinct` and `of`");
            None
        }
    }
}

fn most(given: u32, place: &Place, found: &mut Findings) -> u16 {
    let most = HistoryRule::MOST_DISTINCT;
    match u16::try_from(given) {
        Ok(given) if (1..=most).contains(&given) => given,
        _ => {
            found.error(place, format!("lies outside 1 to {most}"));
            most
        }
    }
}

fn things(given: Option<&str>, place: &Place, found: &mut Findings) -> Option<Things> {
    match given.unwrap_or_default() {
        "tools" => Some(Things::Tools),
        "resources" => Some(Things::Resources),
        other => {
            let message = format!("`{other}` is neither `tools` nor `resources`");
            found.suggest(place, message, nearest(other, ["tools", "resources"]));
            None
        }
    }
}
