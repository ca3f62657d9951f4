//! How does a command get to Redis, and what does its failure mean? Within a bounded time, over a connection that is given up when it
//! is of no more use. What must be with replicas before it counts goes over connections of its own.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use redis::cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr};
use redis::{Cmd, ErrorKind, FromRedisValue, RedisError, RedisResult, ServerErrorKind};
use tokio::sync::{Mutex, MutexGuard};

use super::connection::{Connection, Line, is_final};
use super::scripts::Call;
use super::server_time::ServerTime;
use crate::config::{RedisConfig, Topology};
use crate::store::StoreError;

/// Connections for changes that replicas must confirm: to wait there makes all others on the same connection wait.
const CONFIRMING: usize = 8;
/// The nodes of a cluster have a clock each.
const CLUSTER_CLOCKS: Duration = Duration::from_secs(1);
/// Clocks further apart than this are worth a word: records end by ours.
const WORTH_A_WORD: Duration = Duration::from_secs(5);
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
    pub(super) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        self.send(&self.line, command).await.map_err(failed)
    }

    /// Runs a script, and gives up in time.
    pub(super) async fn run<T: FromRedisValue>(&self, call: &Call<'_>) -> Result<T, StoreError> {
        self.run_over(&self.line, call).await.map_err(failed)
    }

    /// Runs a script that changes `key`, which only counts once enough replicas have it, where that was configured. Where too few
    /// are there it is not begun.
    ///
    /// # Errors
    /// [`StoreError::Backend`] too where it was made and too few replicas have it in time.
    pub(super) async fn run_confirmed<T: FromRedisValue>(
        &self,
        key: &str,
        call: &Call<'_>,
    ) -> Result<T, StoreError> {
        let Some(line) = self.confirming_line().await else { return self.run(call).await };
        let line = line?;
        self.confirmed(&line, key).await?;
        let answer = self.run_over(&line, call).await.map_err(failed)?;
        self.confirmed(&line, key).await?;
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
        let (connection, number) = self.line.connection(&self.time).await.map_err(failed)?;
        let Connection::Cluster(mut cluster) = connection else {
            return Ok((1, self.ask(command).await?));
        };
        let text: String = self.ask(redis::cmd("CLUSTER").arg("NODES")).await?;
        let masters = masters(&text);
        let gone = || StoreError::Backend("the nodes of the cluster have changed".into());
        let (host, port) = masters.get(node).cloned().ok_or_else(gone)?;
        let at = RoutingInfo::SingleNode(SingleNodeRoutingInfo::ByAddress { host, port });
        let call = cluster.route_command(command.clone(), at);
        let answer = self.within(&self.line, number, self.timeout, call).await.map_err(failed)?;
        // A node's refusal comes as an answer here.
        let answer = answer.extract_error().map_err(failed)?;
        let answer = redis::from_redis_value(answer).map_err(|error| failed(error.into()))?;
        Ok((masters.len(), answer))
    }

    /// The moment, by the server's clock, at which an answer is of no use any more (ms).
    pub(super) async fn not_after(&self) -> Result<i64, StoreError> {
        // The first connection tells the time.
        self.line.connection(&self.time).await.map_err(failed)?;
        Ok(self.time.after(self.timeout + self.clocks))
    }

    /// Looks at the server's clock again.
    pub(super) async fn learn_time(&self) -> Result<(), StoreError> {
        let (mut connection, number) = self.line.connection(&self.time).await.map_err(failed)?;
        let learned = self.within(&self.line, number, self.timeout, self.time.learn(&mut connection)).await;
        let distance = self.time.distance();
        if learned.is_ok() && distance > WORTH_A_WORD {
            tracing::warn!(event = "store_clock_differs", seconds = distance.as_secs());
        }
        learned.map_err(failed)
    }

    /// One that nobody uses, else the next that gets free in time. `None` where nothing need be confirmed.
    async fn confirming_line(&self) -> Option<Result<MutexGuard<'_, Line>, StoreError>> {
        if let Some(free) = self.confirming.iter().find_map(|line| line.try_lock().ok()) {
            return Some(Ok(free));
        }
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let line = self.confirming.get(next % self.confirming.len().max(1))?;
        let busy = |_| StoreError::Backend("Redis: too many changes wait for replicas".into());
        Some(tokio::time::timeout(self.timeout, line.lock()).await.map_err(busy))
    }

    async fn run_over<T: FromRedisValue>(&self, line: &Line, call: &Call<'_>) -> RedisResult<T> {
        match self.send(line, &call.by_digest()).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.send(line, &call.in_full()).await
            }
            answer => answer,
        }
    }

    async fn send<T: FromRedisValue>(&self, line: &Line, command: &Cmd) -> RedisResult<T> {
        let (mut connection, number) = line.connection(&self.time).await?;
        self.within(line, number, self.timeout, command.query_async(&mut connection)).await
    }

    async fn within<T>(
        &self,
        line: &Line,
        number: u64,
        timeout: Duration,
        call: impl Future<Output = RedisResult<T>>,
    ) -> RedisResult<T> {
        let late = || RedisError::from((ErrorKind::Io, "Redis did not answer in time"));
        let answer = tokio::time::timeout(timeout, call).await.unwrap_or_else(|_| Err(late()));
        if answer.as_ref().is_err_and(is_final) {
            line.drop_connection(number).await;
        }
        answer
    }

    async fn confirmed(&self, line: &Line, key: &str) -> Result<(), StoreError> {
        match self.replicas_that_have(line, key).await.map_err(failed)? {
            enough if enough >= self.replicas => Ok(()),
            too_few => Err(StoreError::Backend(format!(
                "Redis: {too_few} replicas confirmed in time, {} must",
                self.replicas
            ))),
        }
    }

    /// How many replicas have all that was written before the last answer on this connection. In a cluster those of the node that has the key.
    async fn replicas_that_have(&self, line: &Line, key: &str) -> RedisResult<usize> {
        let mut wait = redis::cmd("WAIT");
        wait.arg(self.replicas).arg(u64::try_from(self.within.as_millis()).unwrap_or(u64::MAX));
        let (connection, number) = line.connection(&self.time).await?;
        let timeout = self.timeout + self.within;
        match connection {
            Connection::Server(mut server) => {
                self.within(line, number, timeout, wait.query_async(&mut server)).await
            }
            Connection::Cluster(mut cluster) => {
                let node = SingleNodeRoutingInfo::SpecificNode(Route::with_key(key, SlotAddr::Master));
                let call = cluster.route_command(wait, RoutingInfo::SingleNode(node));
                let answer = self.within(line, number, timeout, call).await?;
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

/// What Redis says can hold what we sent: only its kind is told. What the network says is told.
fn failed(error: RedisError) -> StoreError {
    let network =
        error.is_io_error().then(|| error.detail().map_or_else(|| error.to_string(), str::to_owned));
    let code = error.code().unwrap_or_default();
    let meaning = match code {
        "NOAUTH" => "it asks for a password",
        "WRONGPASS" => "the user or the password is wrong",
        "NOPERM" => "the user may not do this",
        "OOM" => "its memory is full",
        "NOREPLICAS" => "too few replicas are there",
        "MISCONF" => "it cannot write to its disk",
        _ => network.as_deref().unwrap_or_default(),
    };
    let said = [error.category(), code, meaning].into_iter().filter(|word| !word.is_empty());
    StoreError::Backend(format!("Redis: {}", said.collect::<Vec<_>>().join(", ")))
}
