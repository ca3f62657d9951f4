//! What was done to the lists of an answer?

/// What was done to lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Lists seen.
    pub lists: u32,
    /// Elements left in.
    pub kept: u32,
    /// Elements cut out because they may not be seen.
    pub removed: u32,
    /// Elements cut out because their name could not be read.
    pub unreadable: u32,
}

// === impl Report ===

impl Report {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            lists: self.lists.saturating_add(other.lists),
            kept: self.kept.saturating_add(other.kept),
            removed: self.removed.saturating_add(other.removed),
            unreadable: self.unreadable.saturating_add(other.unreadable),
        }
    }

    pub(super) fn entries(self) -> u32 {
        self.kept.saturating_add(self.removed).saturating_add(self.unreadable)
    }
}
