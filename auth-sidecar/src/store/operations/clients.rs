//! Clients that registered themselves, changed and removed by who has their registration access token, in the same step that looks
//! at it; and those that an operator keeps here.

use super::super::feed::{Kind, Revocation};
use super::super::{Change, Store, StoreError, written};
use crate::clock::{Clock, UnixTime};
use crate::oauth::client::Client;
use crate::secret::Digest;

// === impl Store ===

impl Store {
    /// Keeps a client.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_client(&self, client: Client, until: UnixTime, now: UnixTime) -> Result<(), StoreError> {
        let name = key(&client.id);
        let (kept, listed) =
            tokio::join!(self.put(&name, &client, until), self.list_client(&client.id, until, now));
        kept.and(listed)
    }

    /// Keeps a client whose id is free; whether it was.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_new_client(
        &self,
        client: &Client,
        until: UnixTime,
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        let is_free = self.backend.put_new(&key(&client.id), written(client)?, until, now).await?;
        if is_free {
            self.list_client(&client.id, until, now).await?;
        }
        Ok(is_free)
    }

    /// A client in the store.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn client(&self, id: &str, now: UnixTime) -> Result<Option<Client>, StoreError> {
        self.get(&key(id), now).await
    }

    /// Replaces a client and keeps its end, if `presented` is (the digest of) its registration token; whether it was.
    /// Of several callers with one token, one succeeds. Where the client had a secret and still shall, it is the one that it has now:
    /// it may have got another since `client` was made, and the old one must not come back.
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
                let secret = client.secret.map(|made| kept.secret.unwrap_or(made));
                *kept = Client { secret, ..client.clone() };
                Change::Keep(true, until)
            })
            .await?;
        Ok(replaced.unwrap_or(false))
    }

    /// Removes a client, if `presented` is (the digest of) its registration token; whether it was. What it was granted ends
    /// with it, and the log says so before it is gone: a crash in between leaves nothing that is worth anything. And once more
    /// after it, where it could get more until then.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remove_client(
        &self,
        id: &str,
        presented: Digest,
        clock: &dyn Clock,
    ) -> Result<bool, StoreError> {
        let began = clock.now();
        let client = self.client(id, began).await?;
        if !client.is_some_and(|client| client.is_managed_with(&presented)) {
            return Ok(false);
        }
        self.backend.announce(Revocation::of_all(Kind::Client, id, began)).await?;
        let remove = |kept: &mut Client, _| match kept.is_managed_with(&presented) {
            true => Change::Remove(true),
            false => Change::Leave(false),
        };
        if self.change(&key(id), began, remove).await? != Some(true) {
            // It got another token meanwhile, or whoever removed it says so.
            return Ok(false);
        }
        let gone = clock.now();
        if gone > began {
            self.backend.announce(Revocation::of_all(Kind::Client, id, gone)).await?;
        }
        self.unlist_client(id).await?;
        Ok(true)
    }

    /// Removes a client, and withdraws all that it was granted; whether there was one.
    ///
    /// # Errors
    /// [`StoreError`]; then it may be half done, and can be done again.
    pub async fn dismiss_client(&self, id: &str, clock: &dyn Clock) -> Result<bool, StoreError> {
        if self.client(id, clock.now()).await?.is_none() {
            return Ok(false);
        }
        let began = clock.now();
        self.withdraw_client(id, clock).await?;
        self.backend.remove(&key(id)).await?;
        // Until it was gone it could ask for more. A retry would not find it any more, so this comes before all else.
        if clock.now() > began {
            self.withdraw_client(id, clock).await?;
        }
        self.unlist_client(id).await?;
        Ok(true)
    }

    /// Gives a client that has a secret another one; whether there is such a client. The old one is worth nothing at once.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn replace_client_secret(
        &self,
        id: &str,
        secret: Digest,
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        let replaced = self
            .change(&key(id), now, |kept: &mut Client, until| match kept.secret {
                Some(_) => {
                    kept.secret = Some(secret);
                    Change::Keep(true, until)
                }
                None => Change::Leave(false),
            })
            .await?;
        Ok(replaced.unwrap_or(false))
    }

    /// Extends the life of a client that is still there; never shortens it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn extend_client(&self, id: &str, until: UnixTime, now: UnixTime) -> Result<(), StoreError> {
        let extend =
            |_: &mut Client, end| if end < until { Change::Keep(true, until) } else { Change::Leave(false) };
        match self.change(&key(id), now, extend).await? {
            Some(true) => self.list_client(id, until, now).await,
            _ => Ok(()),
        }
    }
}

fn key(id: &str) -> String {
    format!("cl:{id}")
}
