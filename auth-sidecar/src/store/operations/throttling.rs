//! How often was it tried, and was it seen before? Counters that survive restarts and count for all replicas.

use super::super::{Store, StoreError};
use crate::clock::UnixTime;
use crate::secret::Digest;

// === impl Store ===

impl Store {
    /// Adds one to a counter and returns the sum; the counter starts anew when `until` of its first use has passed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn count(&self, name: &str, until: UnixTime, now: UnixTime) -> Result<u32, StoreError> {
        self.backend.count(&key(name), until, now).await
    }

    /// Takes one from a counter whose window has not passed; never below none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn uncount(&self, name: &str, now: UnixTime) -> Result<(), StoreError> {
        self.backend.uncount(&key(name), now).await
    }

    /// Sets a counter back.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn reset_count(&self, name: &str) -> Result<(), StoreError> {
        self.backend.remove(&key(name)).await
    }
}

/// Counters are named after addresses and accounts, which are digested: their length is then bounded, and a copy of
/// the store names nobody who merely failed to sign in.
fn key(name: &str) -> String {
    format!("rl:{}", Digest::of(name).encoded())
}
