//! How many requests may gateways still admit together? Token buckets from which all of them take.

use super::super::bucket::{Lent, Shape};
use super::super::{Store, StoreError};
use crate::secret::Digest;

// === impl Store ===

impl Store {
    /// Takes as many of the tokens that are `wanted` from a bucket as are there, `now` in milliseconds since 1970. They are the
    /// caller's for good: where the answer is lost, so are they.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn lend(&self, bucket: &str, shape: Shape, wanted: u32, now: u64) -> Result<Lent, StoreError> {
        self.backend.lend(&key(bucket, shape), shape, wanted, now).await
    }
}

/// A bucket of another shape is another bucket: what is kept could not be read by it.
fn key(bucket: &str, Shape { capacity, tokens, per }: Shape) -> String {
    format!("tb:{}", Digest::of(&format!("{bucket} {capacity} {tokens} {per}")).encoded())
}
