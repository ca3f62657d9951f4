//! What time is it? Time enters every decision as an argument; only the edges of the server ask a clock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Seconds since 1970-01-01T00:00:00Z, as in the `exp` and `iat` claims (RFC 7519 NumericDate without fractions).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixTime(pub u64);

/// A source of the current time.
pub trait Clock: Send + Sync + 'static {
    /// The current time in whole seconds.
    fn now(&self) -> UnixTime;
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
}

// === impl SystemClock ===

impl Clock for SystemClock {
    fn now(&self) -> UnixTime {
        // A clock before 1970 reads as zero: everything then counts as not yet expired, nothing as issued later.
        UnixTime(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
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
}

impl Clock for ManualClock {
    fn now(&self) -> UnixTime {
        UnixTime(self.0.load(Ordering::SeqCst))
    }
}
