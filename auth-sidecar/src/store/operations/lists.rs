//! How is something found of which nobody shows a token? By lists of names. They lag behind and decide nothing: what a name stands
//! for is read anew each time, and a name that stands for nothing any more is taken off.

use super::super::grant::Grant;
use super::super::{Store, StoreError};
use crate::clock::UnixTime;
use crate::oauth::client::Client;
use crate::secret::Digest;

/// All clients in the store.
const CLIENTS: &str = "clients";

/// Whose grants.
#[derive(Clone, Copy, Debug)]
pub enum Holder<'a> {
    /// Those that this user gave (`sub`).
    User(&'a str),
    /// Those that this client was given (`client_id`).
    Client(&'a str),
}

/// A part of a list.
#[derive(Clone, Debug)]
pub struct Part<T> {
    /// In the order of their names, which says nothing.
    pub entries: Vec<T>,
    /// The name after which the rest begins, where there may be more.
    pub next: Option<String>,
}

// === impl Store ===

impl Store {
    /// Puts a grant on the lists of its user and its client, until nothing of it can be alive. What a client got in its own name is on
    /// its own list alone.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_grant(&self, grant: &Grant, until: UnixTime, now: UnixTime) -> Result<(), StoreError> {
        let of_client = Holder::Client(&grant.client_id).list();
        let of_client = self.backend.list_add(&of_client, &grant.id, until, now);
        if grant.is_clients_own() {
            return of_client.await;
        }
        let of_user = Holder::User(&grant.subject).list();
        let of_user = self.backend.list_add(&of_user, &grant.id, until, now);
        tokio::try_join!(of_user, of_client).map(drop)
    }

    /// The live grants on a list after this name; of so many names at most.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn grants_of(
        &self,
        holder: Holder<'_>,
        after: &str,
        most: usize,
        now: UnixTime,
    ) -> Result<Part<Grant>, StoreError> {
        let list = holder.list();
        let (names, next) = self.names(&list, after, most, now).await?;
        let mut entries = Vec::new();
        for name in names {
            match self.grant(&name, now).await?.filter(Grant::is_live) {
                Some(grant) => entries.push(grant),
                None => self.backend.list_remove(&list, &name).await?,
            }
        }
        Ok(Part { entries, next })
    }

    /// The clients in the store after this id; of so many names at most.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn clients(&self, after: &str, most: usize, now: UnixTime) -> Result<Part<Client>, StoreError> {
        let (names, next) = self.names(CLIENTS, after, most, now).await?;
        let mut entries = Vec::new();
        for name in names {
            match self.client(&name, now).await? {
                Some(client) => entries.push(client),
                None => self.unlist_client(&name).await?,
            }
        }
        Ok(Part { entries, next })
    }

    pub(super) async fn list_client(
        &self,
        id: &str,
        until: UnixTime,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        self.backend.list_add(CLIENTS, id, until, now).await
    }

    pub(super) async fn unlist_client(&self, id: &str) -> Result<(), StoreError> {
        self.backend.list_remove(CLIENTS, id).await
    }

    pub(super) async fn names(
        &self,
        list: &str,
        after: &str,
        most: usize,
        now: UnixTime,
    ) -> Result<(Vec<String>, Option<String>), StoreError> {
        let names = self.backend.list(list, after, most, now).await?;
        let next = names.last().filter(|_| names.len() >= most).cloned();
        Ok((names, next))
    }
}

// === impl Holder ===

impl Holder<'_> {
    /// Names are digested, since their length is then bounded.
    fn list(self) -> String {
        let (kind, name) = match self {
            Self::User(subject) => ("user", subject),
            Self::Client(id) => ("client", id),
        };
        format!("grants:{kind}:{}", Digest::of(name).encoded())
    }
}
