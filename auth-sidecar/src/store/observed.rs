//! How long do commands to the store take, and which fail? Whoever wants to know is told of each.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tracing::Instrument as _;

use super::StoreError;
use super::backend::{Backend, Row};
use super::bucket::{Lent, Shape};
use super::feed::{News, Place, Revocation};
use super::transfer::Page;
use crate::clock::UnixTime;
use crate::telemetry::spans;

/// Wants to know.
pub trait Observer: Send + Sync + 'static {
    /// A command has been answered.
    fn answered(&self, operation: &'static str, took: Duration, well: bool);
}

/// A backend that is watched.
pub(super) struct Observed {
    pub(super) backend: Box<dyn Backend>,
    pub(super) observer: Arc<dyn Observer>,
}

// === impl Observed ===

impl Observed {
    async fn watch<T>(
        &self,
        operation: &'static str,
        command: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let started = Instant::now();
        let answer = command.instrument(spans::store(operation)).await;
        self.observer.answered(operation, started.elapsed(), answer.is_ok());
        answer
    }
}

#[async_trait]
impl Backend for Observed {
    fn is_one_place(&self) -> bool {
        self.backend.is_one_place()
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.watch("ping", self.backend.ping()).await
    }

    async fn get(&self, key: &str, now: UnixTime) -> Result<Option<Row>, StoreError> {
        self.watch("get", self.backend.get(key, now)).await
    }

    async fn put(&self, key: &str, json: Vec<u8>, until: UnixTime) -> Result<(), StoreError> {
        self.watch("put", self.backend.put(key, json, until)).await
    }

    async fn put_new(
        &self,
        key: &str,
        json: Vec<u8>,
        until: UnixTime,
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        self.watch("put_new", self.backend.put_new(key, json, until, now)).await
    }

    async fn swap(
        &self,
        key: &str,
        seen: Row,
        instead: Option<(Vec<u8>, UnixTime)>,
    ) -> Result<bool, StoreError> {
        self.watch("swap", self.backend.swap(key, seen, instead)).await
    }

    async fn remove(&self, key: &str) -> Result<(), StoreError> {
        self.watch("remove", self.backend.remove(key)).await
    }

    async fn take(&self, key: &str, now: UnixTime) -> Result<Option<Row>, StoreError> {
        self.watch("take", self.backend.take(key, now)).await
    }

    async fn count(&self, key: &str, until: UnixTime, now: UnixTime) -> Result<u32, StoreError> {
        self.watch("count", self.backend.count(key, until, now)).await
    }

    async fn uncount(&self, key: &str, now: UnixTime) -> Result<(), StoreError> {
        self.watch("uncount", self.backend.uncount(key, now)).await
    }

    async fn lend(&self, key: &str, shape: Shape, wanted: u32, now: u64) -> Result<Lent, StoreError> {
        self.watch("lend", self.backend.lend(key, shape, wanted, now)).await
    }

    async fn list_add(
        &self,
        list: &str,
        name: &str,
        until: UnixTime,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        self.watch("list_add", self.backend.list_add(list, name, until, now)).await
    }

    async fn list_remove(&self, list: &str, name: &str) -> Result<(), StoreError> {
        self.watch("list_remove", self.backend.list_remove(list, name)).await
    }

    async fn list(
        &self,
        list: &str,
        after: &str,
        most: usize,
        now: UnixTime,
    ) -> Result<Vec<String>, StoreError> {
        self.watch("list", self.backend.list(list, after, most, now)).await
    }

    async fn announce(&self, revocation: Revocation) -> Result<(), StoreError> {
        self.watch("announce", self.backend.announce(revocation)).await
    }

    async fn news(&self, after: Option<Place>, now: UnixTime) -> Result<News, StoreError> {
        self.watch("news", self.backend.news(after, now)).await
    }

    async fn set_count(&self, key: &str, sum: u32, until: UnixTime) -> Result<(), StoreError> {
        self.watch("set_count", self.backend.set_count(key, sum, until)).await
    }

    async fn dump(&self, place: Option<&str>, now: UnixTime) -> Result<Page, StoreError> {
        self.watch("dump", self.backend.dump(place, now)).await
    }

    async fn sweep(&self, now: UnixTime) -> Result<usize, StoreError> {
        self.watch("sweep", self.backend.sweep(now)).await
    }
}
