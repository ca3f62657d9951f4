//! What must survive a restart, and what must happen only once? The store: one contract ([`Store`]), several adapters.
//!
//! Everything that must be atomic concerns one record, so that an adapter can do it in one transaction (embedded) or
//! one script on one key (a server). Expiry is decided inside the operation from the `now` it is given. Nothing here
//! holds a credential in clear: codes, refresh tokens, session handles and client secrets are digests, signing keys and
//! refresh successors are sealed.

pub mod device;
pub mod embedded;
pub mod feed;
pub mod grant;
pub mod records;

use async_trait::async_trait;

use crate::clock::UnixTime;
use crate::oauth::client::Client;
use crate::secret::Digest;

use self::device::{DeviceAuthorization, Polled};
use self::feed::{News, Place};
use self::grant::{Grant, OpaqueToken, Redeemed, Redemption, Rotated, Rotation};
use self::records::{
    Consent, ConsentKey, PendingAuthorization, PushedRequest, Session, StoredKey, UpstreamAccount,
    UpstreamSignIn,
};

/// Why the store could not do it. Callers answer 503 and never `invalid_grant`: a client would throw away good tokens.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the file.
    #[error("the store {0} is in use by another process; only one may open it")]
    InUse(String),
    /// The storage itself failed.
    #[error("the store failed: {0}")]
    Backend(String),
    /// A record cannot be read.
    #[error("a stored record cannot be read: {0}")]
    Corrupt(String),
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
}

/// The contract that every adapter fulfils (`tests/store_contract.rs`).
///
/// "Until" arguments are the moment from which a record counts as absent. All reads treat an expired record as absent,
/// whether or not it has been swept.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Whether reads and writes work.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Keeps a client that registered itself.
    async fn put_client(&self, client: Client, until: UnixTime) -> Result<(), StoreError>;
    /// A client that registered itself.
    async fn client(&self, id: &str, now: UnixTime) -> Result<Option<Client>, StoreError>;
    /// Replaces a client and keeps its end, if `presented` is (the digest of) its registration token; whether it was.
    /// Of several callers with one token, one succeeds.
    async fn replace_client(
        &self,
        client: Client,
        presented: Digest,
        now: UnixTime,
    ) -> Result<bool, StoreError>;
    /// Removes a client, if `presented` is (the digest of) its registration token; whether it was.
    async fn remove_client(&self, id: &str, presented: Digest, now: UnixTime) -> Result<bool, StoreError>;
    /// Extends the life of a client that is still there; never shortens it.
    async fn extend_client(&self, id: &str, until: UnixTime, now: UnixTime) -> Result<(), StoreError>;

    /// Keeps a request that waits for the user, under the digest of its handle.
    async fn put_pending(
        &self,
        id: Digest,
        pending: PendingAuthorization,
        until: UnixTime,
    ) -> Result<(), StoreError>;
    /// Reads a waiting request.
    async fn pending(&self, id: Digest, now: UnixTime) -> Result<Option<PendingAuthorization>, StoreError>;
    /// Takes a waiting request: of several callers, one gets it.
    async fn take_pending(
        &self,
        id: Digest,
        now: UnixTime,
    ) -> Result<Option<PendingAuthorization>, StoreError>;

    /// Keeps a sign-in that goes on at a provider, under the digest of its state.
    async fn put_upstream_sign_in(
        &self,
        state: Digest,
        sign_in: UpstreamSignIn,
        until: UnixTime,
    ) -> Result<(), StoreError>;
    /// Reads such a sign-in.
    async fn upstream_sign_in(
        &self,
        state: Digest,
        now: UnixTime,
    ) -> Result<Option<UpstreamSignIn>, StoreError>;
    /// Takes such a sign-in: of several callers, one gets it.
    async fn take_upstream_sign_in(
        &self,
        state: Digest,
        now: UnixTime,
    ) -> Result<Option<UpstreamSignIn>, StoreError>;

    /// Keeps or replaces what a provider said of somebody, under its subject.
    async fn put_upstream_account(&self, account: UpstreamAccount, until: UnixTime)
    -> Result<(), StoreError>;
    /// What a provider said of somebody.
    async fn upstream_account(
        &self,
        subject: &str,
        now: UnixTime,
    ) -> Result<Option<UpstreamAccount>, StoreError>;

    /// Forgets what a provider said of somebody.
    async fn remove_upstream_account(&self, subject: &str) -> Result<(), StoreError>;
    /// Keeps a pushed request, under the digest of its URI and client.
    async fn put_pushed(&self, id: Digest, pushed: PushedRequest, until: UnixTime) -> Result<(), StoreError>;
    /// Takes a pushed request: of several callers, one gets it.
    async fn take_pushed(&self, id: Digest, now: UnixTime) -> Result<Option<PushedRequest>, StoreError>;

    /// Keeps a device authorization; `false`, and nothing is kept, when its user code is taken.
    async fn put_device(&self, device: DeviceAuthorization, now: UnixTime) -> Result<bool, StoreError>;
    /// The device authorization that has this user code and that nobody has decided yet.
    async fn device_of_user_code(
        &self,
        user_code: Digest,
        now: UnixTime,
    ) -> Result<Option<DeviceAuthorization>, StoreError>;
    /// Decides a device authorization, once: see [`DeviceAuthorization::decide`]. `None` when it was too late.
    async fn decide_device(
        &self,
        id: &str,
        approved: bool,
        now: UnixTime,
    ) -> Result<Option<DeviceAuthorization>, StoreError>;
    /// A device asks: see [`DeviceAuthorization::poll`].
    async fn poll_device(
        &self,
        id: &str,
        device_code: Digest,
        client_id: &str,
        now: UnixTime,
    ) -> Result<Polled, StoreError>;

    /// Keeps or replaces a browser's sign-in, under the digest of its cookie.
    async fn put_session(&self, id: Digest, session: Session, until: UnixTime) -> Result<(), StoreError>;
    /// Reads a browser's sign-in.
    async fn session(&self, id: Digest, now: UnixTime) -> Result<Option<Session>, StoreError>;
    /// Ends a browser's sign-in.
    async fn remove_session(&self, id: Digest) -> Result<(), StoreError>;

    /// Remembers a consent; an earlier one for the same key is replaced.
    async fn put_consent(&self, key: ConsentKey, consent: Consent, until: UnixTime)
    -> Result<(), StoreError>;
    /// A remembered consent.
    async fn consent(&self, key: ConsentKey, now: UnixTime) -> Result<Option<Consent>, StoreError>;

    /// Keeps a new grant; it expires with its code until that is redeemed.
    async fn put_grant(&self, grant: Grant) -> Result<(), StoreError>;
    /// Reads a grant.
    async fn grant(&self, id: &str, now: UnixTime) -> Result<Option<Grant>, StoreError>;
    /// Redeems a code, once: see [`Grant::redeem`].
    async fn redeem(&self, id: &str, redemption: Redemption, now: UnixTime) -> Result<Redeemed, StoreError>;
    /// Rotates a refresh token: see [`Grant::rotate`].
    async fn rotate(&self, id: &str, rotation: Rotation, now: UnixTime) -> Result<Rotated, StoreError>;
    /// Remembers an opaque access token with its grant: see [`Grant::add_opaque_token`]. Unknown ids are no error.
    async fn add_opaque_token(&self, id: &str, token: OpaqueToken, now: UnixTime) -> Result<(), StoreError>;
    /// Revokes a grant and with it every token of it. Unknown ids are no error.
    async fn revoke_grant(&self, id: &str, now: UnixTime) -> Result<(), StoreError>;

    /// What was revoked after a place of the log, or all that may still matter where that is none of this store. An entry is
    /// there as soon as what it says is true.
    async fn news(&self, after: Option<Place>, now: UnixTime) -> Result<News, StoreError>;

    /// All signing keys.
    async fn signing_keys(&self) -> Result<Vec<StoredKey>, StoreError>;
    /// Replaces the signing keys if they are still those that the caller has seen; returns what is there afterwards, so
    /// that of several servers all use the same.
    async fn replace_signing_keys(
        &self,
        seen: Vec<StoredKey>,
        keys: Vec<StoredKey>,
    ) -> Result<Vec<StoredKey>, StoreError>;

    /// Adds one to a counter and returns the sum; the counter starts anew when `until` of its first use has passed.
    async fn count(&self, key: &str, until: UnixTime, now: UnixTime) -> Result<u32, StoreError>;
    /// Takes one back from a counter that has not started anew.
    async fn uncount(&self, key: &str, now: UnixTime) -> Result<(), StoreError>;
    /// Sets a counter back.
    async fn reset_count(&self, key: &str) -> Result<(), StoreError>;

    /// Removes what has expired, a bounded number of records at a time; returns how many.
    async fn sweep(&self, now: UnixTime) -> Result<usize, StoreError>;
}
