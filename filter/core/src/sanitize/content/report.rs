//! What was found, how often, and what became of it? Never what it was.

use super::Action;
use crate::sanitize::detect::Detector;

/// What kind of thing was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Found {
    /// What a detector finds.
    Detected(Detector),
    /// What a regular expression of the rule finds.
    Regex,
    /// The value of a member that the rule names.
    Key,
    /// A member that the rule does not allow.
    Field,
    /// Characters that nobody sees.
    Characters,
    /// A text that is too long.
    Length,
    /// Elements of a list beyond the most.
    Items,
}

/// One kind of finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// The rule's number on its server.
    pub rule: usize,
    /// What was found.
    pub found: Found,
    /// What became of it.
    pub action: Action,
}

/// Counts by kind, in order: as many rows at most as rules times kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report(Vec<(Row, u64)>);

// === impl Found ===

impl Found {
    /// Those that are no detector.
    pub const OTHERS: [Self; 6] =
        [Self::Regex, Self::Key, Self::Field, Self::Characters, Self::Length, Self::Items];

    /// Its name in marks, records and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Detected(detector) => detector.name(),
            Self::Regex => "regex",
            Self::Key => "key",
            Self::Field => "field",
            Self::Characters => "characters",
            Self::Length => "length",
            Self::Items => "items",
        }
    }
}

// === impl Report ===

impl Report {
    /// Counts one more.
    pub fn add(&mut self, rule: usize, found: Found, action: Action) {
        self.count(Row { rule, found, action }, 1);
    }

    fn count(&mut self, row: Row, more: u64) {
        match self.0.binary_search_by(|(counted, _)| counted.cmp(&row)) {
            Ok(at) => {
                if let Some((_, count)) = self.0.get_mut(at) {
                    *count = count.saturating_add(more);
                }
            }
            Err(at) => self.0.insert(at, (row, more)),
        }
    }

    /// Adds what another counted.
    pub fn merge(&mut self, other: Self) {
        for (row, count) in other.0 {
            self.count(row, count);
        }
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every kind with its count.
    pub fn rows(&self) -> impl Iterator<Item = (Row, u64)> + '_ {
        self.0.iter().copied()
    }
}
