//! Are calls and answers held against what tools say of themselves, and what is filled in? Judged for one server.

use super::error::{Findings, Place, nearest};
use super::raw::{RawDefaults, RawScalar, RawTools};
use super::rules::patterns;
use crate::tools::calls::{CallPolicy, Input, Output};
use crate::tools::defaults::Defaults;

/// Compiles it; `held` tells whether the host holds headers back, which a change to a body needs.
pub(crate) fn compile(raw: Option<&RawTools>, held: bool, place: &Place, found: &mut Findings) -> CallPolicy {
    let Some(raw) = raw else { return CallPolicy::default() };
    let input = [("off", Input::Off), ("check", Input::Check), ("strict", Input::Strict)];
    let output = [("off", Output::Off), ("flag", Output::Flag), ("block", Output::Block)];
    let here = place.key("defaults");
    if !raw.defaults.is_empty() && !held {
        found.error(
            &here,
            "needs `hold_headers: true`: where headers have gone on, the length of the body is announced already",
        );
    }
    let defaults = raw.defaults.iter().enumerate().map(|(at, raw)| defaults(raw, &here.index(at), found));
    let defaults = defaults.collect();
    CallPolicy {
        input: word(raw.input_schema.as_deref(), input, &place.key("input_schema"), found),
        output: word(raw.output_schema.as_deref(), output, &place.key("output_schema"), found),
        defaults,
    }
}

fn word<T: Copy + Default>(
    raw: Option<&str>,
    words: [(&str, T); 3],
    place: &Place,
    found: &mut Findings,
) -> T {
    let Some(given) = raw else { return T::default() };
    if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == given) {
        return *meaning;
    }
    let words = words.map(|(word, _)| word);
    let message = format!("`{given}` is none of {}", words.join(", "));
    found.suggest(place, message, nearest(given, words));
    T::default()
}

fn defaults(raw: &RawDefaults, place: &Place, found: &mut Findings) -> Defaults {
    let tools = patterns(Some(&raw.tools.0), &place.key("tools"), found);
    if raw.arguments.0.is_empty() {
        found.error(&place.key("arguments"), "an empty mapping fills nothing in");
    }
    let json = |value: &RawScalar| match value {
        RawScalar::Text(text) => serde_json::to_string(text).unwrap_or_default(),
        RawScalar::Number(number) => number.to_string(),
        RawScalar::Boolean(flag) => flag.to_string(),
    };
    let arguments = raw.arguments.0.iter().map(|(name, value)| (name.clone(), json(value)));
    Defaults { tools, arguments: arguments.collect() }
}
