//! How do several processes keep the same records? In Redis 7 or Valkey: one server, Sentinel, or a cluster.
//!
//! Every operation is one command or one script on the key of one record (a list and the log are two keys in one slot). A change
//! carries the moment at which its caller gives up: what arrives later is not done, so that after an error nothing
//! happens any more. When the answer to what happens once is lost, the record itself tells whether it was done; a client
//! library that asks again for itself does no harm.

mod calls;
mod connection;
mod dump;
mod scripts;
mod server_time;
pub mod wire;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use self::calls::Calls;
use self::scripts::{Script, Scripts};
use super::backend::{Backend, NEVER, Row};
use super::bucket::{Lent, Shape};
use super::feed::{News, Place, Revocation};
use super::transfer::Page;
use super::{StoreError, parse, written};
use crate::clock::{Clock, UnixTime};
use crate::config::{RedisConfig, Topology};
use crate::secret::random_text;

/// Redis forgets a record so long after its end: clocks of replicas may differ.
const SLACK: Duration = Duration::from_secs(60);
/// How long the trace of what was taken or removed stays (ms): longer than anybody waits for the answer.
const TRACE: u64 = 20_000;
/// How often the server's clock is looked at.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(5);
/// The log of revocations: where it stands, and its entries.
const LOG: [&str; 2] = ["head", "log"];
/// A list: its names, and when each ends.
const LIST: [&str; 2] = ["names", "ends"];
/// What a script answers to a call that came too late.
const TOO_LATE: i64 = -1;

/// The store in Redis.
pub struct RedisStore {
    calls: Arc<Calls>,
    scripts: Scripts,
    prefix: String,
    clock: Arc<dyn Clock>,
    is_one_place: bool,
}

// === impl RedisStore ===

impl RedisStore {
    /// Connects nowhere yet: a server that is away when we start may come later. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// [`StoreError::Backend`] where the configuration cannot be used, such as certificates that are none.
    pub fn new(config: &RedisConfig, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let calls = Calls::new(config).map_err(|error| StoreError::Backend(error.to_string()))?;
        let calls = Arc::new(calls);
        let watched = Arc::downgrade(&calls);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(LOOK_AT_CLOCK).await;
                let Some(calls) = watched.upgrade() else { return };
                // Who needs the server next finds out by itself that it is away.
                drop(calls.learn_time().await);
            }
        });
        let is_one_place = config.topology != Topology::Cluster;
        Ok(Self { calls, scripts: Scripts::new(), prefix: config.prefix.clone(), clock, is_one_place })
    }

    /// The key of a record: its name decides alone where in a cluster it lies.
    fn key(&self, name: &str) -> String {
        format!("{}{{{name}}}", self.prefix)
    }

    /// The two keys of what lies in two.
    fn pair(&self, name: &str, parts: [&str; 2]) -> [String; 2] {
        parts.map(|part| format!("{}{{{name}}}:{part}", self.prefix))
    }

    /// How long Redis keeps a record (ms); `None`: for ever.
    fn life(&self, until: UnixTime) -> Option<u64> {
        let span = until.since(self.clock.now()).saturating_add(SLACK);
        (until != NEVER).then(|| u64::try_from(span.as_millis()).unwrap_or(u64::MAX).min(MOST_LIFE))
    }

    /// Runs a script that does nothing when it comes too late: its first arguments are until when that is, what to write, and
    /// how long that lives (ms).
    async fn once<T: redis::FromRedisValue>(
        &self,
        script: &Script,
        key: &str,
        (record, life): (Vec<u8>, Option<u64>),
        more: Option<Vec<u8>>,
    ) -> Result<T, StoreError> {
        let life = life.map(|life| life.to_string()).unwrap_or_default();
        let not_after = self.calls.not_after().await?.to_string();
        let mut arguments = vec![not_after.into_bytes(), record, life.into_bytes()];
        arguments.extend(more);
        self.calls.run_confirmed(key, &script.on(&[key.to_owned()], arguments)).await
    }

    /// Runs a script on what lies in one or two keys.
    async fn run<T: redis::FromRedisValue>(
        &self,
        script: &Script,
        keys: &[String],
        arguments: &[&str],
    ) -> Result<T, StoreError> {
        let arguments = arguments.iter().map(|argument| argument.as_bytes().to_vec()).collect();
        self.calls.run(&script.on(keys, arguments)).await
    }

    async fn bytes(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.calls.ask(redis::cmd("GET").arg(key)).await
    }

    /// What lies there after a write whose answer is lost, if it is that write. Where replicas must confirm it, nobody knows whether
    /// they did, and it does not count.
    async fn found_out(&self, key: &str, id: &str) -> Option<Vec<u8>> {
        let bytes = if self.calls.confirms() { None } else { self.bytes(key).await.ok().flatten() };
        bytes.filter(|bytes| wire::is_of(bytes, id))
    }

    /// The answer of a script that writes once.
    async fn done(&self, answer: Result<i64, StoreError>, key: &str, id: &str) -> Result<bool, StoreError> {
        match answer {
            Ok(TOO_LATE) => Err(too_late()),
            Ok(answer) => Ok(answer == 1),
            Err(error) => self.found_out(key, id).await.map(|_| true).ok_or(error),
        }
    }
}

#[async_trait]
impl Backend for RedisStore {
    fn is_one_place(&self) -> bool {
        self.is_one_place
    }

    async fn ping(&self) -> Result<(), StoreError> {
        // A write, as every other: a server that only reads is of no use.
        self.put("ping", b"1".to_vec(), self.clock.now()).await
    }

    async fn get(&self, key: &str, now: UnixTime) -> Result<Option<Row>, StoreError> {
        self.bytes(&self.key(key)).await?.map_or(Ok(None), |bytes| wire::row(&bytes, now))
    }

    async fn put(&self, key: &str, json: Vec<u8>, until: UnixTime) -> Result<(), StoreError> {
        let (key, id) = (self.key(key), wire::write_id()?);
        let record = wire::record(&id, &json, until);
        let answer = self.once(&self.scripts.put, &key, (record, self.life(until)), None).await;
        self.done(answer, &key, &id).await.map(drop)
    }

    async fn put_new(
        &self,
        key: &str,
        json: Vec<u8>,
        until: UnixTime,
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        let (key, id) = (self.key(key), wire::write_id()?);
        let record = (wire::record(&id, &json, until), self.life(until));
        let answer = self.once(&self.scripts.put_new, &key, record, Some(now.0.to_string().into())).await;
        self.done(answer, &key, &id).await
    }

    async fn swap(
        &self,
        key: &str,
        seen: Row,
        instead: Option<(Vec<u8>, UnixTime)>,
    ) -> Result<bool, StoreError> {
        let (key, id) = (self.key(key), wire::write_id()?);
        let record = match instead {
            Some((json, until)) => (wire::record(&id, &json, until), self.life(until)),
            None => (wire::trace(&id), Some(TRACE)),
        };
        let seen = format!("{} ", seen.written).into_bytes();
        let answer = self.once(&self.scripts.swap, &key, record, Some(seen)).await;
        self.done(answer, &key, &id).await
    }

    async fn remove(&self, key: &str) -> Result<(), StoreError> {
        let (key, id) = (self.key(key), wire::write_id()?);
        let answer = self.once(&self.scripts.put, &key, (wire::trace(&id), Some(TRACE)), None).await;
        self.done(answer, &key, &id).await.map(drop)
    }

    async fn take(&self, key: &str, now: UnixTime) -> Result<Option<Row>, StoreError> {
        let (key, id) = (self.key(key), wire::write_id()?);
        let (trace, now_text) = ((wire::trace(&id), Some(TRACE)), now.0.to_string().into_bytes());
        match self.once::<redis::Value>(&self.scripts.take, &key, trace, Some(now_text)).await {
            Ok(redis::Value::Nil) => Ok(None),
            Ok(redis::Value::BulkString(bytes)) => wire::row(&bytes, now),
            Ok(_) => Err(too_late()),
            Err(error) => match self.found_out(&key, &id).await {
                Some(bytes) => wire::row(wire::taken(&bytes, &id).unwrap_or_default(), now),
                None => Err(error),
            },
        }
    }

    async fn count(&self, key: &str, until: UnixTime, now: UnixTime) -> Result<u32, StoreError> {
        let life = self.life(until).unwrap_or(MOST_LIFE);
        let [now, until, life] = [now.0, until.0, life].map(|number| number.to_string());
        self.run(&self.scripts.count, &[self.key(key)], &[&now, &until, &life]).await
    }

    async fn uncount(&self, key: &str, now: UnixTime) -> Result<(), StoreError> {
        self.run(&self.scripts.uncount, &[self.key(key)], &[&now.0.to_string()]).await
    }

    async fn lend(&self, key: &str, shape: Shape, wanted: u32, _: u64) -> Result<Lent, StoreError> {
        let key = self.key(key);
        let span = u64::from(shape.per) * 1_000;
        let arguments = [shape.capacity.into(), shape.tokens.into(), span, u64::from(wanted)];
        let arguments = arguments.map(|number| number.to_string().into_bytes()).into();
        let keys = [key.clone()];
        let call = self.scripts.lend.on(&keys, arguments);
        let (granted, wait): (u32, i64) = self.calls.run_confirmed(&key, &call).await?;
        Ok(Lent { granted, retry_after: u64::try_from(wait).ok().map(Duration::from_millis) })
    }

    async fn set_count(&self, key: &str, sum: u32, until: UnixTime) -> Result<(), StoreError> {
        let mut set = redis::cmd("SET");
        set.arg(self.key(key)).arg(format!("{sum} {}", until.0));
        set.arg("PX").arg(self.life(until).unwrap_or(MOST_LIFE));
        self.calls.ask(&set).await
    }

    async fn dump(&self, place: Option<&str>, now: UnixTime) -> Result<Page, StoreError> {
        dump::page(self, place, now).await
    }

    async fn list_add(
        &self,
        list: &str,
        name: &str,
        until: UnixTime,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        let life = self.life(until).unwrap_or(MOST_LIFE).to_string();
        let arguments = [name, &until.0.to_string(), &now.0.to_string(), &life];
        self.run(&self.scripts.list_add, &self.pair(list, LIST), &arguments).await
    }

    async fn list_remove(&self, list: &str, name: &str) -> Result<(), StoreError> {
        self.run(&self.scripts.list_remove, &self.pair(list, LIST), &[name]).await
    }

    async fn list(
        &self,
        list: &str,
        after: &str,
        most: usize,
        now: UnixTime,
    ) -> Result<Vec<String>, StoreError> {
        let arguments = [after, &most.to_string(), &now.0.to_string()];
        self.run(&self.scripts.list, &self.pair(list, LIST), &arguments).await
    }

    async fn announce(&self, revocation: Revocation) -> Result<(), StoreError> {
        let entry = String::from_utf8_lossy(&written(&revocation)?).into_owned();
        let (until, now) = (revocation.until.0.to_string(), self.clock.now().0.to_string());
        // Of a log that is about to begin.
        let epoch = random_text::<12>()?;
        let keys = self.pair("rv", LOG);
        let [head, _] = &keys;
        let arguments = [epoch, until, entry, now].map(String::into_bytes).into();
        self.calls.run_confirmed(head, &self.scripts.announce.on(&keys, arguments)).await
    }

    async fn news(&self, after: Option<Place>, now: UnixTime) -> Result<News, StoreError> {
        let (known, seq) = after.map_or((String::new(), 0), |place| (place.epoch, place.seq));
        let (fresh, seq) = (random_text::<12>()?, seq.to_string());
        let arguments = [&fresh, &known, &seq].map(String::as_str);
        let (epoch, seq, since, entries): (String, u64, u64, Vec<String>) =
            self.run(&self.scripts.news, &self.pair("rv", LOG), &arguments).await?;
        let revocations = entries.iter().map(|entry| revocation(entry)).collect::<Result<Vec<_>, _>>()?;
        let revocations = revocations.into_iter().filter(|one| now < one.until).collect();
        Ok(News { place: Place { epoch, seq }, since, revocations })
    }

    /// Redis does it by itself.
    async fn sweep(&self, _: UnixTime) -> Result<usize, StoreError> {
        Ok(0)
    }
}

/// A hundred years (ms): Redis refuses what overflows its clock.
const MOST_LIFE: u64 = 100 * 365 * 24 * 60 * 60 * 1_000;

fn too_late() -> StoreError {
    StoreError::Backend("Redis: it was too late, and not done".into())
}

/// Of `<number> <end> <JSON>`.
fn revocation(entry: &str) -> Result<Revocation, StoreError> {
    let json = entry.splitn(3, ' ').nth(2).unwrap_or_default().as_bytes().to_vec();
    parse("rv:", &Row { json, until: NEVER, written: String::new() })
}
