//! How does a command get to Redis, and what does its failure mean? Within a bounded time, over a connection that is given up when it
//! is of no more use. What must be with replicas before it counts goes over connections of its own.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use redis::cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr};
use redis::{Cmd, ErrorKind, FromRedisValue, RedisError, RedisResult, ScriptInvocation};
use tokio::sync::Mutex;

use super::connection::{Connection, Line, is_final};
use super::server_time::ServerTime;
use crate::config::{RedisConfig, Topology};
use crate::store::StoreError;

/// Connections for changes that replicas must confirm: to wait there makes all others on the same connection wait.
const CONFIRMING: usize = 8;
/// The nodes of a cluster have a clock each.
const CLUSTER_CLOCKS: Duration = Duration::from_secs(1);
/// Clocks further apart than this are worth a word: records end by ours.
const WORTH_A_WORD: Duration = Duration::from_secs(5);

/// What is asked of Redis.
pub(super) enum Ask<'a> {
    Command(Cmd),
    Script(ScriptInvocation<'a>),
}

/// The way to Redis.
pub(super) struct Calls {
    line: Line,
    confirming: Vec<Mutex<Line>>,
    next: AtomicUsize,
    time: ServerTime,
    timeout: Duration,
    clocks: Duration,
    replicas: usize,
    within: Duration,
}

// === impl Calls ===

impl Calls {
    pub(super) fn new(config: &RedisConfig) -> RedisResult<Self> {
        let confirming = if config.replicas == 0 { 0 } else { CONFIRMING };
        let lines = (0..confirming).map(|_| Line::new(config).map(Mutex::new)).collect::<RedisResult<_>>()?;
        Ok(Self {
            line: Line::new(config)?,
            confirming: lines,
            next: AtomicUsize::new(0),
            time: ServerTime::default(),
            timeout: config.timeout,
            clocks: if config.topology == Topology::Cluster { CLUSTER_CLOCKS } else { Duration::ZERO },
            replicas: config.replicas,
            within: config.replicas_within,
        })
    }

    /// Asks, and gives up in time.
    pub(super) async fn ask<T: FromRedisValue>(&self, ask: &Ask<'_>) -> Result<T, StoreError> {
        self.over(&self.line, ask).await.map_err(failed)
    }

    /// Asks for a change of `key` that only counts once enough replicas have it, where that was configured.
    ///
    /// # Errors
    /// [`StoreError::Backend`] too where it was made and too few replicas have it in time.
    pub(super) async fn ask_confirmed<T: FromRedisValue>(
        &self,
        key: &str,
        ask: &Ask<'_>,
    ) -> Result<T, StoreError> {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let Some(line) = self.confirming.get(next % self.confirming.len().max(1)) else {
            return self.ask(ask).await;
        };
        let line = line.lock().await;
        let answer = self.over(&line, ask).await.map_err(failed)?;
        let have_it = self.replicas_that_have(&line, key).await.map_err(failed)?;
        if have_it < self.replicas {
            return Err(StoreError::Backend(format!(
                "{have_it} replicas confirmed a change in time, {} must",
                self.replicas
            )));
        }
        Ok(answer)
    }

    /// Whether replicas must confirm changes.
    pub(super) fn confirms(&self) -> bool {
        self.replicas > 0
    }

    /// Asks one of the nodes that have keys, by its number; how many there are, too.
    pub(super) async fn ask_node<T: FromRedisValue>(
        &self,
        node: usize,
        command: &Cmd,
    ) -> Result<(usize, T), StoreError> {
        let (connection, number) = self.connect(&self.line).await.map_err(failed)?;
        let Connection::Cluster(mut cluster) = connection else {
            return Ok((1, self.ask(&Ask::Command(command.clone())).await?));
        };
        let mut nodes = redis::cmd("CLUSTER");
        let text: String = self.ask(&Ask::Command(nodes.arg("NODES").clone())).await?;
        let masters = masters(&text);
        let gone = || StoreError::Backend("the nodes of the cluster have changed".into());
        let (host, port) = masters.get(node).cloned().ok_or_else(gone)?;
        let at = RoutingInfo::SingleNode(SingleNodeRoutingInfo::ByAddress { host, port });
        let call = cluster.route_command(command.clone(), at);
        let answer = self.within(&self.line, number, call).await.map_err(failed)?;
        let answer = redis::from_redis_value(answer).map_err(|error| failed(error.into()))?;
        Ok((masters.len(), answer))
    }

    /// The moment, by the server's clock, at which an answer is of no use any more (ms).
    pub(super) async fn not_after(&self) -> Result<i64, StoreError> {
        // The first connection tells the time.
        self.connect(&self.line).await.map_err(failed)?;
        Ok(self.time.after(self.timeout + self.clocks))
    }

    /// Looks at the server's clock again.
    pub(super) async fn learn_time(&self) -> Result<(), StoreError> {
        let (mut connection, number) = self.connect(&self.line).await.map_err(failed)?;
        let learned = self.within(&self.line, number, self.time.learn(&mut connection)).await;
        let distance = self.time.distance();
        if learned.is_ok() && distance > WORTH_A_WORD {
            tracing::warn!(event = "store_clock_differs", seconds = distance.as_secs());
        }
        learned.map_err(failed)
    }

    async fn over<T: FromRedisValue>(&self, line: &Line, ask: &Ask<'_>) -> RedisResult<T> {
        let (mut connection, number) = self.connect(line).await?;
        match ask {
            Ask::Command(command) => self.within(line, number, command.query_async(&mut connection)).await,
            Ask::Script(script) => self.within(line, number, script.invoke_async(&mut connection)).await,
        }
    }

    async fn connect(&self, line: &Line) -> RedisResult<(Connection, u64)> {
        let (mut connection, number, is_new) = line.connection().await?;
        if is_new {
            self.within(line, number, self.time.learn(&mut connection)).await?;
        }
        Ok((connection, number))
    }

    async fn within<T>(
        &self,
        line: &Line,
        number: u64,
        call: impl Future<Output = RedisResult<T>>,
    ) -> RedisResult<T> {
        let late = || RedisError::from((ErrorKind::Io, "Redis did not answer in time"));
        let answer = tokio::time::timeout(self.timeout, call).await.unwrap_or_else(|_| Err(late()));
        if answer.as_ref().is_err_and(is_final) {
            line.drop_connection(number).await;
        }
        answer
    }

    /// How many replicas have all that this connection wrote. In a cluster those of the node that has the key.
    async fn replicas_that_have(&self, line: &Line, key: &str) -> RedisResult<usize> {
        let mut wait = redis::cmd("WAIT");
        wait.arg(self.replicas).arg(u64::try_from(self.within.as_millis()).unwrap_or(u64::MAX));
        let (connection, number) = self.connect(line).await?;
        match connection {
            Connection::Server(mut server) => self.within(line, number, wait.query_async(&mut server)).await,
            Connection::Cluster(mut cluster) => {
                let node = SingleNodeRoutingInfo::SpecificNode(Route::with_key(key, SlotAddr::Master));
                let call = cluster.route_command(wait, RoutingInfo::SingleNode(node));
                let answer = self.within(line, number, call).await?;
                Ok(redis::from_redis_value(answer)?)
            }
        }
    }
}

/// The addresses of the masters in what `CLUSTER NODES` says, in an order that stays.
fn masters(nodes: &str) -> Vec<(String, u16)> {
    let master = |line: &str| {
        let mut words = line.split(' ');
        let (address, flags) = (words.nth(1)?, words.next()?);
        let (host, port) = address.split(['@', ',']).next()?.rsplit_once(':')?;
        let is_master = flags.split(',').any(|flag| flag == "master") && !flags.contains("fail");
        is_master.then(|| Some((host.to_owned(), port.parse().ok()?)))?
    };
    let mut masters: Vec<_> = nodes.lines().filter_map(master).collect();
    masters.sort();
    masters
}

/// What Redis says can hold what we sent: only its kind is told.
fn failed(error: RedisError) -> StoreError {
    let what = error.detail().filter(|_| error.is_io_error()).unwrap_or_default();
    let code = error.code().unwrap_or_default();
    StoreError::Backend(format!("Redis: {} {code} {what}", error.category()).trim_end().to_owned())
}
