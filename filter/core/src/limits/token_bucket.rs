//! Is there a token left? One bucket, in whole numbers: nothing is rounded in a caller's favour.

use std::time::Duration;

use super::rate::Rate;
use crate::time::Timestamp;

/// A bucket, written as the moment at which it will be full again: a full bucket is then one whose moment has passed,
/// which can be told without knowing its rate.
///
/// The moment is `full + part/tokens` nanoseconds since the epoch, `tokens` being the rate's: exact for every rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// The latest time at which tokens were taken or given back. Time before it does not count: the bucket is neither
    /// refilled nor punished while a clock that was set back catches up.
    pub(super) at: u64,
    /// Whole nanoseconds of the moment; never before `at`.
    pub(super) full: u64,
    /// The rest, in nanoseconds divided by the rate's `tokens`.
    pub(super) part: u32,
}

// === impl Bucket ===

impl Bucket {
    /// A clock that goes back further than this was corrected, not read out of order by another thread: the bucket then
    /// follows it, with the tokens it has. Else a clock that was once years ahead would lock a bucket for years.
    pub const MAX_BACKSTEP: Duration = Duration::from_secs(60);

    /// How long a bucket must have been full before it may be forgotten. Threads read the clock in one order and take in
    /// another; within this span a late one still finds the bucket as it was.
    pub const GRACE: Duration = Duration::from_secs(1);

    /// A bucket with all its tokens.
    pub const fn full(now: Timestamp) -> Self {
        Self { at: now.as_nanos(), full: now.as_nanos(), part: 0 }
    }

    /// Takes `cost` tokens and gives the new bucket with the number of whole tokens left.
    ///
    /// # Errors
    /// The time after which as many will be there (a `cost` above the burst: never, [`Duration::MAX`]). Nothing was taken.
    pub fn take(self, rate: Rate, cost: u32, now: Timestamp) -> Result<(Self, u32), Duration> {
        let bucket = self.settled(now);
        let (token, capacity) = units(rate);
        let owed = bucket.owed(rate, now) + token * u128::from(cost);
        if owed > capacity {
            let lag = Timestamp::from_nanos(bucket.at).since(now);
            return Err(if cost > rate.burst { Duration::MAX } else { lag + waiting(owed - capacity, rate) });
        }
        let left = (capacity - owed).checked_div(token).unwrap_or(0);
        let next = bucket.owing(owed, rate, now).ok_or(Duration::MAX)?;
        Ok((next, u32::try_from(left).unwrap_or(u32::MAX)))
    }

    /// Puts back `cost` tokens that were taken and not used; never above the burst.
    pub fn give_back(self, rate: Rate, cost: u32, now: Timestamp) -> Self {
        let bucket = self.settled(now);
        let (token, _) = units(rate);
        let owed = bucket.owed(rate, now).saturating_sub(token * u128::from(cost));
        // Less is owed than before, so that it can be written.
        bucket.owing(owed, rate, now).unwrap_or(bucket)
    }

    /// Whether it has been full for [`Bucket::GRACE`]: forgetting it then grants nothing.
    pub fn is_forgettable(self, now: Timestamp) -> bool {
        // One nanosecond more stands for the part.
        Timestamp::from_nanos(self.full.saturating_add(1)).plus(Self::GRACE) <= now
    }

    /// The bucket as it stands after the clock was set back by more than [`Bucket::MAX_BACKSTEP`]: as many tokens, `now`.
    #[must_use]
    pub fn settled(self, now: Timestamp) -> Self {
        if Timestamp::from_nanos(self.at).since(now) <= Self::MAX_BACKSTEP {
            return self;
        }
        let at = now.as_nanos();
        Self { at, full: at.saturating_add(self.full.saturating_sub(self.at)), part: self.part }
    }

    /// What is missing, in nanoseconds divided by the rate's `tokens`.
    fn owed(self, rate: Rate, now: Timestamp) -> u128 {
        match self.full.checked_sub(self.at.max(now.as_nanos())) {
            Some(nanos) => u128::from(nanos) * u128::from(rate.tokens.max(1)) + u128::from(self.part),
            None => 0,
        }
    }

    /// The bucket that misses `owed`; `None` if it would be full after the end of time.
    fn owing(self, owed: u128, rate: Rate, now: Timestamp) -> Option<Self> {
        let at = self.at.max(now.as_nanos());
        let tokens = u128::from(rate.tokens.max(1));
        let nanos = u64::try_from(owed.checked_div(tokens)?).ok()?;
        let part = u32::try_from(owed.checked_rem(tokens)?).ok()?;
        Some(Self { at, full: at.checked_add(nanos)?, part })
    }
}

/// One token and the whole capacity, in nanoseconds divided by the rate's `tokens`.
fn units(rate: Rate) -> (u128, u128) {
    // A span of centuries is cut: no compiled rate has one, and products must fit.
    let token = rate.per.as_nanos().clamp(1, u128::from(u64::MAX));
    (token, token * u128::from(rate.burst))
}

/// How long until `missing` units have been refilled, rounded up.
fn waiting(missing: u128, rate: Rate) -> Duration {
    let nanos = missing.div_ceil(u128::from(rate.tokens.max(1)));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
pub(super) mod tests;
