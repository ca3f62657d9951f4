//! A store of which one command fails: it is not done, or it is done and its answer is lost.

use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use wicketgate_auth::clock::{Clock, UnixTime};
use wicketgate_auth::config::{Config, StoreConfig};
use wicketgate_auth::store::backend::{Backend, Row};
use wicketgate_auth::store::bucket::{Lent, Shape};
use wicketgate_auth::store::embedded::EmbeddedStore;
use wicketgate_auth::store::feed::{self, News, Revocation};
use wicketgate_auth::store::redis::RedisStore;
use wicketgate_auth::store::transfer::Page;
use wicketgate_auth::store::{Store, StoreError};

/// How a command fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// Nothing happens.
    NotDone,
    /// It happens, and nobody hears of it.
    AnswerLost,
}

/// A command: the part of the flow, and its number in that from 1. What happens at once comes in any order; the parts are what is
/// before, that, and after.
pub(crate) type Place = (usize, usize);
/// How many parts there are.
pub(crate) const PARTS: usize = 3;

/// Which command fails.
#[derive(Default)]
pub(crate) struct Plan(Mutex<State>);

#[derive(Default)]
struct State {
    /// The command that fails, and how.
    next: Option<(Place, Fault)>,
    part: usize,
    seen: usize,
    failed: Option<(String, Fault)>,
}

struct Faulty {
    inner: Box<dyn Backend>,
    plan: Arc<Plan>,
    is_one_place: bool,
}

/// The store that this configuration names, with faults.
pub(crate) fn faulty(config: &Config, clock: &Arc<dyn Clock>, plan: &Arc<Plan>) -> Store {
    let inner: Box<dyn Backend> = match &config.store {
        StoreConfig::Embedded(path) => Box::new(EmbeddedStore::open(path).unwrap()),
        StoreConfig::Redis(config) => Box::new(RedisStore::new(config, Arc::clone(clock)).unwrap()),
    };
    let is_one_place = inner.is_one_place();
    Store::new(Faulty { inner, plan: Arc::clone(plan), is_one_place })
}

/// A file, with faults, that claims to be many places.
pub(crate) fn spread(path: &Path, plan: &Arc<Plan>) -> Store {
    let inner = Box::new(EmbeddedStore::open(path).unwrap());
    Store::new(Faulty { inner, plan: Arc::clone(plan), is_one_place: false })
}

// === impl Plan ===

impl Plan {
    /// From now on this command fails, once.
    pub(crate) fn fail(&self, place: Place, fault: Fault) {
        *self.0.lock().unwrap() = State { next: Some((place, fault)), ..State::default() };
    }

    /// The next part of the flow begins.
    pub(crate) fn next_part(&self) {
        self.0.lock().unwrap().part += 1;
    }

    /// The command that has failed, as `command kind`, and how.
    pub(crate) fn failed(&self) -> Option<(String, Fault)> {
        self.0.lock().unwrap().failed.clone()
    }

    /// Nothing fails any more; how many commands there were in that part.
    pub(crate) fn end(&self) -> usize {
        std::mem::take(&mut *self.0.lock().unwrap()).seen
    }

    fn fault(&self, command: &str, key: &str) -> Option<Fault> {
        let mut state = self.0.lock().unwrap();
        let ((_, number), fault) = state.next.filter(|((part, _), _)| *part == state.part)?;
        state.seen += 1;
        let kind = key.split(':').next().unwrap_or_default();
        (state.seen == number).then(|| {
            state.failed = Some((format!("{command} {kind}"), fault));
            fault
        })
    }
}

// === impl Faulty ===

impl Faulty {
    async fn pass<T>(
        &self,
        (command, key): (&str, &str),
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let lost = || StoreError::Backend("injected".into());
        match self.plan.fault(command, key) {
            None => call.await,
            Some(Fault::NotDone) => Err(lost()),
            Some(Fault::AnswerLost) => {
                call.await?;
                Err(lost())
            }
        }
    }
}

#[async_trait]
impl Backend for Faulty {
    fn is_one_place(&self) -> bool {
        self.is_one_place
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.inner.ping().await
    }

    async fn get(&self, key: &str, now: UnixTime) -> Result<Option<Row>, StoreError> {
        self.pass(("get", key), self.inner.get(key, now)).await
    }

    async fn put(&self, key: &str, json: Vec<u8>, until: UnixTime) -> Result<(), StoreError> {
        self.pass(("put", key), self.inner.put(key, json, until)).await
    }

    async fn put_new(
        &self,
        key: &str,
        json: Vec<u8>,
        until: UnixTime,
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        self.pass(("put_new", key), self.inner.put_new(key, json, until, now)).await
    }

    async fn swap(
        &self,
        key: &str,
        seen: Row,
        instead: Option<(Vec<u8>, UnixTime)>,
    ) -> Result<bool, StoreError> {
        self.pass(("swap", key), self.inner.swap(key, seen, instead)).await
    }

    async fn remove(&self, key: &str) -> Result<(), StoreError> {
        self.pass(("remove", key), self.inner.remove(key)).await
    }

    async fn take(&self, key: &str, now: UnixTime) -> Result<Option<Row>, StoreError> {
        self.pass(("take", key), self.inner.take(key, now)).await
    }

    async fn count(&self, key: &str, until: UnixTime, now: UnixTime) -> Result<u32, StoreError> {
        self.pass(("count", key), self.inner.count(key, until, now)).await
    }

    async fn uncount(&self, key: &str, now: UnixTime) -> Result<(), StoreError> {
        self.pass(("uncount", key), self.inner.uncount(key, now)).await
    }

    async fn lend(&self, key: &str, shape: Shape, wanted: u32, now: u64) -> Result<Lent, StoreError> {
        self.pass(("lend", key), self.inner.lend(key, shape, wanted, now)).await
    }

    async fn list_add(
        &self,
        list: &str,
        name: &str,
        until: UnixTime,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        self.pass(("list_add", list), self.inner.list_add(list, name, until, now)).await
    }

    async fn list_remove(&self, list: &str, name: &str) -> Result<(), StoreError> {
        self.pass(("list_remove", list), self.inner.list_remove(list, name)).await
    }

    async fn list(
        &self,
        list: &str,
        after: &str,
        most: usize,
        now: UnixTime,
    ) -> Result<Vec<String>, StoreError> {
        self.pass(("list", list), self.inner.list(list, after, most, now)).await
    }

    async fn announce(&self, revocation: Revocation) -> Result<(), StoreError> {
        self.pass(("announce", "rv"), self.inner.announce(revocation)).await
    }

    async fn news(&self, after: Option<feed::Place>, now: UnixTime) -> Result<News, StoreError> {
        self.pass(("news", "rv"), self.inner.news(after, now)).await
    }

    async fn set_count(&self, key: &str, sum: u32, until: UnixTime) -> Result<(), StoreError> {
        self.pass(("set_count", key), self.inner.set_count(key, sum, until)).await
    }

    async fn dump(&self, place: Option<&str>, now: UnixTime) -> Result<Page, StoreError> {
        self.inner.dump(place, now).await
    }

    async fn sweep(&self, now: UnixTime) -> Result<usize, StoreError> {
        self.inner.sweep(now).await
    }
}
