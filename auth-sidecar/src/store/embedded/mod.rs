//! How does one process keep everything in one file? redb: ACID, crash-safe, one writer.
//!
//! All writes go through one thread that commits many of them at once (`writer`); each caller is answered after its
//! commit is on disk. Reads see the last commit. What a record is, is said in `tables`.

mod clients;
mod device;
mod feed;
mod file;
mod grants;
mod tables;
mod writer;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use redb::{Builder, ConcurrencyMode, Database, DatabaseError, ReadableDatabase as _};
use serde::de::DeserializeOwned;

use self::tables::{Records, Row, Tx};
use self::writer::Writer;
use super::device::{DeviceAuthorization, Polled};
use super::feed::{News, Place};
use super::grant::{Grant, OpaqueToken, Redeemed, Redemption, Rotated, Rotation};
use super::records::{
    Consent, ConsentKey, PendingAuthorization, PushedRequest, Session, StoredKey, UpstreamAccount,
    UpstreamSignIn,
};
use super::{Store, StoreError};
use crate::clock::UnixTime;
use crate::oauth::client::Client;
use crate::secret::Digest;

/// A page cache that suits a small side process.
const CACHE_BYTES: usize = 16 << 20;
/// Records removed in one sweep: a bound on how long others wait for the writer.
const SWEEP_BATCH: usize = 1_000;

/// The embedded store.
pub struct EmbeddedStore {
    database: Arc<Database>,
    writer: Writer,
}

// === impl EmbeddedStore ===

impl EmbeddedStore {
    /// Opens or creates the file, readable and writable for its owner alone.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when another process has it, [`StoreError::Backend`] otherwise.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        file::make_private(path)
            .map_err(|error| StoreError::Backend(format!("{}: {error}", path.display())))?;
        let opened = Builder::new()
            .set_cache_size(CACHE_BYTES)
            .set_concurrency_mode(ConcurrencyMode::ExclusiveWriter)
            .create(path);
        let database = Arc::new(opened.map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => StoreError::InUse(path.display().to_string()),
            other => StoreError::Backend(format!("{}: {other}", path.display())),
        })?);
        tables::create(&database)?;
        Ok(Self { writer: Writer::start(Arc::clone(&database))?, database })
    }

    async fn write<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.run(operation).await
    }

    /// Reads and removes in one transaction.
    async fn take<T: DeserializeOwned + Send + 'static>(
        &self,
        key: String,
        now: UnixTime,
    ) -> Result<Option<T>, StoreError> {
        self.write(move |tx| tx.take(&key, now)).await
    }

    async fn read<T: DeserializeOwned + Send + 'static>(
        &self,
        key: String,
        now: UnixTime,
    ) -> Result<Option<T>, StoreError> {
        Ok(self.read_row(key, now).await?.map(|row| row.value))
    }

    async fn read_row<T: DeserializeOwned + Send + 'static>(
        &self,
        key: String,
        now: UnixTime,
    ) -> Result<Option<Row<T>>, StoreError> {
        let database = Arc::clone(&self.database);
        let read = move || Records::of(&database.begin_read().map_err(tables::backend)?)?.row::<T>(&key, now);
        tokio::task::spawn_blocking(read).await.map_err(|_| StoreError::Closed)?
    }
}

#[async_trait]
impl Store for EmbeddedStore {
    async fn ping(&self) -> Result<(), StoreError> {
        self.write(|_| Ok(())).await
    }

    async fn put_client(&self, client: Client, until: UnixTime) -> Result<(), StoreError> {
        self.write(move |tx| tx.put(&clients::key(&client.id), &client, until)).await
    }

    async fn client(&self, id: &str, now: UnixTime) -> Result<Option<Client>, StoreError> {
        self.read(clients::key(id), now).await
    }

    async fn replace_client(
        &self,
        client: Client,
        presented: Digest,
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        self.write(move |tx| clients::replace(tx, &client, &presented, now)).await
    }

    async fn remove_client(&self, id: &str, presented: Digest, now: UnixTime) -> Result<bool, StoreError> {
        let id = id.to_owned();
        self.write(move |tx| clients::remove(tx, &id, &presented, now)).await
    }

    async fn extend_client(&self, id: &str, until: UnixTime, now: UnixTime) -> Result<(), StoreError> {
        let id = id.to_owned();
        // A read is free, a commit is not: most calls have nothing to write.
        let end = self.read_row::<Client>(clients::key(&id), now).await?.map(|row| row.expires_at);
        if end.is_none_or(|end| end >= until) {
            return Ok(());
        }
        self.write(move |tx| clients::extend(tx, &id, until, now)).await
    }

    async fn put_pending(
        &self,
        id: Digest,
        pending: PendingAuthorization,
        until: UnixTime,
    ) -> Result<(), StoreError> {
        self.write(move |tx| tx.put(&pending_key(id), &pending, until)).await
    }

    async fn pending(&self, id: Digest, now: UnixTime) -> Result<Option<PendingAuthorization>, StoreError> {
        self.read(pending_key(id), now).await
    }

    async fn take_pending(
        &self,
        id: Digest,
        now: UnixTime,
    ) -> Result<Option<PendingAuthorization>, StoreError> {
        self.take(pending_key(id), now).await
    }

    async fn put_upstream_sign_in(
        &self,
        state: Digest,
        sign_in: UpstreamSignIn,
        until: UnixTime,
    ) -> Result<(), StoreError> {
        self.write(move |tx| tx.put(&upstream_key(state), &sign_in, until)).await
    }

    async fn upstream_sign_in(
        &self,
        state: Digest,
        now: UnixTime,
    ) -> Result<Option<UpstreamSignIn>, StoreError> {
        self.read(upstream_key(state), now).await
    }

    async fn take_upstream_sign_in(
        &self,
        state: Digest,
        now: UnixTime,
    ) -> Result<Option<UpstreamSignIn>, StoreError> {
        self.take(upstream_key(state), now).await
    }

    async fn put_upstream_account(
        &self,
        account: UpstreamAccount,
        until: UnixTime,
    ) -> Result<(), StoreError> {
        self.write(move |tx| tx.put(&account_key(&account.subject), &account, until)).await
    }

    async fn upstream_account(
        &self,
        subject: &str,
        now: UnixTime,
    ) -> Result<Option<UpstreamAccount>, StoreError> {
        self.read(account_key(subject), now).await
    }

    async fn remove_upstream_account(&self, subject: &str) -> Result<(), StoreError> {
        let key = account_key(subject);
        self.write(move |tx| tx.remove(&key)).await
    }

    async fn put_pushed(&self, id: Digest, pushed: PushedRequest, until: UnixTime) -> Result<(), StoreError> {
        self.write(move |tx| tx.put(&pushed_key(id), &pushed, until)).await
    }

    async fn take_pushed(&self, id: Digest, now: UnixTime) -> Result<Option<PushedRequest>, StoreError> {
        self.take(pushed_key(id), now).await
    }

    async fn put_device(&self, device: DeviceAuthorization, now: UnixTime) -> Result<bool, StoreError> {
        self.write(move |tx| device::put(tx, &device, now)).await
    }

    async fn device_of_user_code(
        &self,
        user_code: Digest,
        now: UnixTime,
    ) -> Result<Option<DeviceAuthorization>, StoreError> {
        let Some(id) = self.read::<String>(device::user_code_key(user_code), now).await? else {
            return Ok(None);
        };
        self.read(device::device_key(&id), now).await
    }

    async fn decide_device(
        &self,
        id: &str,
        approved: bool,
        now: UnixTime,
    ) -> Result<Option<DeviceAuthorization>, StoreError> {
        let id = id.to_owned();
        self.write(move |tx| device::decide(tx, &id, approved, now)).await
    }

    async fn poll_device(
        &self,
        id: &str,
        device_code: Digest,
        client_id: &str,
        now: UnixTime,
    ) -> Result<Polled, StoreError> {
        let (id, client_id) = (id.to_owned(), client_id.to_owned());
        self.write(move |tx| device::poll(tx, &id, &device_code, &client_id, now)).await
    }

    async fn put_session(&self, id: Digest, session: Session, until: UnixTime) -> Result<(), StoreError> {
        self.write(move |tx| tx.put(&session_key(id), &session, until)).await
    }

    async fn session(&self, id: Digest, now: UnixTime) -> Result<Option<Session>, StoreError> {
        self.read(session_key(id), now).await
    }

    async fn remove_session(&self, id: Digest) -> Result<(), StoreError> {
        self.write(move |tx| tx.remove(&session_key(id))).await
    }

    async fn put_consent(
        &self,
        key: ConsentKey,
        consent: Consent,
        until: UnixTime,
    ) -> Result<(), StoreError> {
        self.write(move |tx| tx.put(&consent_key(&key), &consent, until)).await
    }

    async fn consent(&self, key: ConsentKey, now: UnixTime) -> Result<Option<Consent>, StoreError> {
        self.read(consent_key(&key), now).await
    }

    async fn put_grant(&self, grant: Grant) -> Result<(), StoreError> {
        self.write(move |tx| tx.put(&grants::key(&grant.id), &grant, grant.expires_at)).await
    }

    async fn grant(&self, id: &str, now: UnixTime) -> Result<Option<Grant>, StoreError> {
        self.read(grants::key(id), now).await
    }

    async fn redeem(&self, id: &str, redemption: Redemption, now: UnixTime) -> Result<Redeemed, StoreError> {
        let id = id.to_owned();
        self.write(move |tx| grants::redeem(tx, &id, &redemption, now)).await
    }

    async fn rotate(&self, id: &str, rotation: Rotation, now: UnixTime) -> Result<Rotated, StoreError> {
        let id = id.to_owned();
        self.write(move |tx| grants::rotate(tx, &id, &rotation, now)).await
    }

    async fn add_opaque_token(&self, id: &str, token: OpaqueToken, now: UnixTime) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.write(move |tx| grants::add_opaque_token(tx, &id, token, now)).await
    }

    async fn revoke_grant(&self, id: &str, now: UnixTime) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.write(move |tx| grants::revoke(tx, &id, now)).await
    }

    async fn news(&self, after: Option<Place>, now: UnixTime) -> Result<News, StoreError> {
        let database = Arc::clone(&self.database);
        let read = move || {
            let records = Records::of(&database.begin_read().map_err(tables::backend)?)?;
            feed::news(&records, after.as_ref(), now)
        };
        match tokio::task::spawn_blocking(read).await.map_err(|_| StoreError::Closed)?? {
            Some(news) => Ok(news),
            None => {
                let place = self.write(feed::place).await?;
                Ok(News { place, since: 0, revocations: Vec::new() })
            }
        }
    }

    async fn signing_keys(&self) -> Result<Vec<StoredKey>, StoreError> {
        Ok(self.read(KEYS.to_owned(), UnixTime::default()).await?.unwrap_or_default())
    }

    async fn replace_signing_keys(
        &self,
        seen: Vec<StoredKey>,
        keys: Vec<StoredKey>,
    ) -> Result<Vec<StoredKey>, StoreError> {
        self.write(move |tx| {
            let kept = tx.row::<Vec<StoredKey>>(KEYS, UnixTime::default())?.map(|row| row.value);
            let kept = kept.unwrap_or_default();
            if kept != seen {
                return Ok(kept);
            }
            tx.put(KEYS, &keys, NEVER)?;
            Ok(keys)
        })
        .await
    }

    async fn count(&self, key: &str, until: UnixTime, now: UnixTime) -> Result<u32, StoreError> {
        let key = counter_key(key);
        self.write(move |tx| tx.count(&key, until, now)).await
    }

    async fn uncount(&self, key: &str, now: UnixTime) -> Result<(), StoreError> {
        let key = counter_key(key);
        self.write(move |tx| tx.uncount(&key, now)).await
    }

    async fn reset_count(&self, key: &str) -> Result<(), StoreError> {
        let key = counter_key(key);
        self.write(move |tx| tx.remove(&key)).await
    }

    async fn sweep(&self, now: UnixTime) -> Result<usize, StoreError> {
        self.write(move |tx| tx.sweep(now, SWEEP_BATCH)).await
    }
}

const KEYS: &str = "keys";
const NEVER: UnixTime = UnixTime(u64::MAX);

fn pending_key(id: Digest) -> String {
    format!("a:{}", id.encoded())
}

fn upstream_key(state: Digest) -> String {
    format!("up:{}", state.encoded())
}

/// Under a digest, since its length is then bounded.
fn account_key(subject: &str) -> String {
    format!("acc:{}", Digest::of(subject).encoded())
}

fn pushed_key(id: Digest) -> String {
    format!("par:{}", id.encoded())
}

fn session_key(id: Digest) -> String {
    format!("s:{}", id.encoded())
}

fn consent_key(key: &ConsentKey) -> String {
    format!("cons:{}", key.name().encoded())
}

/// Counters are named after addresses and accounts, which are digested: their length is then bounded, and a copy of
/// the file names nobody who merely failed to sign in.
fn counter_key(name: &str) -> String {
    format!("rl:{}", Digest::of(name).encoded())
}
