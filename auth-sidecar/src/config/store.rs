//! Where are records kept: in a file of this process, or in Redis for several?

use std::path::PathBuf;
use std::time::Duration;

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::ConfigError;
use super::secret_ref::SecretRef;
use crate::secret::Digest;

/// Longer would keep browsers and clients waiting for what will not come.
const LONGEST_TIMEOUT: u64 = 5_000;

/// Where records are kept.
#[derive(Debug)]
pub enum StoreConfig {
    /// In this file.
    Embedded(PathBuf),
    /// In Redis or Valkey.
    Redis(Box<RedisConfig>),
}

/// A Redis 7 or Valkey, or several of them.
pub struct RedisConfig {
    /// The server; the sentinels; or nodes of the cluster.
    pub nodes: Vec<ConnectionInfo>,
    /// What those are.
    pub topology: Topology,
    /// What every key begins with.
    pub prefix: String,
    /// How long one command may take.
    pub timeout: Duration,
    /// So many replicas must have a change that happens once before it is answered.
    pub replicas: usize,
    /// How long they may take.
    pub replicas_within: Duration,
    /// Trusted roots, and what we show to a server that asks.
    pub tls: Tls,
    /// What sentinels ask for, where that is not what the servers ask for.
    pub sentinel_password: Option<Zeroizing<String>>,
    /// Of all that is said here, secrets included: tells whether two configurations say the same.
    digest: Digest,
}

/// PEM texts for `rediss://`.
#[derive(Default)]
pub struct Tls {
    /// Roots instead of those of the system.
    pub ca: Option<Vec<u8>>,
    /// Certificate chain and private key of ours.
    pub client: Option<(Vec<u8>, Zeroizing<Vec<u8>>)>,
}

/// How several servers are one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topology {
    /// There is one.
    Single,
    /// Sentinels say which one is the master of this name.
    Sentinel(String),
    /// Redis Cluster.
    Cluster,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawStore {
    embedded: Option<RawEmbedded>,
    redis: Option<RawRedis>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEmbedded {
    path: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRedis {
    url: SecretRef,
    #[serde(default)]
    topology: RawTopology,
    master: Option<String>,
    password: Option<SecretRef>,
    sentinel_password: Option<SecretRef>,
    #[serde(default = "default_prefix")]
    prefix: String,
    #[serde(default = "default_timeout")]
    timeout_ms: u64,
    #[serde(default)]
    replicas: RawReplicas,
    #[serde(default)]
    tls: RawTls,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawTopology {
    #[default]
    Single,
    Sentinel,
    Cluster,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawReplicas {
    acknowledge: usize,
    within_ms: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawTls {
    ca: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

// === impl StoreConfig ===

impl StoreConfig {
    /// Whether the two are one place, reached in the same way.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Embedded(path), Self::Embedded(other)) => path == other,
            (Self::Redis(config), Self::Redis(other)) => config.digest.matches(&other.digest),
            _ => false,
        }
    }
}

// === impl RedisConfig ===

impl std::fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let nodes: Vec<_> = self.nodes.iter().map(|node| node.addr().to_string()).collect();
        f.debug_struct("RedisConfig")
            .field("nodes", &nodes)
            .field("topology", &self.topology)
            .finish_non_exhaustive()
    }
}

// === impl RawStore ===

impl RawStore {
    pub(super) fn compile(self) -> Result<StoreConfig, ConfigError> {
        match (self.embedded, self.redis) {
            (Some(embedded), None) => Ok(StoreConfig::Embedded(embedded.path)),
            (None, Some(redis)) => redis.compile().map(Box::new).map(StoreConfig::Redis),
            _ => Err(ConfigError::new("store", "has one of `embedded` and `redis`")),
        }
    }
}

// === impl RawRedis ===

impl RawRedis {
    fn compile(self) -> Result<RedisConfig, ConfigError> {
        let password = self.password.map(|from| from.resolve("store.redis.password")).transpose()?;
        let url = self.url.resolve("store.redis.url")?;
        let nodes = nodes(&url, password.as_deref().map(String::as_str))?;
        let topology = topology(self.topology, self.master)?;
        let refuse = |key: &str, why: &str| Err(ConfigError::new(format!("store.redis.{key}"), why));
        if topology == Topology::Single && nodes.len() > 1 {
            return refuse("url", "names several servers: then `topology` is `sentinel` or `cluster`");
        }
        if !(1..=LONGEST_TIMEOUT).contains(&self.timeout_ms) {
            return refuse("timeout_ms", "is from 1 to 5000");
        }
        if !(1..=LONGEST_TIMEOUT).contains(&self.replicas.within_ms) {
            return refuse("replicas.within_ms", "is from 1 to 5000");
        }
        if self.prefix.is_empty()
            // What a pattern of SCAN would read otherwise than it stands there.
            || !self.prefix.bytes().all(|byte| byte.is_ascii_graphic() && !b"{}*?[]\\".contains(&byte))
        {
            return refuse(
                "prefix",
                "is printable ASCII without spaces, braces, brackets, `*`, `?` and `\\`, and not empty",
            );
        }
        let sentinel_password =
            self.sentinel_password.map(|from| from.resolve("store.redis.sentinel_password")).transpose()?;
        let tls = self.tls.compile()?;
        in_one_way(&nodes, &tls)?;
        let said = Zeroizing::new(format!(
            "{} {password:?} {sentinel_password:?} {topology:?} {:?} {} {:?} {:?} {:?}",
            *url, self.prefix, self.timeout_ms, self.replicas, tls.ca, tls.client
        ));
        Ok(RedisConfig {
            nodes,
            topology,
            prefix: self.prefix,
            timeout: Duration::from_millis(self.timeout_ms),
            replicas: self.replicas.acknowledge,
            replicas_within: Duration::from_millis(self.replicas.within_ms),
            tls,
            sentinel_password,
            digest: Digest::of(&said),
        })
    }
}

impl Default for RawReplicas {
    fn default() -> Self {
        Self { acknowledge: 0, within_ms: 50 }
    }
}

// === impl RawTls ===

impl RawTls {
    fn compile(self) -> Result<Tls, ConfigError> {
        let read = |key: &str, path: &PathBuf| {
            let place = format!("store.redis.tls.{key}");
            std::fs::read(path).map_err(|error| ConfigError::unreadable(place, path, error))
        };
        let client = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => {
                Some((read("certificate", certificate)?, Zeroizing::new(read("key", key)?)))
            }
            (None, None) => None,
            _ => return Err(ConfigError::new("store.redis.tls", "`certificate` and `key` come together")),
        };
        Ok(Tls { ca: self.ca.as_ref().map(|path| read("ca", path)).transpose()?, client })
    }
}

/// One URL, or several with commas between them. What is wrong with one is not said in its words: it may hold a password.
fn nodes(urls: &str, password: Option<&str>) -> Result<Vec<ConnectionInfo>, ConfigError> {
    let node = |url: &str| {
        let node = url.trim().into_connection_info().ok()?;
        let Some(password) = password else { return Some(node) };
        let settings = node.redis_settings().clone().set_password(password);
        Some(node.set_redis_settings(settings))
    };
    urls.split(',').map(node).collect::<Option<Vec<_>>>().ok_or_else(|| {
        ConfigError::new(
            "store.redis.url",
            "is `redis://HOST:PORT` or `rediss://…`, or several with commas between them",
        )
    })
}

/// All servers are spoken to with TLS, or none is: with one URL in clear, a password and all tokens would travel in clear as well.
fn in_one_way(nodes: &[ConnectionInfo], tls: &Tls) -> Result<(), ConfigError> {
    let secured = |node: &&ConnectionInfo| matches!(node.addr(), ConnectionAddr::TcpTls { .. });
    let unchecked =
        |node: &ConnectionInfo| matches!(node.addr(), ConnectionAddr::TcpTls { insecure: true, .. });
    if nodes.iter().any(unchecked) {
        return Err(ConfigError::new("store.redis.url", "asks for TLS without a check of certificates"));
    }
    match nodes.iter().filter(secured).count() {
        0 if tls.ca.is_some() || tls.client.is_some() => {
            Err(ConfigError::new("store.redis.tls", "is for `rediss://`, and `url` says `redis://`"))
        }
        count if count != 0 && count != nodes.len() => Err(ConfigError::new(
            "store.redis.url",
            "names servers with `rediss://` and with `redis://`: it is one or the other",
        )),
        _ => Ok(()),
    }
}

fn topology(kind: RawTopology, master: Option<String>) -> Result<Topology, ConfigError> {
    match (kind, master) {
        (RawTopology::Single, None) => Ok(Topology::Single),
        (RawTopology::Cluster, None) => Ok(Topology::Cluster),
        (RawTopology::Sentinel, Some(master)) => Ok(Topology::Sentinel(master)),
        (RawTopology::Sentinel, None) => Err(ConfigError::new(
            "store.redis.master",
            "is missing: the name that the sentinels know the master by",
        )),
        (_, Some(_)) => Err(ConfigError::new("store.redis.master", "belongs to `topology: sentinel` alone")),
    }
}

fn default_prefix() -> String {
    "wicketgate:".to_owned()
}

fn default_timeout() -> u64 {
    250
}
