//! What is wrong with a configuration, where, and what would be right?

use serde::Serialize;
use std::fmt;

/// One thing that makes a configuration unusable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfigError {
    /// Where: `servers[0].rules[2].allow.who`; empty for the document as a whole.
    pub path: String,
    /// What is wrong and what is accepted: one phrase, no full stop.
    pub message: String,
    /// What was probably meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
}

/// One thing that is accepted but probably not what was meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfigWarning {
    /// Where, as in [`ConfigError::path`].
    pub path: String,
    /// What is doubtful, and what follows from it.
    pub message: String,
}

/// A place in the document while it is being judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place(String);

/// Everything found so far. The document is refused if there is one error.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) errors: Vec<ConfigError>,
    pub(crate) warnings: Vec<ConfigWarning>,
}

// === impl ConfigError ===

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        match &self.suggestion {
            Some(s) => write!(f, " (did you mean `{s}`?)"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ConfigError {}

// === impl ConfigWarning ===

impl fmt::Display for ConfigWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

// === impl Place ===

impl Place {
    pub(crate) fn key(&self, key: &str) -> Self {
        if self.0.is_empty() { Self(key.to_owned()) } else { Self(format!("{}.{key}", self.0)) }
    }

    pub(crate) fn index(&self, at: usize) -> Self {
        Self(format!("{}[{at}]", self.0))
    }
}

// === impl Findings ===

impl Findings {
    pub(crate) fn error(&mut self, at: &Place, message: impl Into<String>) {
        self.suggest(at, message, None);
    }

    pub(crate) fn suggest(&mut self, at: &Place, message: impl Into<String>, suggestion: Option<String>) {
        self.errors.push(ConfigError { path: at.0.clone(), message: message.into(), suggestion });
    }

    pub(crate) fn warn(&mut self, at: &Place, message: impl Into<String>) {
        self.warnings.push(ConfigWarning { path: at.0.clone(), message: message.into() });
    }
}

/// The candidate nearest to `word`, if it is near enough to be a slip: at most two edits, and fewer than half its letters.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest_of(word, &mut candidates.into_iter())
}

/// Once in the module for lists of every length.
fn nearest_of(word: &str, candidates: &mut dyn Iterator<Item = &str>) -> Option<String> {
    let near = candidates.map(|c| (distance(&word.to_ascii_lowercase(), &c.to_ascii_lowercase()), c));
    let (edits, best) = near.min()?;
    (edits <= 2 && edits * 2 < best.chars().count().max(2)).then(|| best.to_owned())
}

/// Edit distance with swaps of neighbours (optimal string alignment), bounded to short words.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let get = |r: &[usize], at: usize| r.get(at).copied().unwrap_or(usize::MAX / 2);
            let mut cost =
                (get(&last, j) + usize::from(x != y)).min(get(&last, j + 1) + 1).min(get(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                cost = cost.min(get(&before, j - 1) + 1);
            }
            row.push(cost);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        assert_eq!(nearest("isuers", ["issuers", "servers"]).as_deref(), Some("issuers"));
        assert_eq!(nearest("toosl", ["tools", "roles"]).as_deref(), Some("tools"));
        assert_eq!(nearest("Tools", ["tools"]).as_deref(), Some("tools"));
        assert_eq!(nearest("backend", ["tools", "roles"]), None);
        assert_eq!(nearest("id", ["who"]), None);
    }
}
