//! Which machines were made of patterns before? Those that a policy writes are few, and each is made once.

use std::cell::RefCell;
use std::collections::BTreeMap;

use regex::{Regex, RegexBuilder};
use regorus::Value;

/// The most that one compiled pattern may take, bytes.
const MAX_COMPILED: usize = 256 << 10;
/// So many are kept.
const MOST: usize = 256;

/// What a pattern is told from others by: itself, and what else it depends on.
type Kept = BTreeMap<Value, BTreeMap<Box<str>, Regex>>;

thread_local! {
    static KEPT: RefCell<Kept> = const { RefCell::new(BTreeMap::new()) };
}

/// Whether the `expression` of a pattern `with` these settings matches; `None` for what is no pattern.
pub(super) fn matches(
    pattern: &str,
    with: &Value,
    text: &str,
    expression: impl FnOnce() -> Result<String, &'static str>,
) -> Option<bool> {
    KEPT.with(|kept| {
        let mut kept = kept.try_borrow_mut().ok()?;
        if let Some(known) = kept.get(with).and_then(|patterns| patterns.get(pattern)) {
            return Some(known.is_match(text));
        }
        let made = made(&expression().ok()?).ok()?;
        let matches = made.is_match(text);
        if kept.values().map(BTreeMap::len).sum::<usize>() >= MOST {
            kept.clear();
        }
        kept.entry(with.clone()).or_default().insert(pattern.into(), made);
        Some(matches)
    })
}

/// What is wrong with an expression, in one phrase.
#[cfg(any(test, feature = "rego-compiler"))]
pub(super) fn fault(expression: Result<String, &'static str>) -> Option<String> {
    match expression {
        Ok(expression) => made(&expression).err(),
        Err(why) => Some(why.to_owned()),
    }
}

fn made(expression: &str) -> Result<Regex, String> {
    RegexBuilder::new(expression).size_limit(MAX_COMPILED).build().map_err(|error| {
        let said = error.to_string();
        said.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned()
    })
}
