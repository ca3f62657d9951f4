//! What time is it? Time enters every decision as an argument; only the edges of the server ask a clock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Seconds since 1970-01-01T00:00:00Z, as in the `exp` and `iat` claims (RFC 7519 NumericDate without fractions).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixTime(pub u64);

/// How far the clocks of replicas may differ: what another one dates so little ahead counts as of now.
pub(crate) const SKEW: Duration = Duration::from_secs(60);

/// A source of the current time.
pub trait Clock: Send + Sync + 'static {
    /// The current time in whole seconds.
    fn now(&self) -> UnixTime;

    /// The same in milliseconds since 1970, as finely as this clock goes.
    fn millis(&self) -> u64 {
        self.now().0.saturating_mul(1_000)
    }
}

/// The clock of the operating system.
#[derive(Debug, Default)]
pub struct SystemClock;

/// A clock that moves only when told to: for tests of lifetimes, which must not sleep.
#[derive(Debug)]
pub struct ManualClock(AtomicU64);

// === impl UnixTime ===

impl UnixTime {
    /// The time `span` later, in whole seconds; stops at the end of time rather than wrapping.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span.as_secs()))
    }

    /// Seconds from `earlier` to `self`; zero when `earlier` lies ahead (a clock that was set back).
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }

    /// As people and machines read it: `2027-01-15T08:00Z`.
    #[must_use]
    pub fn to_utc(self) -> String {
        const DAY: u64 = 24 * 60 * 60;
        let (days, second) = (self.0 / DAY, self.0 % DAY);
        // Years are counted from March of the year 0, so that the leap day is the last of a year; 719468 days lie between.
        let days = days + 719_468;
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * march_month + 2) / 5 + 1;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        let year = year + era * 400 + u64::from(month <= 2);
        format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}Z", second / 3_600, second / 60 % 60)
    }
}

// === impl SystemClock ===

impl Clock for SystemClock {
    fn now(&self) -> UnixTime {
        // A clock before 1970 reads as zero: everything then counts as not yet expired, nothing as issued later.
        UnixTime(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
    }

    fn millis(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

// === impl ManualClock ===

impl ManualClock {
    /// A clock that stands at `now`.
    #[must_use]
    pub fn at(now: UnixTime) -> Self {
        Self(AtomicU64::new(now.0))
    }

    /// Moves the clock forward.
    pub fn advance(&self, span: Duration) {
        self.0.fetch_add(span.as_secs(), Ordering::SeqCst);
    }

    /// Moves it back, to where the clock of another replica stands.
    pub fn set_back(&self, span: Duration) {
        self.0.fetch_sub(span.as_secs(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixTime {
        UnixTime(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (second, wanted) in [
            (0, "1970-01-01T00:00Z"),
            (951_782_400, "2000-02-29T00:00Z"),
            (1_709_251_199, "2024-02-29T23:59Z"),
            (1_800_000_000, "2027-01-15T08:00Z"),
            (4_107_542_400, "2100-03-01T00:00Z"),
        ] {
            assert_eq!(UnixTime(second).to_utc(), wanted);
        }
    }
}
