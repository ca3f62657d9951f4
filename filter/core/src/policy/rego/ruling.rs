//! What did Rego say, and why?

use crate::order;

/// The answer about one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// What follows.
    pub outcome: Outcome,
    /// Why, in words of ours: `allowed`, `false`, `undefined`, `not visible`, a step-up, or what went wrong.
    pub why: &'static str,
    /// The policy's own reasons: constants of it, so that no input is written down.
    pub reasons: Vec<String>,
    /// What it wants to be written down besides (the obligation `log`), constants likewise.
    pub log: Vec<String>,
    /// Content rules that count for the answer besides (the obligation `redact`), by their ids.
    pub redact: Vec<String>,
    /// Buckets from which the call takes a token besides (the obligation `limit`), by their names.
    pub limit: Vec<String>,
}

/// What follows from an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It does not stand in the way.
    Allow,
    /// The caller needs all of these scopes.
    Challenge(Vec<String>),
    /// It denies.
    Deny,
    /// It could not be answered, which denies.
    Failed,
}

/// How many reasons, and entries for the log, one record has at most.
const MOST_WORDS: usize = 32;

// === impl Ruling ===

impl Ruling {
    /// One without words of the policy.
    pub const fn of(outcome: Outcome, why: &'static str) -> Self {
        Self { outcome, why, reasons: Vec::new(), log: Vec::new(), redact: Vec::new(), limit: Vec::new() }
    }

    /// This one, with what `earlier` ones about the same request want to be written down and oblige it to. Of obligations none
    /// is left out: they are names of the configuration, and no more than it has.
    #[must_use]
    pub fn after(mut self, earlier: Self) -> Self {
        for (own, before) in [(&mut self.reasons, earlier.reasons), (&mut self.log, earlier.log)] {
            own.extend(before);
            order::each_once(own);
            own.truncate(MOST_WORDS);
        }
        for (own, before) in [(&mut self.redact, earlier.redact), (&mut self.limit, earlier.limit)] {
            own.extend(before);
            own.sort_unstable();
            own.dedup();
        }
        self
    }

    /// The word for a record.
    pub const fn verdict(&self) -> &'static str {
        match self.outcome {
            Outcome::Allow => "allow",
            Outcome::Challenge(_) => "challenge",
            Outcome::Deny => "deny",
            Outcome::Failed => "failed",
        }
    }
}
