//! May this tool be shown, and called? What the configuration says of the tools of a server, and the one function that both
//! lists and calls are judged by.

use std::collections::BTreeMap;

use super::book::{Book, Flaws, Name, Row};
use super::digest::Digest;
use super::entry::Examined;
use crate::time::Timestamp;

/// What is demanded of the tools of one server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolPolicy {
    /// Whether a tool must stay what it was.
    pub pins: Pins,
    /// The digests of tools that somebody has approved, by name: they count whatever was seen first.
    pub baseline: BTreeMap<String, Digest>,
    /// What becomes of hidden characters.
    pub characters: Reaction,
    /// What becomes of a tool whose name another server showed before.
    pub shadowing: Reaction,
}

/// How a definition comes to count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pins {
    /// Every definition counts.
    #[default]
    Off,
    /// The first one that was seen counts, or the one of the baseline where that has the name.
    FirstUse {
        /// Whether a tool may be called that was never listed.
        unseen: bool,
    },
    /// Only what the baseline has.
    Baseline,
}

/// What becomes of a finding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reaction {
    /// Nobody looks.
    #[default]
    Allow,
    /// It is counted and written down.
    Flag,
    /// The characters are taken out of titles and descriptions; elsewhere as [`Reaction::Quarantine`].
    Strip,
    /// The tool is neither shown nor called.
    Quarantine,
}

/// Why a tool is neither shown nor called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// It is not what it was.
    Drifted,
    /// The baseline does not have it.
    NotApproved,
    /// It was never listed.
    Unseen,
    /// Readers may read it differently, or it is too long.
    Unreadable,
    /// It holds characters that nobody sees.
    HiddenCharacters,
    /// Another server showed a tool of its name before.
    Shadows,
    /// No more tools can be remembered.
    Full,
}

/// A listed tool, judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Why it is cut out; `None` if it is shown.
    pub quarantine: Option<Why>,
    /// What is counted and written down though it is shown.
    pub flag: Option<Why>,
    /// Whether hidden characters are taken out of it.
    pub strip: bool,
}

// === impl Why ===

impl Why {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Drifted,
        Self::NotApproved,
        Self::Unseen,
        Self::Unreadable,
        Self::HiddenCharacters,
        Self::Shadows,
        Self::Full,
    ];

    /// The word that records and metrics share.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Drifted => "drifted",
            Self::NotApproved => "not_approved",
            Self::Unseen => "unseen",
            Self::Unreadable => "unreadable",
            Self::HiddenCharacters => "hidden_characters",
            Self::Shadows => "shadows",
            Self::Full => "full",
        }
    }
}

// === impl ToolPolicy ===

impl ToolPolicy {
    /// Judges a listed tool and notes in `book` how it looks. `shadows` tells whether another server showed its name before.
    pub fn judge_listed(
        &self,
        name: &str,
        examined: &Examined,
        shadows: bool,
        book: &mut Book,
        now: Timestamp,
    ) -> Judged {
        let flaws = self.flaws(name, examined, shadows);
        let quarantine = if self.pins == Pins::Baseline && !self.baseline.contains_key(name) {
            // A call is refused without looking, so there is nothing to remember.
            Some(Why::NotApproved)
        } else {
            match book.note(Name::of(name), examined.digest.as_ref(), flaws, now) {
                Some(row) => {
                    let why = self.why(name, row);
                    if why.is_none() {
                        row.accept();
                    }
                    why
                }
                // Where nothing is demanded of it, it need not be remembered.
                None => self.wants_memory().then_some(Why::Full),
            }
        };
        self.reacted(quarantine, flaws)
    }

    /// Judges a tool in an answer of which nobody knows that it is the list of the server: it is shown if it is what was listed before,
    /// and nothing is noted.
    pub fn judge_shown(
        &self,
        name: &str,
        examined: &Examined,
        shadows: bool,
        book: &Book,
        now: Timestamp,
    ) -> Judged {
        let flaws = self.flaws(name, examined, shadows);
        let row = book.as_noted(Name::of(name), examined.digest.as_ref(), flaws, now);
        let quarantine = match (self.pins, self.baseline.contains_key(name)) {
            (Pins::Baseline, false) => Some(Why::NotApproved),
            (Pins::FirstUse { .. }, false) if !row.was_accepted() => Some(Why::Unseen),
            _ => self.why(name, &row),
        };
        self.reacted(quarantine, flaws)
    }

    /// Judges a call by the tool's name.
    ///
    /// # Errors
    /// Why it may not be called.
    pub fn judge_call(&self, name: &str, book: &Book) -> Result<(), Why> {
        let approved = self.baseline.contains_key(name);
        if self.pins == Pins::Baseline && !approved {
            return Err(Why::NotApproved);
        }
        match book.row(Name::of(name)) {
            Some(row) => self.why(name, row).map_or(Ok(()), Err),
            None if approved => Ok(()),
            None if matches!(self.pins, Pins::FirstUse { unseen: false }) => Err(Why::Unseen),
            None if book.is_full() && self.wants_memory() => Err(Why::Full),
            None => Ok(()),
        }
    }

    /// Why a tool that was seen so may be neither shown nor called.
    fn why(&self, name: &str, row: &Row) -> Option<Why> {
        let pinned = match (self.pins, self.baseline.get(name)) {
            (Pins::Off, None) => true,
            (_, Some(digest)) => row.was_last(digest),
            (_, None) => row.is_as_first(),
        };
        let strict = self.pins != Pins::Off || self.characters >= Reaction::Strip;
        if strict && row.flaws.have(Flaws::UNREADABLE) {
            return Some(Why::Unreadable);
        }
        if !pinned {
            return Some(Why::Drifted);
        }
        let hidden = match self.characters {
            Reaction::Allow | Reaction::Flag => Flaws::default(),
            Reaction::Strip => Flaws::HIDDEN_BEYOND,
            Reaction::Quarantine => Flaws::HIDDEN_BEYOND.and(Flaws::HIDDEN_IN_PROSE),
        };
        if row.flaws.have(hidden) {
            return Some(Why::HiddenCharacters);
        }
        let shadows = self.shadowing == Reaction::Quarantine && row.flaws.have(Flaws::SHADOWS);
        shadows.then_some(Why::Shadows)
    }

    fn flaws(&self, name: &str, examined: &Examined, shadows: bool) -> Flaws {
        Flaws::UNREADABLE
            .when(examined.digest.is_none())
            .and(Flaws::HIDDEN_BEYOND.when(examined.hidden.beyond_prose))
            .and(Flaws::HIDDEN_IN_PROSE.when(!examined.hidden.prose.is_empty()))
            // What somebody has approved by name takes nobody's place.
            .and(Flaws::SHADOWS.when(shadows && !self.baseline.contains_key(name)))
    }

    fn reacted(&self, quarantine: Option<Why>, flaws: Flaws) -> Judged {
        let flag = if quarantine.is_none() { self.flag(flaws) } else { None };
        let strips = self.characters == Reaction::Strip && quarantine.is_none();
        Judged { quarantine, flag, strip: strips && flaws.have(Flaws::HIDDEN_IN_PROSE) }
    }

    /// What is said of a tool that is shown all the same.
    fn flag(&self, flaws: Flaws) -> Option<Why> {
        let hidden = Flaws::HIDDEN_BEYOND.and(Flaws::HIDDEN_IN_PROSE);
        if self.characters != Reaction::Allow && flaws.have(hidden) {
            return Some(Why::HiddenCharacters);
        }
        if self.characters == Reaction::Flag && flaws.have(Flaws::UNREADABLE) {
            return Some(Why::Unreadable);
        }
        (self.shadowing != Reaction::Allow && flaws.have(Flaws::SHADOWS)).then_some(Why::Shadows)
    }

    /// Whether nothing is demanded at all.
    pub fn is_idle(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a tool that cannot be remembered may not be used.
    fn wants_memory(&self) -> bool {
        self.pins != Pins::Off || self.characters >= Reaction::Strip || self.shadowing == Reaction::Quarantine
    }
}

#[cfg(test)]
mod tests;
