//! How do we reach Redis? One multiplexed connection to the server, to the master that the sentinels name, or to a cluster; made
//! anew when it fails, after a pause that grows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, Pipeline,
    RedisError, RedisFuture, RedisResult, TlsCertificates, TlsMode, Value,
};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::server_time::ServerTime;
use crate::config::{RedisConfig, Tls, Topology};

/// Pauses between two tries to connect: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// What a server is said to have done that was given up.
const LATE: &str = "did not answer in time";

/// A connection to whatever holds the records. Clones share it.
#[derive(Clone)]
pub(super) enum Connection {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// What gives connections.
enum Source {
    Server(Box<Client>),
    /// Each by itself: one that is away must not keep us from hearing the others.
    Sentinels(Vec<Arc<Mutex<SentinelClient>>>),
    Cluster(Box<ClusterClient>),
}

/// The connection, or the pause until the next try and why there is one.
#[derive(Default)]
struct Slot {
    connection: Option<Connection>,
    /// Which one it is: who saw an older one fail says nothing about this one.
    number: u64,
    rest: Option<(Instant, RedisError)>,
}

/// One connection that is made anew when it fails.
pub(super) struct Line {
    source: Source,
    is_secured: bool,
    timeout: Duration,
    /// How long the longest command may wait at the server.
    longest: Duration,
    slot: Mutex<Slot>,
    failures: AtomicU32,
}

// === impl Line ===

impl Line {
    /// Connects nowhere yet.
    pub(super) fn new(config: &RedisConfig) -> RedisResult<Self> {
        Ok(Self {
            source: Source::of(config)?,
            is_secured: is_secured(config),
            timeout: config.timeout,
            longest: longest(config),
            slot: Mutex::default(),
            failures: AtomicU32::new(0),
        })
    }

    /// The connection and its number. A new one tells the time before anybody gets it: deadlines depend on it.
    pub(super) async fn connection(&self, time: &ServerTime) -> RedisResult<(Connection, u64)> {
        let mut slot = self.slot.lock().await;
        if let Some(connection) = &slot.connection {
            return Ok((connection.clone(), slot.number));
        }
        if let Some((until, error)) = &slot.rest
            && Instant::now() < *until
        {
            return Err(error.clone());
        }
        // Twice the time of a command: a connection takes several.
        let made = tokio::time::timeout(self.timeout * 2, self.connect(time)).await;
        let made = made.unwrap_or_else(|_| Err(unreachable(format!("it {LATE}"))));
        match made.map_err(|error| explained(error, self.is_secured)) {
            Ok(connection) => {
                *slot = Slot { connection: Some(connection.clone()), number: slot.number + 1, rest: None };
                self.failures.store(0, Ordering::Relaxed);
                Ok((connection, slot.number))
            }
            Err(error) => {
                let failures = self.failures.fetch_add(1, Ordering::Relaxed).min(10);
                slot.rest = Some((Instant::now() + pause(failures), error.clone()));
                Err(error)
            }
        }
    }

    async fn connect(&self, time: &ServerTime) -> RedisResult<Connection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(Some(self.longest));
        let mut connection = self.source.connect(&config).await?;
        time.learn(&mut connection).await?;
        Ok(connection)
    }

    /// The connection of this number has failed.
    pub(super) async fn drop_connection(&self, number: u64) {
        let mut slot = self.slot.lock().await;
        if slot.number == number {
            slot.connection = None;
        }
    }
}

// === impl Source ===

impl Source {
    fn of(config: &RedisConfig) -> RedisResult<Self> {
        let certificates = certificates(&config.tls);
        let first = config.nodes.first().ok_or_else(|| unreachable("no server is named".into()))?;
        // Certificates without TLS are refused, or taken for a wish to have it.
        let is_tls = is_secured(config);
        Ok(match &config.topology {
            Topology::Single => Self::Server(Box::new(match is_tls {
                true => Client::build_with_tls(first.clone(), certificates)?,
                false => Client::open(first.clone())?,
            })),
            Topology::Cluster => {
                let builder = ClusterClient::builder(config.nodes.clone())
                    .retries(2)
                    .connection_timeout(config.timeout)
                    .response_timeout(longest(config));
                let builder = if is_tls { builder.certs(certificates) } else { builder };
                Self::Cluster(Box::new(builder.build()?))
            }
            Topology::Sentinel(master) => {
                let one = |node: &ConnectionInfo| {
                    sentinel(config, node, master, certificates.clone()).map(Mutex::new).map(Arc::new)
                };
                Self::Sentinels(config.nodes.iter().map(one).collect::<RedisResult<_>>()?)
            }
        })
    }

    async fn connect(&self, config: &AsyncConnectionConfig) -> RedisResult<Connection> {
        match self {
            Self::Server(client) => {
                client.get_multiplexed_async_connection_with_config(config).await.map(Connection::Server)
            }
            Self::Sentinels(clients) => master(clients, config).await,
            Self::Cluster(client) => client.get_async_connection().await.map(Connection::Cluster),
        }
    }
}

/// The first master that a sentinel names and that says so itself.
async fn master(
    sentinels: &[Arc<Mutex<SentinelClient>>],
    config: &AsyncConnectionConfig,
) -> RedisResult<Connection> {
    let mut asked = JoinSet::new();
    for sentinel in sentinels {
        let (sentinel, config) = (Arc::clone(sentinel), config.clone());
        asked.spawn(async move { sentinel.lock().await.get_async_connection_with_config(&config).await });
    }
    let mut failure = unreachable("no sentinel answered".into());
    while let Some(answer) = asked.join_next().await {
        match answer {
            Ok(Ok(connection)) => return Ok(Connection::Server(connection)),
            Ok(Err(error)) => failure = error,
            Err(_) => {}
        }
    }
    Err(failure)
}

// === impl Connection ===

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Server(connection) => connection.req_packed_command(cmd),
            Self::Cluster(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Server(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Server(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

/// Whether a connection that gave this is of no more use: it is broken, too slow, or to one that is no master any more.
pub(super) fn is_final(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_timeout()
        || error.is_connection_dropped()
        || error.is_unrecoverable_error()
        || matches!(error.code(), Some("READONLY" | "MASTERDOWN" | "LOADING" | "CLUSTERDOWN" | "UNBLOCKED"))
}

fn unreachable(why: String) -> RedisError {
    RedisError::from((ErrorKind::Io, "Redis cannot be reached", why))
}

/// All servers are spoken to with TLS, or none is.
fn is_secured(config: &RedisConfig) -> bool {
    config.nodes.iter().any(|node| matches!(node.addr(), ConnectionAddr::TcpTls { .. }))
}

/// Why no connection came about, in words that lead to what is wrong with TLS.
fn explained(error: RedisError, is_secured: bool) -> RedisError {
    let said = error.detail().map_or_else(|| error.to_string(), str::to_owned);
    // The redis crate keeps from us why it could not reach the nodes that a cluster names.
    let is_lost = matches!(error.kind(), ErrorKind::ClusterConnectionNotFound);
    let meaning = match is_secured {
        true if is_lost => "no node that the cluster names is there with a certificate for its address",
        true if said.contains("received fatal alert") => "it does not take our certificate, or wants one",
        true if said.ends_with("timed out") || said.ends_with(LATE) => "is it one that speaks TLS?",
        false if error.is_connection_dropped() && !error.is_connection_refusal() => "does it want TLS?",
        _ => return error,
    };
    unreachable(format!("{said}: {meaning}"))
}

/// Grows by two, with up to half of it by chance, so that replicas do not come back all at once.
fn pause(failures: u32) -> Duration {
    let (first, longest) = PAUSES;
    let grown = first.saturating_mul(1 << failures).min(longest);
    let chance = crate::secret::random_bytes::<1>().map_or(0, |[byte]| byte);
    grown / 2 + grown.mul_f64(f64::from(chance) / 512.0)
}

fn certificates(tls: &Tls) -> TlsCertificates {
    TlsCertificates {
        client_tls: tls.client.as_ref().map(|(certificate, key)| ClientTlsConfig {
            client_cert: certificate.clone(),
            client_key: key.to_vec(),
        }),
        root_cert: tls.ca.clone(),
    }
}

/// Both kinds of server are spoken to as the URLs say; sentinels often have a password of their own, or none.
fn sentinel(
    config: &RedisConfig,
    node: &ConnectionInfo,
    master: &str,
    certificates: TlsCertificates,
) -> RedisResult<SentinelClient> {
    let address = [node.addr().clone()];
    let mut builder = SentinelClientBuilder::new(address, master, SentinelServerType::Master)?;
    let settings = node.redis_settings();
    builder = builder.set_client_to_redis_db(settings.db());
    if let Some(username) = settings.username() {
        builder = builder.set_client_to_redis_username(username);
    }
    if let Some(password) = settings.password() {
        builder = builder.set_client_to_redis_password(password);
    }
    if matches!(node.addr(), ConnectionAddr::TcpTls { .. }) {
        builder = builder
            .set_client_to_redis_tls_mode(TlsMode::Secure)
            .set_client_to_sentinel_tls_mode(TlsMode::Secure)
            .set_client_to_redis_certificates(certificates.clone())
            .set_client_to_sentinel_certificates(certificates);
    }
    if let Some(password) = &config.sentinel_password {
        builder = builder.set_client_to_sentinel_password(password.as_str());
    }
    builder.build()
}

/// A command that waits for replicas is answered later than all others.
fn longest(config: &RedisConfig) -> Duration {
    config.timeout + if config.replicas == 0 { Duration::ZERO } else { config.replicas_within }
}
