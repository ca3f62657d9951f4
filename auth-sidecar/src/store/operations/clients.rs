//! Clients that registered themselves: changed and removed only by who has their registration access token, in the same
//! step that looks at it.

use super::super::feed::Revocation;
use super::super::{Change, Store, StoreError};
use crate::clock::UnixTime;
use crate::oauth::client::Client;
use crate::secret::Digest;

// === impl Store ===

impl Store {
    /// Keeps a client that registered itself.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_client(&self, client: Client, until: UnixTime) -> Result<(), StoreError> {
        self.put(&key(&client.id), &client, until).await
    }

    /// A client that registered itself.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn client(&self, id: &str, now: UnixTime) -> Result<Option<Client>, StoreError> {
        self.get(&key(id), now).await
    }

    /// Replaces a client and keeps its end, if `presented` is (the digest of) its registration token; whether it was.
    /// Of several callers with one token, one succeeds.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn replace_client(
        &self,
        client: Client,
        presented: Digest,
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        let replaced = self
            .change(&key(&client.id), now, |kept: &mut Client, until| {
                if !kept.is_managed_with(&presented) {
                    return Change::Leave(false);
                }
                kept.clone_from(&client);
                Change::Keep(true, until)
            })
            .await?;
        Ok(replaced.unwrap_or(false))
    }

    /// Removes a client, if `presented` is (the digest of) its registration token; whether it was. What it was granted ends
    /// with it, and the log says so before it is gone: a crash in between leaves nothing that is worth anything.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remove_client(
        &self,
        id: &str,
        presented: Digest,
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        let Some(client) = self.client(id, now).await?.filter(|client| client.is_managed_with(&presented))
        else {
            return Ok(false);
        };
        self.backend.announce(Revocation::of_client(&client.id, now)).await?;
        let removed = self
            .change(&key(id), now, |kept: &mut Client, _| match kept.is_managed_with(&presented) {
                true => Change::Remove(true),
                false => Change::Leave(false),
            })
            .await?;
        Ok(removed.unwrap_or(false))
    }

    /// Extends the life of a client that is still there; never shortens it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn extend_client(&self, id: &str, until: UnixTime, now: UnixTime) -> Result<(), StoreError> {
        let extend =
            |_: &mut Client, end| if end < until { Change::Keep((), until) } else { Change::Leave(()) };
        self.change(&key(id), now, extend).await.map(drop)
    }
}

fn key(id: &str) -> String {
    format!("cl:{id}")
}
