//! What must the tools of a server be? Judged for one server.

use super::error::{Findings, Place, nearest};
use super::raw::{RawBaseline, RawTools};
use crate::tools::book::MAX_TOOLS;
use crate::tools::digest::Digest;
use crate::tools::pins::{Pins, Reaction, ToolPolicy};
use std::collections::BTreeMap;

const CHARACTERS: [(&str, Reaction); 4] = [
    ("allow", Reaction::Allow),
    ("flag", Reaction::Flag),
    ("strip", Reaction::Strip),
    ("quarantine", Reaction::Quarantine),
];
const SHADOWING: [(&str, Reaction); 3] =
    [("allow", Reaction::Allow), ("flag", Reaction::Flag), ("quarantine", Reaction::Quarantine)];

/// Compiles it.
pub(crate) fn compile(raw: Option<&RawTools>, place: &Place, found: &mut Findings) -> Option<ToolPolicy> {
    let raw = raw?;
    let unseen =
        word(raw.unseen.as_deref(), &[("allow", true), ("deny", false)], &place.key("unseen"), found);
    let pins = pins(raw, unseen, place, found);
    if unseen.is_some() && !matches!(pins, Pins::FirstUse { .. }) {
        found.error(&place.key("unseen"), "is for `pins: first_use`");
    }
    if raw.baseline.is_some() && pins == Pins::Off {
        found.error(&place.key("baseline"), "nothing is compared with it where pins are off");
    }
    if raw.baseline.is_none() && pins == Pins::Baseline {
        found.error(place, "the key `baseline` is missing, so no tool could ever be shown or called");
    }
    if raw.baseline.is_none() && raw.signed_by.is_some() {
        found.error(&place.key("signed_by"), "there is no `baseline` that could be signed");
    }
    let baseline = raw.baseline.as_ref().map(|raw| baseline(raw, &place.key("baseline"), found));
    Some(ToolPolicy {
        pins,
        baseline: baseline.unwrap_or_default(),
        characters: word(raw.characters.as_deref(), &CHARACTERS, &place.key("characters"), found)
            .unwrap_or_default(),
        shadowing: word(raw.shadowing.as_deref(), &SHADOWING, &place.key("shadowing"), found)
            .unwrap_or_default(),
    })
}

fn pins(raw: &RawTools, unseen: Option<bool>, place: &Place, found: &mut Findings) -> Pins {
    let first_use = Pins::FirstUse { unseen: unseen.unwrap_or(true) };
    let words = [("off", Pins::Off), ("first_use", first_use), ("baseline", Pins::Baseline)];
    word(raw.pins.as_deref(), &words, &place.key("pins"), found).unwrap_or(if raw.baseline.is_some() {
        Pins::Baseline
    } else {
        Pins::Off
    })
}

fn baseline(raw: &RawBaseline, place: &Place, found: &mut Findings) -> BTreeMap<String, Digest> {
    if raw.0.len() > MAX_TOOLS {
        found.error(place, format!("at most {MAX_TOOLS} tools, found {}", raw.0.len()));
    }
    let mut digests = BTreeMap::new();
    for (name, text) in &raw.0 {
        match Digest::parse(text) {
            Some(digest) => drop(digests.insert(name.clone(), digest)),
            None => found.error(&place.key(name), "a digest is 64 hexadecimal digits in lower case"),
        }
    }
    digests
}

/// What one of these words means; `None` where none is given, and where it is another, which is then found.
pub(super) fn word<T: Copy>(
    raw: Option<&str>,
    words: &[(&'static str, T)],
    place: &Place,
    found: &mut Findings,
) -> Option<T> {
    let given = raw?;
    let known = words.iter().find(|(word, _)| *word == given);
    if known.is_none() {
        let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let message = format!("`{given}` is none of {}", all.join(", "));
        found.suggest(place, message, nearest(given, all));
    }
    known.map(|(_, meaning)| *meaning)
}
