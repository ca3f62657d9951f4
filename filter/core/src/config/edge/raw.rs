//! How is the Envoy around the filter described? A mirror without behaviour, as in `raw`.

use super::raw_traces::RawTraces;
use crate::config::raw::{RawRate, RawSize};
use crate::config::read::mapping;

/// The Envoy around the filter: where it listens, whom it trusts, how much it bears. For `wicketgate render envoy` alone.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields, rename = "Edge"))]
pub struct RawEdge {
    /// The public listener.
    pub listen: Option<RawListen>,
    /// The admin listener, which can stop Envoy and shows everything. Default `127.0.0.1:9901`.
    pub admin: Option<String>,
    /// Where the authorization server is.
    pub authorization_server: Option<RawSidecar>,
    /// Which files Envoy reads and writes, from the folder that it is started in.
    pub files: Option<RawFiles>,
    /// How long things may take.
    pub times: Option<RawTimes>,
    /// How much Envoy bears.
    pub limits: Option<RawEdgeLimits>,
    /// A request that the filter must refuse, sent again and again through the public listener.
    pub canary: Option<RawCanary>,
    /// Other servers that the filter asks, such as the keys of another issuer. No route leads to them.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub clusters: Vec<RawCluster>,
    /// Where spans of requests go. Default: nowhere.
    pub traces: Option<RawTraces>,
    /// Which hosts Envoy may reach at all. Default: those that the policy names.
    pub egress: Option<RawEgress>,
}

mapping!(
    RawEdge,
    "a mapping",
    [],
    [listen, admin, authorization_server, files, times, limits, canary, clusters, traces, egress]
);

/// Which hosts Envoy may reach, in TLS alone: every address of the policy beyond this machine must be among them, and every name that is
/// asked for there (SNI).
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, rename = "Egress")
)]
pub struct RawEgress {
    /// Host names, `*.` and one for all below it, or IP addresses.
    pub hosts: Vec<String>,
}

mapping!(RawEgress, "a mapping such as {hosts: [mcp.partner.example]}", [hosts], []);

/// The public listener.
#[derive(Clone, Debug, Default)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, rename = "Listen")
)]
pub struct RawListen {
    /// An IP address with a port. Default `127.0.0.1:8080`.
    pub address: Option<String>,
    /// How clients are met in TLS. Default: plain HTTP.
    pub tls: Option<RawListenTls>,
    /// How many proxies of one's own stand before this Envoy: so many entries at the end of `X-Forwarded-For` are believed,
    /// and the one before them is the client. Default 0: the peer is the client.
    pub trusted_hops: Option<u32>,
    /// Whether each connection begins with a PROXY protocol header (v1 or v2), which says who the client is; a connection
    /// without one is closed. Default false.
    pub proxy_protocol: Option<bool>,
}

mapping!(
    RawListen,
    "a mapping such as {address: \"0.0.0.0:8443\"}",
    [],
    [address, tls, trusted_hops, proxy_protocol]
);

/// TLS towards clients: HTTP/2 and HTTP/1.1 by ALPN.
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, rename = "ListenTls")
)]
pub struct RawListenTls {
    /// Certificates, each with its key: the one that has the name which the client asks for (SNI) is shown, else the first.
    /// Envoy takes files anew that are moved into their place, without a restart.
    pub certificates: Vec<RawCertificate>,
    /// The oldest version, `1.2` or `1.3`. Default `1.2`.
    pub minimum: Option<String>,
    /// Whose certificates clients must show. Default: none is asked for.
    pub clients: Option<RawPeers>,
    /// Whether HTTP/3 is spoken on the same port, over UDP; with `clients` by Envoy 1.40 or later. Default false.
    pub http3: Option<bool>,
}

mapping!(
    RawListenTls,
    "a mapping such as {certificates: [{chain: tls.crt, key: tls.key}]}",
    [certificates],
    [minimum, clients, http3]
);

/// A certificate of ours.
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, rename = "Certificate")
)]
pub struct RawCertificate {
    /// The file of the certificate and those that lead to its root, PEM.
    pub chain: String,
    /// The file of its private key, PEM.
    pub key: String,
}

mapping!(RawCertificate, "a mapping such as {chain: tls.crt, key: tls.key}", [chain, key], []);

/// Whom one believes, and no one else.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields, rename = "Peers"))]
pub struct RawPeers {
    /// The file of the certificates that a certificate must lead to, PEM. Envoy takes it anew when it is moved into place.
    pub roots: String,
    /// The file of revoked certificates (CRL), PEM, taken anew in the same way. Default: none is revoked.
    pub revoked: Option<String>,
    /// Names of which the certificate must have one (subject alternative names: DNS, or URI where there is `://`). Default:
    /// any that leads to `roots`.
    pub names: Option<Vec<String>>,
}

mapping!(RawPeers, "a mapping such as {roots: ca.pem}", [roots], [revoked, names]);

/// The authorization server, as Envoy reaches it.
#[derive(Clone, Debug, Default)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, rename = "Sidecar")
)]
pub struct RawSidecar {
    /// Its public listener. Default `127.0.0.1:9000`.
    pub public: Option<String>,
    /// Its internal listener, for the filter alone. Default `127.0.0.1:9001`.
    pub internal: Option<String>,
    /// How both are met in TLS. Default: plain HTTP.
    pub tls: Option<RawUpstreamTls>,
}

mapping!(RawSidecar, "a mapping such as {public: \"127.0.0.1:9000\"}", [], [public, internal, tls]);

/// TLS towards a server.
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, rename = "UpstreamTls")
)]
pub struct RawUpstreamTls {
    /// The file of the certificates that the server's must lead to, PEM; `/etc/ssl/certs/ca-certificates.crt` for public ones.
    pub roots: String,
    /// Names of which the server's certificate must have one. Default: the host of its address.
    pub names: Option<Vec<String>>,
    /// The file of revoked certificates (CRL), PEM. Default: none is revoked.
    pub revoked: Option<String>,
    /// The name that the server is asked for (SNI). Default: the host of its address, where that is a name.
    pub server_name: Option<String>,
    /// The certificate that is shown to the server (mutual TLS), PEM. Default: none.
    pub chain: Option<String>,
    /// Its private key, PEM.
    pub key: Option<String>,
}

mapping!(
    RawUpstreamTls,
    "a mapping such as {roots: ca.pem}",
    [roots],
    [names, revoked, server_name, chain, key]
);

/// Files of Envoy.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields, rename = "Files"))]
pub struct RawFiles {
    /// The filter's configuration, which `wicketgate render --to ecds` writes. Default `.run/filter.yaml`.
    pub filter: Option<String>,
    /// Where records of decisions go. Default `.run/audit.jsonl`.
    pub audit: Option<String>,
    /// Where every request is noted. Default `.run/access.log`.
    pub access: Option<String>,
}

mapping!(RawFiles, "a mapping such as {audit: /var/log/wicketgate/audit.jsonl}", [], [filter, audit, access]);

/// Time limits of the public listener.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields, rename = "Times"))]
pub struct RawTimes {
    /// Until the header fields of a request have come, 1s to 5m. Default 10s.
    pub headers: Option<String>,
    /// Until a request has come whole, 1s to 1h. Default 30s.
    pub request: Option<String>,
    /// How long a stream may be silent on other paths than those of servers, 1s to 1h. Default 300s.
    pub silence: Option<String>,
    /// How long a connection without any stream is kept, 1s to 24h. Default 300s.
    pub connection: Option<String>,
    /// How long a connection is warned before it is closed while Envoy stops listening, 1s to 1h. Default 5s.
    pub drain: Option<String>,
}

mapping!(RawTimes, "a mapping such as {request: 30s}", [], [headers, request, silence, connection, drain]);

/// How much Envoy bears.
#[derive(Clone, Debug, Default)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, rename = "EdgeLimits")
)]
pub struct RawEdgeLimits {
    /// How many connections of clients there may be, 1 to 1000000; more are closed at once (over TCP: Envoy counts none of QUIC). Default 10000.
    pub connections: Option<u32>,
    /// How many streams one HTTP/2 connection may carry, 1 to 10000. Default 100.
    pub streams: Option<u32>,
    /// What Envoy holds of one request or answer, at least the largest `request_bytes` and `response_bytes`, at most 1GiB.
    /// Default 16MiB, or as much as these need.
    pub buffer: Option<RawSize>,
    /// The memory that Envoy may have, at least 256MiB: of 85% the streams that hold most are ended, of 95% it takes no more requests, of 98% no more connections. Default:
    /// no bound.
    pub memory: Option<RawSize>,
    /// How often one source address may ask the authorization server through this Envoy; its metadata may be asked for
    /// always. Default: as often as the authorization server itself allows.
    pub oauth: Option<RawRate>,
}

mapping!(
    RawEdgeLimits,
    "a mapping such as {connections: 10000}",
    [],
    [connections, streams, buffer, memory, oauth]
);

/// A request without a credential that must be answered with 401: if it is not, the filter is not in the way.
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, rename = "Canary")
)]
pub struct RawCanary {
    /// The server that is asked, by name. No rule of it may mean `anonymous`, its `addresses` must let Envoy itself ask, and its `versions`
    /// hold one before 2026-07-28.
    pub server: String,
    /// How often, 1s to 1h. Default 10s.
    pub every: Option<String>,
}

mapping!(RawCanary, "a mapping such as {server: notes}", [server], [every]);

/// A server that the filter asks.
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, rename = "Cluster")
)]
pub struct RawCluster {
    /// As `cluster` names it: in `jwks`, `validate`, `revocations`, `leases`, `opa`.
    pub name: String,
    /// A host name or an IP address, with a port.
    pub address: String,
    /// How it is met in TLS. Default: plain HTTP.
    pub tls: Option<RawUpstreamTls>,
}

mapping!(
    RawCluster,
    "a mapping such as {name: idp, address: \"idp.example.com:443\"}",
    [name, address],
    [tls]
);
