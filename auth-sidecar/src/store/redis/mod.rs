//! How do several processes keep the same records? In Redis 7 or Valkey: one server, Sentinel, or a cluster.
//!
//! Every operation is one command or one script on the key of one record (a list and the log are two keys in one slot). A change
//! that happens once carries the moment at which its caller gives up: what arrives later is not done, so that after an
//! error nothing happens any more. When the answer to a change is lost, the record itself tells whether it was made.

mod calls;
mod connection;
mod scripts;
mod server_time;
pub mod wire;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use redis::{Cmd, Script};

use self::calls::{Ask, Calls};
use self::scripts::Scripts;
use super::backend::{Backend, NEVER, Row};
use super::feed::{News, Place, Revocation};
use super::{StoreError, parse, written};
use crate::clock::{Clock, UnixTime};
use crate::config::RedisConfig;
use crate::secret::random_text;

/// Redis forgets a record so long after its end: clocks of replicas may differ.
const SLACK: Duration = Duration::from_secs(60);
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
        Ok(Self { calls, scripts: Scripts::new(), prefix: config.prefix.clone(), clock })
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

    /// Runs a script that does nothing when it comes too late.
    async fn once<T: redis::FromRedisValue>(
        &self,
        script: &Script,
        key: &str,
        arguments: &[&[u8]],
    ) -> Result<T, StoreError> {
        let not_after = self.calls.not_after().await?.to_string();
        let mut call = script.key(key);
        call.arg(not_after);
        for argument in arguments {
            call.arg(*argument);
        }
        self.calls.ask_confirmed(key, &Ask::Script(call)).await
    }

    /// Runs a script on what lies in two keys.
    async fn on_pair<T: redis::FromRedisValue>(
        &self,
        script: &Script,
        keys: &[String; 2],
        arguments: &[&str],
    ) -> Result<T, StoreError> {
        let mut call = script.prepare_invoke();
        for key in keys {
            call.key(key);
        }
        for argument in arguments {
            call.arg(*argument);
        }
        self.calls.ask(&Ask::Script(call)).await
    }

    async fn read(&self, key: &str, now: UnixTime) -> Result<Option<Row>, StoreError> {
        let bytes = self.calls.ask::<Option<Vec<u8>>>(&command("GET", key)).await?;
        bytes.map_or(Ok(None), |bytes| wire::row(&bytes, now))
    }
}

#[async_trait]
impl Backend for RedisStore {
    async fn ping(&self) -> Result<(), StoreError> {
        // A write: a server that only reads is of no use.
        let key = self.key("ping");
        let mut set = redis::cmd("SET");
        set.arg(&key).arg(1).arg("PX").arg(1_000);
        self.calls.ask(&Ask::Command(set)).await
    }

    async fn get(&self, key: &str, now: UnixTime) -> Result<Option<Row>, StoreError> {
        self.read(&self.key(key), now).await
    }

    async fn put(&self, key: &str, json: Vec<u8>, until: UnixTime) -> Result<(), StoreError> {
        let mut set = redis::cmd("SET");
        set.arg(self.key(key)).arg(wire::record(&wire::write_id()?, &json, until));
        if let Some(life) = self.life(until) {
            set.arg("PX").arg(life);
        }
        self.calls.ask(&Ask::Command(set)).await
    }

    async fn put_new(
        &self,
        key: &str,
        json: Vec<u8>,
        until: UnixTime,
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        let record = wire::record(&wire::write_id()?, &json, until);
        let (now, life) = (now.0.to_string(), as_text(self.life(until)));
        let arguments = [now.as_bytes(), &record, life.as_bytes()];
        done(self.once(&self.scripts.put_new, &self.key(key), &arguments).await?)
    }

    async fn swap(
        &self,
        key: &str,
        seen: Row,
        instead: Option<(Vec<u8>, UnixTime)>,
    ) -> Result<bool, StoreError> {
        let (key, id) = (self.key(key), wire::write_id()?);
        let life = as_text(instead.as_ref().and_then(|(_, until)| self.life(*until)));
        let record = instead.map(|(json, until)| wire::record(&id, &json, until));
        let seen = format!("{} ", seen.written);
        let arguments = [seen.as_bytes(), record.as_deref().unwrap_or_default(), life.as_bytes()];
        match self.once(&self.scripts.swap, &key, &arguments).await {
            Ok(answer) => done(answer),
            // The answer is lost; or too few replicas have it, and then it does not count.
            Err(error @ StoreError::Backend(_)) => match self.read(&key, UnixTime::default()).await {
                Ok(Some(row)) if row.written == id && !self.calls.confirms() => Ok(true),
                _ => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    async fn remove(&self, key: &str) -> Result<(), StoreError> {
        self.calls.ask(&command("DEL", &self.key(key))).await
    }

    async fn take(&self, key: &str, now: UnixTime) -> Result<Option<Row>, StoreError> {
        match self.once::<redis::Value>(&self.scripts.take, &self.key(key), &[]).await? {
            redis::Value::Nil => Ok(None),
            redis::Value::BulkString(bytes) => wire::row(&bytes, now),
            _ => Err(too_late()),
        }
    }

    async fn count(&self, key: &str, until: UnixTime, now: UnixTime) -> Result<u32, StoreError> {
        let key = self.key(key);
        let mut call = self.scripts.count.key(&key);
        call.arg(now.0).arg(until.0).arg(self.life(until).unwrap_or(MOST_LIFE));
        self.calls.ask(&Ask::Script(call)).await
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
        self.on_pair(&self.scripts.list_add, &self.pair(list, LIST), &arguments).await
    }

    async fn list_remove(&self, list: &str, name: &str) -> Result<(), StoreError> {
        self.on_pair(&self.scripts.list_remove, &self.pair(list, LIST), &[name]).await
    }

    async fn list(
        &self,
        list: &str,
        after: &str,
        most: usize,
        now: UnixTime,
    ) -> Result<Vec<String>, StoreError> {
        let arguments = [after, &most.to_string(), &now.0.to_string()];
        self.on_pair(&self.scripts.list, &self.pair(list, LIST), &arguments).await
    }

    async fn announce(&self, revocation: Revocation) -> Result<(), StoreError> {
        let entry = String::from_utf8_lossy(&written(&revocation)?).into_owned();
        let (until, now) = (revocation.until.0.to_string(), self.clock.now().0.to_string());
        let epoch = epoch()?;
        let arguments = [&epoch, &until, &entry, &now].map(String::as_str);
        self.on_pair(&self.scripts.announce, &self.pair("rv", LOG), &arguments).await
    }

    async fn news(&self, after: Option<Place>, now: UnixTime) -> Result<News, StoreError> {
        let (known, seq) = after.map_or((String::new(), 0), |place| (place.epoch, place.seq));
        let (fresh, seq) = (epoch()?, seq.to_string());
        let arguments = [&fresh, &known, &seq].map(String::as_str);
        let (epoch, seq, since, entries): (String, u64, u64, Vec<String>) =
            self.on_pair(&self.scripts.news, &self.pair("rv", LOG), &arguments).await?;
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

fn command(name: &str, key: &str) -> Ask<'static> {
    let mut command = Cmd::new();
    command.arg(name).arg(key);
    Ask::Command(command)
}

fn done(answer: i64) -> Result<bool, StoreError> {
    if answer == TOO_LATE { Err(too_late()) } else { Ok(answer == 1) }
}

fn too_late() -> StoreError {
    StoreError::Backend("Redis did it not: it was too late".into())
}

fn as_text(life: Option<u64>) -> String {
    life.map(|life| life.to_string()).unwrap_or_default()
}

/// The epoch of a log that is about to begin.
fn epoch() -> Result<String, StoreError> {
    random_text::<12>().map_err(|error| StoreError::Backend(error.to_string()))
}

/// Of `<number> <end> <JSON>`.
fn revocation(entry: &str) -> Result<Revocation, StoreError> {
    let json = entry.splitn(3, ' ').nth(2).unwrap_or_default().as_bytes().to_vec();
    parse("rv:", &Row { json, until: NEVER, written: String::new() })
}
