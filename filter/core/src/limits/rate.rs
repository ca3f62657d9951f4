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

/// Where a limit holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Across {
    /// Across the workers of one Envoy; each Envoy has a bucket of its own.
    #[default]
    Envoy,
    /// Across all Envoys that ask one authorization server for leases.
    Fleet,
}
