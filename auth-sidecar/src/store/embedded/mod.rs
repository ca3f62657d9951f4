//! How does one process keep everything in one file? redb: ACID, crash-safe, one writer.
//!
//! All writes go through one thread that commits many of them at once (`writer`); each caller is answered after its
//! commit is on disk. Reads see the last commit. How a record lies there is said in `tables`.

mod dump;
mod file;
mod log;
mod tables;
mod writer;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use redb::{Builder, ConcurrencyMode, Database, DatabaseError, ReadableDatabase as _};

use self::tables::{Records, Tx};
use self::writer::Writer;
use super::StoreError;
use super::backend::{Backend, Row};
use super::bucket::{Lent, Shape};
use super::feed::{News, Place, Revocation};
use super::transfer::Page;
use crate::clock::UnixTime;

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

    async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Records) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let database = Arc::clone(&self.database);
        let read = move || look(&Records::of(&database.begin_read().map_err(tables::backend)?)?);
        tokio::task::spawn_blocking(read).await.map_err(|_| StoreError::Closed)?
    }
}

#[async_trait]
impl Backend for EmbeddedStore {
    fn is_one_place(&self) -> bool {
        true
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.write(|_| Ok(())).await
    }

    async fn get(&self, key: &str, now: UnixTime) -> Result<Option<Row>, StoreError> {
        let key = key.to_owned();
        self.read(move |records| records.row(&key, now)).await
    }

    async fn put(&self, key: &str, json: Vec<u8>, until: UnixTime) -> Result<(), StoreError> {
        let key = key.to_owned();
        self.write(move |tx| tx.put(&key, &json, until)).await
    }

    async fn put_new(
        &self,
        key: &str,
        json: Vec<u8>,
        until: UnixTime,
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        let key = key.to_owned();
        self.write(move |tx| match tx.row(&key, now)? {
            Some(_) => Ok(false),
            None => tx.put(&key, &json, until).map(|()| true),
        })
        .await
    }

    async fn swap(
        &self,
        key: &str,
        seen: Row,
        instead: Option<(Vec<u8>, UnixTime)>,
    ) -> Result<bool, StoreError> {
        let key = key.to_owned();
        self.write(move |tx| {
            if tx.row(&key, UnixTime::default())? != Some(seen) {
                return Ok(false);
            }
            match instead {
                Some((json, until)) => tx.put(&key, &json, until)?,
                None => tx.remove(&key)?,
            }
            Ok(true)
        })
        .await
    }

    async fn remove(&self, key: &str) -> Result<(), StoreError> {
        let key = key.to_owned();
        self.write(move |tx| tx.remove(&key)).await
    }

    async fn take(&self, key: &str, now: UnixTime) -> Result<Option<Row>, StoreError> {
        let key = key.to_owned();
        self.write(move |tx| tx.take(&key, now)).await
    }

    async fn count(&self, key: &str, until: UnixTime, now: UnixTime) -> Result<u32, StoreError> {
        let key = key.to_owned();
        self.write(move |tx| tx.count(&key, until, now)).await
    }

    async fn uncount(&self, key: &str, now: UnixTime) -> Result<(), StoreError> {
        let key = key.to_owned();
        self.write(move |tx| tx.uncount(&key, now)).await
    }

    async fn lend(&self, key: &str, shape: Shape, wanted: u32, now: u64) -> Result<Lent, StoreError> {
        let key = key.to_owned();
        self.write(move |tx| {
            let level = tx.read(&key, UnixTime(now / 1_000))?.map(|(level, _)| level);
            let (level, lent) = shape.lend(level, wanted, now);
            if lent.granted > 0 {
                tx.write(&key, &level, shape.full(level))?;
            }
            Ok(lent)
        })
        .await
    }

    async fn list_add(&self, list: &str, name: &str, until: UnixTime, _: UnixTime) -> Result<(), StoreError> {
        self.put(&on_list(list, name), b"null".to_vec(), until).await
    }

    async fn list_remove(&self, list: &str, name: &str) -> Result<(), StoreError> {
        self.remove(&on_list(list, name)).await
    }

    async fn list(
        &self,
        list: &str,
        after: &str,
        most: usize,
        now: UnixTime,
    ) -> Result<Vec<String>, StoreError> {
        let (first, last) = (on_list(list, after) + "\0", on_list(list, "\u{10FFFF}"));
        let before = on_list(list, "").len();
        self.read(move |records| {
            let rows = records.range(&first, &last, most, now)?;
            Ok(rows.into_iter().filter_map(|(key, _)| key.get(before..).map(str::to_owned)).collect())
        })
        .await
    }

    async fn set_count(&self, key: &str, sum: u32, until: UnixTime) -> Result<(), StoreError> {
        let key = key.to_owned();
        self.write(move |tx| tx.write(&key, &sum, until)).await
    }

    async fn dump(&self, place: Option<&str>, now: UnixTime) -> Result<Page, StoreError> {
        let after = place.unwrap_or_default().to_owned();
        self.read(move |records| dump::page(records, &after, now)).await
    }

    async fn announce(&self, revocation: Revocation) -> Result<(), StoreError> {
        self.write(move |tx| log::announce(tx, &revocation)).await
    }

    async fn news(&self, after: Option<Place>, now: UnixTime) -> Result<News, StoreError> {
        match self.read(move |records| log::news(records, after.as_ref(), now)).await? {
            Some(news) => Ok(news),
            None => {
                let place = self.write(log::place).await?;
                Ok(News { place, since: 0, revocations: Vec::new() })
            }
        }
    }

    async fn sweep(&self, now: UnixTime) -> Result<usize, StoreError> {
        self.write(move |tx| tx.sweep(now, SWEEP_BATCH)).await
    }
}

/// What the names of lists' entries begin with.
const LISTS: &str = "ix:";

/// No name of a list holds a line break.
fn on_list(list: &str, name: &str) -> String {
    format!("{LISTS}{list}\n{name}")
}
