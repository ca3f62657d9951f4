//! How is it described where a server lives and how it is reached? Part of the mirror.

use super::raw::RawUpstreamTls;
use crate::config::read::mapping;

/// Where a server lives and how Envoy reaches it. For `wicketgate render envoy` alone.
#[derive(Clone, Debug, Default)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, rename = "Upstream")
)]
pub struct RawUpstream {
    /// A host name or an IP address, with a port: `127.0.0.1:3001`. This or `addresses`.
    pub address: Option<String>,
    /// Several of them, among which Envoy chooses.
    pub addresses: Option<Vec<String>>,
    /// The server's own path, which stands for the path of `match`. Default: the same path.
    pub path: Option<String>,
    /// The `Host` that the server gets: a host with a port or without, or `keep` for that of the client. Default: the first
    /// address.
    pub host: Option<String>,
    /// The name of its cluster in Envoy's configuration and metrics. Default: `mcp_` and the name of the server.
    pub cluster: Option<String>,
    /// `http1` or `http2`. Default `http1`.
    pub protocol: Option<String>,
    /// How it is met in TLS. Default: plain HTTP.
    pub tls: Option<RawUpstreamTls>,
    /// How one of several addresses is chosen: `round_robin`, `least_request`, `random`, `ring_hash` or `maglev`; the last two
    /// with `affinity: source`. Default `least_request`, or `maglev` with that.
    pub balancing: Option<String>,
    /// What keeps to one address: `session`, all requests of one session, whose `Mcp-Session-Id` then tells Envoy the address;
    /// `source`, all of one client address. Default: nothing does.
    pub affinity: Option<String>,
    /// Until a connection is made, 100ms to 60s. Default 5s.
    pub connect: Option<String>,
    /// How long a stream may be silent, 1s to 24h. Default 3600s.
    pub silence: Option<String>,
    /// How long a connection without a request is kept, 1s to 1h: less than the server itself keeps it. Default 4s.
    pub idle: Option<String>,
    /// How many connections there may be, and requests under way, 1 to 1000000. Default 10000.
    pub connections: Option<u32>,
    /// How often what only reads (lists, discovery, `initialize` in requests with `Mcp-Method`) is tried again when no answer
    /// has begun, 0 to 5. Calls never are. Default 0.
    pub retries: Option<u32>,
    /// Names of parameters that tools want mirrored in header fields (`x-mcp-header` in their schemas): pages of `origins` may then send
    /// `Mcp-Param-` and the name. Default: none.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub params: Vec<String>,
    /// When an address that fails is left out for a while. Default: never.
    pub ejection: Option<RawEjection>,
    /// How it is asked whether it is well. Default: it is not asked.
    pub health: Option<RawHealth>,
    /// Other places of the same server, for the requests that `dispatch` sends there. Not beside `affinity: session`: a session is
    /// at home in one place.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub branches: Vec<RawBranch>,
}

mapping!(
    RawUpstream,
    "a mapping such as {address: \"127.0.0.1:3001\"}",
    [],
    [
        address,
        addresses,
        path,
        host,
        cluster,
        protocol,
        tls,
        balancing,
        affinity,
        connect,
        silence,
        idle,
        connections,
        retries,
        params,
        ejection,
        health,
        branches
    ]
);

/// Another place of a server, to which `dispatch` sends some of its requests.
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, rename = "Branch")
)]
pub struct RawBranch {
    /// As `branch` names it. Its route is called like the server's, with `.` and this behind.
    pub name: String,
    /// Where it lives and how Envoy reaches it; without branches of its own. Its cluster is called `mcp_`, the server, `_` and the
    /// branch, unless it says otherwise.
    pub upstream: RawUpstream,
}

mapping!(RawBranch, "a mapping such as {name: heavy, upstream: {address: \"a:1\"}}", [name, upstream], []);

/// When an address is left out (outlier detection).
#[derive(Clone, Debug, Default)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, rename = "Ejection")
)]
pub struct RawEjection {
    /// After so many failures in a row (no connection, no answer, or a status of 5xx), 1 to 1000. Default 5.
    pub failures: Option<u32>,
    /// For how long, 1s to 1h; longer when it happens again. Default 30s.
    pub lasts: Option<String>,
    /// How many of all addresses at most, in percent, 1 to 100. Default 50.
    pub share: Option<u32>,
}

mapping!(RawEjection, "a mapping such as {failures: 5}", [], [failures, lasts, share]);

/// How a server is asked whether it is well: by a connection, or by GET of a path.
#[derive(Clone, Debug, Default)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, rename = "Health")
)]
pub struct RawHealth {
    /// A path that answers 200. Default: that a connection is taken is enough.
    pub path: Option<String>,
    /// How often, 1s to 1h. Default 10s.
    pub every: Option<String>,
    /// How long an answer may take, 100ms to 60s. Default 2s.
    pub timeout: Option<String>,
    /// After so many failures it is ill, 1 to 100. Default 3.
    pub ill: Option<u32>,
    /// After so many answers it is well again, 1 to 100. Default 2.
    pub well: Option<u32>,
}

mapping!(RawHealth, "a mapping such as {path: /healthz}", [], [path, every, timeout, ill, well]);
