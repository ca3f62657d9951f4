//! What was revoked: the log that gateways follow.

use super::super::feed::{News, Place};
use super::super::{Store, StoreError};
use crate::clock::UnixTime;

// === impl Store ===

impl Store {
    /// What was revoked after a place of the log, or all that may still matter where that is none of this store, each thing once. An
    /// entry is there as soon as what it says is true.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn news(&self, after: Option<Place>, now: UnixTime) -> Result<News, StoreError> {
        Ok(self.backend.news(after, now).await?.each_once())
    }
}
