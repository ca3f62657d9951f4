//! The proof that an operation was allowed: forwarding demands one, and only this folder makes it.

use super::rule::RuleId;

/// Proof of an allow verdict. It cannot be built, copied or changed outside `policy`.
#[derive(Debug, PartialEq, Eq)]
pub struct Permit {
    rule: RuleId,
}

// === impl Permit ===

impl Permit {
    pub(super) const fn new(rule: RuleId) -> Self {
        Self { rule }
    }

    /// The rule that permitted it, for the audit.
    pub const fn rule(&self) -> &RuleId {
        &self.rule
    }
}
