//! What must survive a restart, and what must happen only once? The [`Store`]: the records of the server, over a place that
//! keeps them (`backend`): a file, or Redis.
//!
//! Everything that must be atomic concerns one record: it is read, changed by the rules of its kind (`grant`, `device`), and written
//! back only if nobody else has written in between. Expiry is decided by the `now` that an operation is given. Nothing here
//! holds a credential in clear: codes, refresh tokens, session handles and client secrets are digests, signing keys and
//! refresh successors are sealed.

pub mod api_key;
pub mod backend;
pub mod bucket;
pub mod device;
pub mod embedded;
pub mod feed;
pub mod grant;
pub mod observed;
mod operations;
pub mod records;
pub mod redis;
pub mod transfer;
pub mod used_tokens;

pub use self::operations::{Holder, Part};

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;

use crate::clock::{Clock, UnixTime};
use crate::config::StoreConfig;
use crate::secret::NoRandomness;

use self::backend::{Backend, Row};
use self::observed::{Observed, Observer};
use self::transfer::SCHEMA;

/// So often a change is tried anew when others change the same record at the same time. Every time one of them has succeeded.
const MOST_TRIES: usize = 200;

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
    /// It is of another version of this program.
    #[error(
        "the store has schema {0} and this program has {SCHEMA}, which is the first: a newer one needs a newer program"
    )]
    Schema(u32),
    /// Not all that it was to take over is there: kill switches may be missing.
    #[error("an import into this store was not finished: remove it and import again")]
    UnfinishedImport,
    /// What is to be imported would be mixed with what is there.
    #[error("the store is not empty: an import would mix two of them")]
    NotEmpty,
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
}

/// The records of the server. What may be done with each kind is said in `operations`.
///
/// "Until" arguments are the moment from which a record counts as absent. All reads treat an expired record as absent,
/// whether or not it has been swept.
pub struct Store {
    backend: Box<dyn Backend>,
    /// Whether it is of our version.
    schema: OnceCell<()>,
}

/// A record as it was read: who changes it at once need not read it again.
pub struct Seen<T> {
    /// What it says.
    pub value: T,
    row: Row,
}

/// What becomes of a record that was looked at, and the answer to who asked.
enum Change<A> {
    /// It stays as it was.
    Leave(A),
    /// The changed one takes its place, until then.
    Keep(A, UnixTime),
    /// It is removed.
    Remove(A),
}

// === impl StoreError ===

impl From<NoRandomness> for StoreError {
    fn from(error: NoRandomness) -> Self {
        Self::Backend(error.to_string())
    }
}

// === impl Change ===

impl<A> Change<A> {
    fn map<B>(self, of: impl FnOnce(A) -> B) -> Change<B> {
        match self {
            Self::Leave(answer) => Change::Leave(of(answer)),
            Self::Keep(answer, until) => Change::Keep(of(answer), until),
            Self::Remove(answer) => Change::Remove(of(answer)),
        }
    }
}

// === impl Store ===

impl Store {
    /// The store in this place.
    pub fn new(backend: impl Backend) -> Self {
        Self { backend: Box::new(backend), schema: OnceCell::new() }
    }

    /// The store that the configuration names. A file is opened; nobody is asked whether Redis is there.
    ///
    /// # Errors
    /// [`StoreError`] where it can never work as configured.
    pub fn open(config: &StoreConfig, clock: &Arc<dyn Clock>) -> Result<Self, StoreError> {
        Ok(match config {
            StoreConfig::Embedded(path) => Self::new(embedded::EmbeddedStore::open(path)?),
            StoreConfig::Redis(config) => Self::new(redis::RedisStore::new(config, Arc::clone(clock))?),
        })
    }

    /// The same, of whose commands somebody is told.
    #[must_use]
    pub fn observed_by(self, observer: Arc<dyn Observer>) -> Self {
        Self::new(Observed { backend: self.backend, observer })
    }

    /// Whether reads and writes work.
    ///
    /// # Errors
    /// [`StoreError`], as of every operation.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.backend.ping().await
    }

    /// Removes what has expired, a bounded number of records at a time; returns how many.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sweep(&self, now: UnixTime) -> Result<usize, StoreError> {
        self.backend.sweep(now).await
    }

    async fn get<T: DeserializeOwned>(&self, key: &str, now: UnixTime) -> Result<Option<T>, StoreError> {
        self.backend.get(key, now).await?.map(|row| parse(key, &row)).transpose()
    }

    async fn see<T: DeserializeOwned>(
        &self,
        key: &str,
        now: UnixTime,
    ) -> Result<Option<Seen<T>>, StoreError> {
        let row = self.backend.get(key, now).await?;
        row.map(|row| Ok(Seen { value: parse(key, &row)?, row })).transpose()
    }

    async fn put<T: Serialize + Sync>(
        &self,
        key: &str,
        value: &T,
        until: UnixTime,
    ) -> Result<(), StoreError> {
        self.backend.put(key, written(value)?, until).await
    }

    /// Reads and removes: of several callers, one gets it.
    async fn take<T: DeserializeOwned>(&self, key: &str, now: UnixTime) -> Result<Option<T>, StoreError> {
        self.backend.take(key, now).await?.map(|row| parse(key, &row)).transpose()
    }

    /// Reads a record and does with it what `decide` says, given its end too; anew where somebody else was faster. `None` where there
    /// is no record.
    async fn change<T, A>(
        &self,
        key: &str,
        now: UnixTime,
        decide: impl Fn(&mut T, UnixTime) -> Change<A> + Send,
    ) -> Result<Option<A>, StoreError>
    where
        T: Serialize + DeserializeOwned + Send + Sync,
        A: Send,
    {
        self.change_seen(key, None, now, decide).await
    }

    /// The same with a record that may have been `seen` already: it is read anew only where somebody else was faster.
    async fn change_seen<T, A>(
        &self,
        key: &str,
        mut seen: Option<Row>,
        now: UnixTime,
        decide: impl Fn(&mut T, UnixTime) -> Change<A> + Send,
    ) -> Result<Option<A>, StoreError>
    where
        T: Serialize + DeserializeOwned + Send + Sync,
        A: Send,
    {
        for _ in 0..MOST_TRIES {
            let row = match seen.take() {
                Some(row) => Some(row),
                None => self.backend.get(key, now).await?,
            };
            let Some(row) = row else { return Ok(None) };
            let mut value = parse::<T>(key, &row)?;
            let (answer, instead) = match decide(&mut value, row.until) {
                Change::Leave(answer) => return Ok(Some(answer)),
                Change::Keep(answer, until) => (answer, Some((written(&value)?, until))),
                Change::Remove(answer) => (answer, None),
            };
            if self.backend.swap(key, row, instead).await? {
                return Ok(Some(answer));
            }
        }
        Err(StoreError::Backend("too many change one record at the same time".into()))
    }
}

/// A value that cannot be written changes nothing.
fn written<T: Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// The message of serde_json may quote the value, which is nobody's business.
fn parse<T: DeserializeOwned>(key: &str, row: &Row) -> Result<T, StoreError> {
    serde_json::from_slice(&row.json).map_err(|error| {
        let kind = key.split_once(':').map_or(key, |(kind, _)| kind);
        StoreError::Corrupt(format!("record of kind {kind}, column {}", error.column()))
    })
}
