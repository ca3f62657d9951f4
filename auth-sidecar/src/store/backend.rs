//! What must a place to keep records be able to do? Little: each operation concerns one name, so that a server, a cluster of them
//! and a file can all do it in one step. What the records mean, and what may become of them, is said once, in `operations`.

use async_trait::async_trait;

use super::StoreError;
use super::bucket::{Lent, Shape};
use super::feed::{News, Place, Revocation};
use super::transfer::Page;
use crate::clock::UnixTime;

/// The end of what has none.
pub const NEVER: UnixTime = UnixTime(u64::MAX);

/// A record as it lies there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its value.
    pub json: Vec<u8>,
    /// From then on it counts as absent.
    pub until: UnixTime,
    /// Which write it is, where the backend tells them apart by more than what they say.
    pub written: String,
}

/// Where records are kept (`tests/store_contract.rs` asks the same of each).
///
/// A record whose end has come counts as absent in every operation that is told the time, whether or not it is gone already. What
/// has been answered is durable, as far as the place promises that; an error leaves it open whether a write was done, but it is
/// never done later than about a second after.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Whether all records lie in one place, so that where one can be written another can be read.
    fn is_one_place(&self) -> bool;
    /// Whether reads and writes work.
    async fn ping(&self) -> Result<(), StoreError>;
    /// A record.
    async fn get(&self, key: &str, now: UnixTime) -> Result<Option<Row>, StoreError>;
    /// Keeps or replaces a record.
    async fn put(&self, key: &str, json: Vec<u8>, until: UnixTime) -> Result<(), StoreError>;
    /// Keeps a record where there is none; whether it did.
    async fn put_new(
        &self,
        key: &str,
        json: Vec<u8>,
        until: UnixTime,
        now: UnixTime,
    ) -> Result<bool, StoreError>;
    /// Replaces a record if it is still the one that was `seen`, or removes it where there is no other; whether it did.
    async fn swap(
        &self,
        key: &str,
        seen: Row,
        instead: Option<(Vec<u8>, UnixTime)>,
    ) -> Result<bool, StoreError>;
    /// Removes a record, if there is one.
    async fn remove(&self, key: &str) -> Result<(), StoreError>;
    /// Takes a record: of several callers, one gets it.
    async fn take(&self, key: &str, now: UnixTime) -> Result<Option<Row>, StoreError>;
    /// Adds one to a counter and returns the sum; the counter starts anew when `until` of its first use has passed.
    async fn count(&self, key: &str, until: UnixTime, now: UnixTime) -> Result<u32, StoreError>;

    /// Takes one from a counter whose window has not passed; never below none.
    async fn uncount(&self, key: &str, now: UnixTime) -> Result<(), StoreError>;

    /// Takes as many of the tokens that are `wanted` from a bucket as are there. `now` is in milliseconds since 1970; a place that
    /// has a clock of its own goes by that, which is the same for all who ask.
    async fn lend(&self, key: &str, shape: Shape, wanted: u32, now: u64) -> Result<Lent, StoreError>;

    /// Adds a name to a list, or moves its end. Lists are for finding things; they may lag behind and never decide.
    async fn list_add(
        &self,
        list: &str,
        name: &str,
        until: UnixTime,
        now: UnixTime,
    ) -> Result<(), StoreError>;
    /// Takes a name off a list.
    async fn list_remove(&self, list: &str, name: &str) -> Result<(), StoreError>;
    /// The names on a list after one of them, in their order, at most so many.
    async fn list(
        &self,
        list: &str,
        after: &str,
        most: usize,
        now: UnixTime,
    ) -> Result<Vec<String>, StoreError>;

    /// Adds an entry to the log of revocations.
    async fn announce(&self, revocation: Revocation) -> Result<(), StoreError>;
    /// What was revoked after a place of the log, or all that may still matter where that is none of this store.
    async fn news(&self, after: Option<Place>, now: UnixTime) -> Result<News, StoreError>;

    /// Sets a counter.
    async fn set_count(&self, key: &str, sum: u32, until: UnixTime) -> Result<(), StoreError>;
    /// Some of all that is kept and has not expired, from a place that an earlier page names.
    async fn dump(&self, place: Option<&str>, now: UnixTime) -> Result<Page, StoreError>;

    /// Removes what has expired, a bounded number of records at a time; returns how many.
    async fn sweep(&self, now: UnixTime) -> Result<usize, StoreError>;
}
