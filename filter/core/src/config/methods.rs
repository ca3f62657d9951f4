//! Do the methods of a rule fit the things it names?

use super::error::{Findings, Place, nearest};
use super::who::Side;
use crate::policy::methods::{Class, Kind, class_of, known};
use crate::policy::pattern::Pattern;
use crate::policy::rule::Targets;

/// Judges `methods` (parsed, in the order of the document) against `targets`.
pub(crate) fn judge(methods: &[Pattern], targets: &Targets, side: Side, place: &Place, found: &mut Findings) {
    let named: Vec<Kind> = Kind::ALL.into_iter().filter(|k| !targets.of(*k).is_empty()).collect();
    let before = found.errors.len();
    for (at, method) in methods.iter().enumerate() {
        let text = method.to_text();
        let here = place.key("methods").index(at);
        if let Some(slip) = misspelt(&text) {
            found.suggest(&here, format!("`{text}` is no method of MCP"), Some(slip));
            continue;
        }
        if class_of(&text) == Class::FromServer {
            found.error(&here, format!("`{text}` is sent by servers to clients: no request can be one"));
            continue;
        }
        let kinds = kinds_of(method);
        if !named.is_empty() && !text.contains('*') && !kinds.iter().any(|k| named.contains(k)) {
            let keys: Vec<_> = named.iter().map(|k| k.key()).collect();
            let message =
                format!("`{text}` does not act on {}; give it a rule of its own", keys.join(" or "));
            found.error(&here, message);
        }
        if named.is_empty() && side == Side::Allow && !kinds.is_empty() {
            let keys: Vec<_> = kinds.iter().map(|k| k.key()).collect();
            let message =
                format!("`{text}` acts on things, and the rule names none; add {}", keys.join(" or "));
            found.suggest(&here, message, kinds.first().map(|k| format!("{}: [\"*\"]", k.key())));
        }
    }
    let sound = found.errors.len() == before;
    for kind in named {
        if sound && !methods.iter().any(|m| kinds_of(m).contains(&kind)) {
            let key = kind.key();
            found.error(
                &place.key(key),
                format!("none of the rule's methods acts on {key}: this can never match"),
            );
        }
    }
}

/// Judges names of methods that stand alone.
pub(crate) fn judge_names(methods: &[Pattern], place: &Place, found: &mut Findings) {
    for (at, method) in methods.iter().enumerate() {
        let text = method.to_text();
        if let Some(slip) = misspelt(&text) {
            found.suggest(&place.index(at), format!("`{text}` is no method of MCP"), Some(slip));
        } else if class_of(&text) == Class::FromServer {
            let message = format!("`{text}` is sent by servers to clients: no request can be one");
            found.error(&place.index(at), message);
        }
    }
}

/// What the methods that `pattern` matches act on.
fn kinds_of(pattern: &Pattern) -> Vec<Kind> {
    let mut kinds: Vec<Kind> =
        known().filter(|m| pattern.matches(m)).flat_map(|m| class_of(m).kinds()).copied().collect();
    kinds.sort();
    kinds.dedup();
    kinds
}

/// A known method that was probably meant by an unknown one. Extensions may have any other name.
fn misspelt(method: &str) -> Option<String> {
    let is_known = method.contains('*') || known().any(|m| m == method);
    if is_known { None } else { nearest(method, known()) }
}
