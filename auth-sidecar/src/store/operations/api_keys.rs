//! API keys: by their id, with a list of all of them for operators.

use std::time::Duration;

use super::super::api_key::ApiKey;
use super::super::feed::Revocation;
use super::super::{Change, Part, Store, StoreError};
use crate::clock::UnixTime;
use crate::secret::Digest;

/// The list of all of them.
const ALL: &str = "api-keys";
/// A dead key is shown for so long.
const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 60 * 60);

// === impl Store ===

impl Store {
    /// Keeps a new key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_api_key(&self, api_key: &ApiKey, now: UnixTime) -> Result<(), StoreError> {
        let end = api_key.expires_at.plus(REMEMBERED);
        // On the list first: a name there that leads nowhere is harmless, a key that nobody sees is not.
        self.backend.list_add(ALL, &api_key.id, end, now).await?;
        self.put(&key(&api_key.id), api_key, end).await
    }

    /// Reads a key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn api_key(&self, id: &str, now: UnixTime) -> Result<Option<ApiKey>, StoreError> {
        self.get(&key(id), now).await
    }

    /// The keys after one of them, in the order of their ids, at most so many.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn api_keys(
        &self,
        after: &str,
        most: usize,
        now: UnixTime,
    ) -> Result<Part<ApiKey>, StoreError> {
        let (ids, next) = self.names(ALL, after, most, now).await?;
        let mut entries = Vec::new();
        for id in ids {
            entries.extend(self.api_key(&id, now).await?);
        }
        Ok(Part { entries, next })
    }

    /// Gives a key a new secret: see [`ApiKey::rotate`]. `None` where there is no live one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn rotate_api_key(
        &self,
        id: &str,
        secret: Digest,
        overlap: Duration,
        now: UnixTime,
    ) -> Result<Option<ApiKey>, StoreError> {
        let rotate = |api_key: &mut ApiKey, end| match api_key.rotate(secret, overlap, now) {
            true => Change::Keep(Some(api_key.clone()), end),
            false => Change::Leave(None),
        };
        Ok(self.change(&key(id), now, rotate).await?.flatten())
    }

    /// Revokes a key; the log says so first. Whether it has ended by this, or had before; `None` where there is none. One that had
    /// ended costs no write, and of several callers one ends it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn revoke_api_key(&self, id: &str, now: UnixTime) -> Result<Option<bool>, StoreError> {
        match self.api_key(id, now).await? {
            None => return Ok(None),
            Some(api_key) if !api_key.is_live(now) => return Ok(Some(false)),
            Some(api_key) => self.backend.announce(Revocation::of_api_key(&api_key, now)).await?,
        }
        let revoke = |api_key: &mut ApiKey, end| match api_key.revoke(now) {
            true => Change::Keep(true, end),
            false => Change::Leave(false),
        };
        self.change(&key(id), now, revoke).await
    }

    /// Notes that a key was used: see [`ApiKey::is_use_news`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn note_api_key_use(&self, id: &str, now: UnixTime) -> Result<(), StoreError> {
        let note = |api_key: &mut ApiKey, end| match api_key.is_use_news(now) {
            true => {
                api_key.last_used_at = Some(now);
                Change::Keep((), end)
            }
            false => Change::Leave(()),
        };
        self.change(&key(id), now, note).await.map(drop)
    }
}

fn key(id: &str) -> String {
    format!("k:{id}")
}
