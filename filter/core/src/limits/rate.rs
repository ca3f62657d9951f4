//! How many, how fast? The shape of one token bucket.

use std::time::Duration;

/// A token bucket: `burst` at once, refilled evenly by `tokens` every `per`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Capacity, at least 1.
    pub burst: u32,
    /// Tokens gained per `per`, at least 1.
    pub tokens: u32,
    /// The span, at least one second, at most a day.
    pub per: Duration,
}
