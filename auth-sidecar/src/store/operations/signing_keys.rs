//! The signing keys: one record, replaced as a whole.

use super::super::backend::NEVER;
use super::super::records::StoredKey;
use super::super::{Change, Store, StoreError, written};
use crate::clock::UnixTime;

const KEYS: &str = "keys";

// === impl Store ===

impl Store {
    /// All signing keys.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn signing_keys(&self) -> Result<Vec<StoredKey>, StoreError> {
        // Nothing is answered before there are keys, so nothing of another version is ever read.
        self.schema.get_or_try_init(|| self.admit_schema()).await?;
        Ok(self.get(KEYS, UnixTime::default()).await?.unwrap_or_default())
    }

    /// Replaces the signing keys if they are still those that the caller has seen; returns what is there afterwards, so
    /// that of several servers all use the same.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn replace_signing_keys(
        &self,
        seen: Vec<StoredKey>,
        keys: Vec<StoredKey>,
    ) -> Result<Vec<StoredKey>, StoreError> {
        let now = UnixTime::default();
        if seen.is_empty() && self.backend.put_new(KEYS, written(&keys)?, NEVER, now).await? {
            return Ok(keys);
        }
        let kept = self
            .change(KEYS, now, |kept: &mut Vec<StoredKey>, end| {
                if *kept != seen {
                    return Change::Leave(kept.clone());
                }
                kept.clone_from(&keys);
                Change::Keep(keys.clone(), end)
            })
            .await?;
        Ok(kept.unwrap_or_default())
    }
}
