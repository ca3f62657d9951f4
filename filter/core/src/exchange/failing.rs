//! What becomes of an exchange when the host fails? It is denied, and that is on record whatever was decided before and not carried out.

use super::step::Effect;
use super::{Exchange, Phase};
use crate::denial::Denial;
use crate::guard::Guard;
use crate::time::Timestamp;

// === impl Exchange ===

impl Exchange {
    /// The host has done all that letting the request go on demands. What that named is on record now, and may be a megabyte that a
    /// stream would keep for hours.
    pub fn on_its_way(&mut self) {
        self.facts.under_way = true;
        if let Some(operation) = &mut self.facts.operation {
            operation.targets = Vec::new();
        }
    }

    /// The host has failed: whatever was under way, this exchange is denied, with status 500 where an answer can still be
    /// given.
    pub fn give_up(&mut self, what: &'static str, guard: &Guard, now: Timestamp) -> Vec<Effect> {
        self.effects.clear();
        // It failed before it wrote down that the request may go on, which is the last thing that it is told.
        if matches!(self.phase, Phase::Forwarded(_)) && !self.facts.under_way {
            self.facts.is_not_recorded();
        }
        self.phase = Phase::Cut;
        if self.facts.status == 0 {
            self.phase = Phase::Replied;
            self.facts.status = 500;
        }
        self.facts.decide("deny", Denial::Internal(what).reason(), Some(what), guard, now)
    }
}
