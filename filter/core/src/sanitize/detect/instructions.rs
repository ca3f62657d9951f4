//! Does the text give orders to the model that reads it? Known shapes only: whoever writes such orders may always find other
//! words, so this marks what is careless or common, and proves nothing about the rest.

use std::ops::Range;

use super::{before, is_word};

/// An order begins with this, and is one when `then` holds of what follows.
pub(super) struct Order {
    pub(super) begins: &'static str,
    then: Then,
}

/// What must follow.
enum Then {
    /// Nothing more.
    Nothing,
    /// One word of the first kind and then one of the second, within a few words.
    Words(&'static [&'static str], &'static [&'static str]),
}

const EARLIER: &[&str] = &[
    "previous",
    "prior",
    "above",
    "earlier",
    "preceding",
    "all",
    "any",
    "your",
    "system",
    "other",
    "existing",
    "foregoing",
];
const ORDERS_GIVEN: &[&str] = &[
    "instruction",
    "instructions",
    "prompt",
    "prompts",
    "rule",
    "rules",
    "guideline",
    "guidelines",
    "direction",
    "directions",
    "command",
    "commands",
    "message",
    "messages",
    "context",
    "training",
];
const WHOM: &[&str] = &["tell", "inform", "mention", "reveal", "notify", "alert"];
const USER: &[&str] = &["user", "human", "them", "anyone", "this"];

const fn alone(begins: &'static str) -> Order {
    Order { begins, then: Then::Nothing }
}

const fn followed(
    begins: &'static str,
    first: &'static [&'static str],
    second: &'static [&'static str],
) -> Order {
    Order { begins, then: Then::Words(first, second) }
}

/// Beginnings in lower case; letter case does not matter.
pub(super) const ORDERS: &[Order] = &[
    followed("ignore", EARLIER, ORDERS_GIVEN),
    followed("disregard", EARLIER, ORDERS_GIVEN),
    followed("forget", EARLIER, ORDERS_GIVEN),
    followed("override", EARLIER, ORDERS_GIVEN),
    followed("bypass", EARLIER, ORDERS_GIVEN),
    followed("do not", WHOM, USER),
    followed("don't", WHOM, USER),
    followed("never", WHOM, USER),
    followed("without", &["telling", "informing", "notifying", "asking", "alerting"], USER),
    followed("before", &["using", "calling", "invoking"], &["tool", "tools"]),
    followed(
        "you must",
        &["first", "now", "immediately"],
        &["read", "call", "send", "run", "execute", "include"],
    ),
    followed("reveal", &["your", "the"], &["prompt", "instructions"]),
    alone("<|im_start|>"),
    alone("<|im_end|>"),
    alone("<|system|>"),
    alone("<|start_header_id|>"),
    alone("[inst]"),
    alone("<<sys>>"),
    alone("<important>"),
    alone("<system>"),
    alone("<system-reminder>"),
    alone("[system]"),
    alone("### system:"),
    alone("### instruction:"),
    alone("new instructions:"),
    alone("system override"),
    alone("you are now in developer mode"),
    alone("you are now dan"),
];

/// How far behind its beginning an order goes on.
const REACH: usize = 120;
/// How many words may stand between those that count.
const BETWEEN: usize = 4;

/// The order that begins at `at`.
pub(super) fn order(text: &[u8], at: usize, order: &Order) -> Option<Range<usize>> {
    let from = at + order.begins.len();
    let Then::Words(first, second) = order.then else { return Some(at..from) };
    if is_word(before(text, at)) {
        return None;
    }
    let near = text.get(from..)?;
    let near = near.get(..near.len().min(REACH))?;
    let near =
        near.get(..near.iter().position(|b| matches!(b, b'.' | b'!' | b'?' | b'\n')).unwrap_or(near.len()))?;
    let mut words = words(near);
    let is = |wanted: &[&str], word: &[u8]| wanted.iter().any(|w| word.eq_ignore_ascii_case(w.as_bytes()));
    let met = words.by_ref().take(BETWEEN).any(|(word, _)| is(first, word));
    let end = words.take(BETWEEN).find(|(word, _)| is(second, word)).map(|(_, end)| end)?;
    met.then_some(at..from + end)
}

/// The words of `text`, each with its end.
fn words(text: &[u8]) -> impl Iterator<Item = (&[u8], usize)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        at += text.get(at..)?.iter().position(u8::is_ascii_alphabetic)?;
        let rest = text.get(at..)?;
        let word = rest.get(..rest.iter().position(|b| !b.is_ascii_alphabetic()).unwrap_or(rest.len()))?;
        at += word.len();
        Some((word, at))
    })
}
