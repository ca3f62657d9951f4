//! Was this token refused a moment ago? A bounded memory of one VM, so that a bad token is asked about once and not a
//! thousand times. It never holds a token.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::token_cache::Digested;
use crate::time::Timestamp;

/// Refused tokens by digest, each for a short time: a token that is not good now may become so (a replica that lags).
#[derive(Debug)]
pub struct RefusedTokens {
    until: HashMap<Digested, Timestamp>,
    /// In the order of insertion; the oldest goes first.
    order: VecDeque<Digested>,
    capacity: usize,
}

// === impl RefusedTokens ===

impl RefusedTokens {
    /// How long a refusal is remembered.
    pub const REMEMBERED: Duration = Duration::from_secs(10);

    /// At most `capacity` of them (at least one).
    pub fn new(capacity: usize) -> Self {
        Self { until: HashMap::new(), order: VecDeque::new(), capacity: capacity.max(1) }
    }

    /// Whether it was refused within [`Self::REMEMBERED`].
    pub fn holds(&self, digest: &Digested, now: Timestamp) -> bool {
        // Also false if the clock was set back by more than the time: then ask again.
        self.until.get(digest).is_some_and(|until| now < *until && until.since(now) <= Self::REMEMBERED)
    }

    /// It was refused at `now`.
    pub fn insert(&mut self, digest: Digested, now: Timestamp) {
        if self.until.insert(digest, now.plus(Self::REMEMBERED)).is_some() {
            return;
        }
        self.order.push_back(digest);
        while self.order.len() > self.capacity {
            if let Some(oldest) = self.order.pop_front() {
                self.until.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(n: u64) -> Digested {
        Digested::of(0, &n.to_string())
    }

    #[test]
    fn a_refusal_is_remembered_for_a_while() {
        let mut refused = RefusedTokens::new(10);
        let now = Timestamp::from_secs(1000);
        refused.insert(digest(1), now);
        assert!(refused.holds(&digest(1), now) && refused.holds(&digest(1), Timestamp::from_secs(1009)));
        assert!(!refused.holds(&digest(2), now));
        assert!(!refused.holds(&digest(1), Timestamp::from_secs(1010)));
        assert!(!refused.holds(&digest(1), Timestamp::from_secs(900)), "the clock was set back");
        refused.insert(digest(1), Timestamp::from_secs(1010));
        assert!(refused.holds(&digest(1), Timestamp::from_secs(1019)));
    }

    #[test]
    fn a_flood_of_bad_tokens_takes_no_more_room_than_it_may() {
        let mut refused = RefusedTokens::new(10);
        let now = Timestamp::from_secs(1000);
        for n in 0..1000 {
            refused.insert(digest(n), now);
            refused.insert(digest(n), now);
        }
        assert_eq!((refused.until.len(), refused.order.len()), (10, 10));
        assert!(refused.holds(&digest(999), now) && !refused.holds(&digest(989), now));
    }
}
