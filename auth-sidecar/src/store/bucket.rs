//! How many tokens are left of a bucket from which all gateways take? In whole numbers: nothing is rounded in anybody's favour.
//!
//! The script `redis/scripts/lend.lua` says the same, because there it must be one step; every number stays below 2^53, which is
//! exact in Lua as well.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::UnixTime;

/// The most tokens of a bucket, and the most that it gains in one span.
pub const MOST_TOKENS: u32 = 1_000_000;
/// The longest span, in seconds.
pub const MOST_SPAN: u32 = 86_400;
/// A clock that goes back further than this (ms) was corrected: the bucket then follows it, with the tokens it has.
const MOST_BACKSTEP: u64 = 60_000;

/// `capacity` tokens at once, refilled evenly by `tokens` every `per` seconds; each at least 1, and none above the bounds here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// How many it holds.
    pub capacity: u32,
    /// How many it gains in a span.
    pub tokens: u32,
    /// The span, in seconds.
    pub per: u32,
}

/// What is kept of a bucket that is not full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Level {
    /// When tokens were taken last, in milliseconds since 1970. Time before it does not count.
    at: u64,
    /// What was missing then: a token is as many parts as the span has milliseconds.
    owed: u64,
}

/// What became of a request for tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lent {
    /// So many are the asker's now, for good.
    pub granted: u32,
    /// Where these are fewer than were wanted: when one more will be there.
    pub retry_after: Option<Duration>,
}

// === impl Shape ===

impl Shape {
    fn span(&self) -> u64 {
        u64::from(self.per) * 1_000
    }

    /// As many of the tokens that are `wanted` as are there, `now` in milliseconds since 1970, and the bucket afterwards. No
    /// level: it is full.
    pub fn lend(&self, level: Option<Level>, wanted: u32, now: u64) -> (Level, Lent) {
        let level = level.unwrap_or(Level { at: now, owed: 0 });
        let at = if level.at.saturating_sub(now) > MOST_BACKSTEP { now } else { level.at };
        let gained = now.saturating_sub(at).saturating_mul(u64::from(self.tokens));
        let (at, owed) = (at.max(now), level.owed.saturating_sub(gained));
        let (span, most) = (self.span().max(1), u64::from(self.capacity) * self.span());
        let left = most.saturating_sub(owed).checked_div(span).unwrap_or(0);
        let granted = wanted.min(u32::try_from(left).unwrap_or(u32::MAX));
        let owed = owed + u64::from(granted) * span;
        let level = Level { at, owed };
        let missing = (owed + span).saturating_sub(most).div_ceil(u64::from(self.tokens.max(1)));
        let wait = Duration::from_millis(missing + (at - now));
        (level, Lent { granted, retry_after: (granted < wanted).then_some(wait) })
    }

    /// When a bucket that stands so is full again and need not be kept any more.
    pub fn full(&self, level: Level) -> UnixTime {
        let ends = level.at.saturating_add(level.owed.div_ceil(u64::from(self.tokens.max(1))));
        UnixTime(ends.div_ceil(1_000) + 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn as_many_as_are_there_and_no_more() {
        let shape = Shape { capacity: 10, tokens: 2, per: 1 };
        let (level, lent) = shape.lend(None, 7, 1_000);
        assert_eq!(lent, Lent { granted: 7, retry_after: None });
        let (level, lent) = shape.lend(Some(level), 7, 1_000);
        assert_eq!(lent, Lent { granted: 3, retry_after: Some(Duration::from_millis(500)) });
        let (same, lent) = shape.lend(Some(level), 7, 1_499);
        assert_eq!(lent, Lent { granted: 0, retry_after: Some(Duration::from_millis(1)) });
        assert_eq!(shape.lend(Some(same), 7, 1_500).1.granted, 1);
        assert_eq!(shape.full(level), UnixTime(7));
        assert_eq!(shape.lend(Some(level), 20, 7_000).1.granted, 10, "never more than it holds");
    }

    #[test]
    fn time_that_went_back_gives_nothing_and_locks_nothing() {
        let shape = Shape { capacity: 2, tokens: 1, per: 1 };
        let (level, _) = shape.lend(None, 2, 100_000);
        let (_, lent) = shape.lend(Some(level), 1, 99_000);
        assert_eq!(lent, Lent { granted: 0, retry_after: Some(Duration::from_millis(2_000)) });
        let (_, lent) = shape.lend(Some(level), 1, 1_000);
        assert_eq!(lent.retry_after, Some(Duration::from_secs(1)), "a clock that was corrected is followed");
    }

    proptest! {
        #[test]
        fn never_more_than_capacity_and_refill(
            capacity in 1..50_u32, tokens in 1..50_u32, per in 1..100_u32,
            asks in prop::collection::vec((0..5_000_u64, 1..60_u32), 1..80),
        ) {
            let shape = Shape { capacity, tokens, per };
            let (mut level, mut now, mut granted) = (None, 1_000_000_u64, 0_u64);
            for (later, wanted) in asks {
                now += later;
                let (next, lent) = shape.lend(level, wanted, now);
                // Full again is the same as none at all.
                level = (lent.granted > 0).then_some(next).or(level).filter(|l| now < shape.full(*l).0 * 1_000);
                granted += u64::from(lent.granted);
                let refilled = (now - 1_000_000) * u64::from(tokens) / (u64::from(per) * 1_000);
                prop_assert!(granted <= u64::from(capacity) + refilled);
                prop_assert_eq!(lent.retry_after.is_some(), lent.granted < wanted);
                if let Some(wait) = lent.retry_after {
                    let then = now + u64::try_from(wait.as_millis()).unwrap();
                    prop_assert!(shape.lend(level, 1, then).1.granted == 1);
                    prop_assert!(shape.lend(level, 1, then - 1).1.granted == 0);
                }
            }
        }

        #[test]
        fn no_level_that_is_read_panics(at: u32, owed: u32, wanted: u32, now: u32) {
            let shape = Shape { capacity: MOST_TOKENS, tokens: MOST_TOKENS, per: MOST_SPAN };
            let level = Level { at: u64::from(at) << 9, owed: u64::from(owed) << 15 };
            let _ = shape.full(shape.lend(Some(level), wanted, u64::from(now) << 9).0);
        }
    }
}
