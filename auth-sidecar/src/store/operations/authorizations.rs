//! Requests that wait for a user: here, at a provider of identity, or pushed beforehand. Each is answered once.

use super::super::records::{PendingAuthorization, PushedRequest, UpstreamSignIn};
use super::super::{Store, StoreError};
use crate::clock::UnixTime;
use crate::secret::Digest;

// === impl Store ===

impl Store {
    /// Keeps a request that waits for the user, under the digest of its handle.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_pending(
        &self,
        id: Digest,
        pending: PendingAuthorization,
        until: UnixTime,
    ) -> Result<(), StoreError> {
        self.put(&pending_key(id), &pending, until).await
    }

    /// Reads a waiting request.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn pending(
        &self,
        id: Digest,
        now: UnixTime,
    ) -> Result<Option<PendingAuthorization>, StoreError> {
        self.get(&pending_key(id), now).await
    }

    /// Takes a waiting request: of several callers, one gets it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn take_pending(
        &self,
        id: Digest,
        now: UnixTime,
    ) -> Result<Option<PendingAuthorization>, StoreError> {
        self.take(&pending_key(id), now).await
    }

    /// Keeps a sign-in that goes on at a provider, under the digest of its state.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_upstream_sign_in(
        &self,
        state: Digest,
        sign_in: UpstreamSignIn,
        until: UnixTime,
    ) -> Result<(), StoreError> {
        self.put(&upstream_key(state), &sign_in, until).await
    }

    /// Reads such a sign-in.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn upstream_sign_in(
        &self,
        state: Digest,
        now: UnixTime,
    ) -> Result<Option<UpstreamSignIn>, StoreError> {
        self.get(&upstream_key(state), now).await
    }

    /// Takes such a sign-in: of several callers, one gets it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn take_upstream_sign_in(
        &self,
        state: Digest,
        now: UnixTime,
    ) -> Result<Option<UpstreamSignIn>, StoreError> {
        self.take(&upstream_key(state), now).await
    }

    /// Keeps a pushed request, under the digest of its URI and client.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_pushed(
        &self,
        id: Digest,
        pushed: PushedRequest,
        until: UnixTime,
    ) -> Result<(), StoreError> {
        self.put(&pushed_key(id), &pushed, until).await
    }

    /// Takes a pushed request: of several callers, one gets it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn take_pushed(&self, id: Digest, now: UnixTime) -> Result<Option<PushedRequest>, StoreError> {
        self.take(&pushed_key(id), now).await
    }
}

fn pending_key(id: Digest) -> String {
    format!("a:{}", id.encoded())
}

fn upstream_key(state: Digest) -> String {
    format!("up:{}", state.encoded())
}

fn pushed_key(id: Digest) -> String {
    format!("par:{}", id.encoded())
}
