//! Where does Envoy listen, whom does it trust, how much does it bear? `edge`, judged.

use super::places::{self, Endpoint, endpoint, file, names, number, optional_file, socket, span, word};
use super::raw::{
    RawCanary, RawCertificate, RawCluster, RawEdge, RawEdgeLimits, RawListen, RawListenTls, RawPeers,
};
use super::raw::{RawFiles, RawSidecar, RawTimes};
use super::secret::InjectedSecret;
use super::traces::{self, Traces};
use super::upstream::{self, ServerTls, Upstream};
use crate::config::error::{Findings, Place};
use crate::config::limits::{here, size_up_to};
use crate::config::raw::RawSize;
use crate::limits::rate::Rate;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
const MIB: u64 = 1 << 20;

/// The Envoy around the filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The public listener.
    pub listen: Listen,
    /// The admin listener.
    pub admin: Endpoint,
    /// The authorization server.
    pub sidecar: Sidecar,
    /// Files of Envoy.
    pub files: Files,
    /// Time limits.
    pub times: Times,
    /// How much it bears.
    pub limits: Limits,
    /// What proves that the filter is in the way.
    pub canary: Option<Canary>,
    /// Where spans go.
    pub traces: Option<Traces>,
    /// Other servers that the filter asks.
    pub clusters: Vec<Cluster>,
    /// Where each server of the policy lives, in their order; `None` where it is not said.
    pub upstreams: Vec<Option<Upstream>>,
    /// The secret that Envoy shows to each of them, where it shows one.
    pub secrets: Vec<Option<InjectedSecret>>,
}

/// The public listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// An IP address with a port.
    pub at: Endpoint,
    /// `None` for plain HTTP.
    pub tls: Option<ListenTls>,
    /// How many proxies of one's own stand before.
    pub trusted_hops: u32,
    /// Whether connections begin with a PROXY protocol header.
    pub proxy_protocol: bool,
}

/// TLS towards clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenTls {
    /// At least one; the first is shown where none has the name that was asked for.
    pub certificates: Vec<Certificate>,
    /// Whether 1.2 is refused.
    pub only_13: bool,
    /// Whose certificates clients must show.
    pub clients: Option<Peers>,
    /// Whether HTTP/3 is spoken, too.
    pub http3: bool,
}

/// A certificate of ours, as files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// PEM.
    pub chain: String,
    /// PEM.
    pub key: String,
}

/// Whom one believes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peers {
    /// PEM.
    pub roots: String,
    /// A CRL, PEM.
    pub revoked: Option<String>,
    /// Subject alternative names, one of which must be there; empty for any.
    pub names: Vec<String>,
}

/// The authorization server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sidecar {
    /// For clients and browsers.
    pub public: Endpoint,
    /// For the filter alone.
    pub internal: Endpoint,
    /// `None` for plain HTTP.
    pub tls: Option<ServerTls>,
}

/// Files of Envoy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The filter's configuration.
    pub filter: String,
    /// Records of decisions.
    pub audit: String,
    /// All requests.
    pub access: String,
}

/// Time limits of the public listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Times {
    /// For header fields.
    pub headers: Duration,
    /// For a whole request.
    pub request: Duration,
    /// Of a silent stream.
    pub silence: Duration,
    /// Of a connection without streams.
    pub connection: Duration,
    /// From the warning to the end of a connection.
    pub drain: Duration,
}

/// How much Envoy bears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of clients.
    pub connections: u32,
    /// In one HTTP/2 connection.
    pub streams: u32,
    /// For one request or answer, bytes; `None` where it is not said.
    pub buffer: Option<u64>,
    /// Bytes.
    pub memory: Option<u64>,
    /// For one address at the authorization server.
    pub oauth: Option<Rate>,
}

/// A server that the filter asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Unique.
    pub name: String,
    /// Where it lives.
    pub address: Endpoint,
    /// `None` for plain HTTP.
    pub tls: Option<ServerTls>,
}

/// A request that must be refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canary {
    /// The name of a server.
    pub server: String,
    /// How often.
    pub every: Duration,
}

pub(super) fn compile(raw: &RawEdge, place: &Place, found: &mut Findings) -> Edge {
    let (none, listen_at) = (RawListen::default(), place.key("listen"));
    let canary_at = place.key("canary");
    Edge {
        listen: listen(raw.listen.as_ref().unwrap_or(&none), &listen_at, found),
        admin: socket(raw.admin.as_deref(), "127.0.0.1:9901", &place.key("admin"), found),
        sidecar: sidecar(raw.authorization_server.as_ref(), &place.key("authorization_server"), found),
        files: files(raw.files.clone().unwrap_or_default(), &place.key("files"), found),
        times: times(&raw.times.clone().unwrap_or_default(), &place.key("times"), found),
        limits: limits(&raw.limits.clone().unwrap_or_default(), &place.key("limits"), found),
        canary: raw.canary.as_ref().map(|raw| canary(raw, &canary_at, found)),
        traces: raw.traces.as_ref().map(|raw| traces::compile(raw, &place.key("traces"), found)),
        clusters: clusters(&raw.clusters, &place.key("clusters"), found),
        upstreams: Vec::new(),
        secrets: Vec::new(),
    }
}

fn clusters(raw: &[RawCluster], place: &Place, found: &mut Findings) -> Vec<Cluster> {
    let mut clusters: Vec<Cluster> = Vec::new();
    for (at, raw) in raw.iter().enumerate() {
        let here = place.index(at);
        upstream::cluster_name(&raw.name, &here.key("name"), found);
        if clusters.iter().any(|other| other.name == raw.name) {
            found.error(&here.key("name"), format!("the name `{}` stands twice", raw.name));
        }
        let address = endpoint(Some(&raw.address), "", &here.key("address"), found);
        let tls_at = here.key("tls");
        let tls = raw.tls.as_ref().map(|raw| upstream::tls(raw, &address.host, &tls_at, found));
        clusters.push(Cluster { name: raw.name.clone(), address, tls });
    }
    clusters
}

fn listen(raw: &RawListen, place: &Place, found: &mut Findings) -> Listen {
    let tls_at = place.key("tls");
    let hops = number(raw.trusted_hops, 0, [0, 16], &place.key("trusted_hops"), found);
    let listen = Listen {
        at: socket(raw.address.as_deref(), "127.0.0.1:8080", &place.key("address"), found),
        tls: raw.tls.as_ref().map(|raw| tls(raw, &tls_at, found)),
        trusted_hops: hops,
        proxy_protocol: raw.proxy_protocol.unwrap_or_default(),
    };
    let http3 = listen.tls.as_ref().is_some_and(|tls| tls.http3);
    if http3 && listen.proxy_protocol {
        found.error(&tls_at.key("http3"), "UDP has no PROXY protocol: every client would be the balancer");
    }
    listen
}

fn tls(raw: &RawListenTls, place: &Place, found: &mut Findings) -> ListenTls {
    let certificates_at = place.key("certificates");
    if raw.certificates.is_empty() {
        found.error(&certificates_at, "name at least one certificate");
    }
    let mut certificates: Vec<Certificate> = Vec::new();
    for (at, raw) in raw.certificates.iter().enumerate() {
        certificates.push(certificate(raw, &certificates_at.index(at), found));
    }
    let versions = [("1.2", false), ("1.3", true)];
    let clients_at = place.key("clients");
    ListenTls {
        certificates,
        only_13: word(raw.minimum.as_deref(), &versions, &place.key("minimum"), found).unwrap_or_default(),
        clients: raw.clients.as_ref().map(|raw| peers(raw, &clients_at, found)),
        http3: raw.http3.unwrap_or_default(),
    }
}

fn certificate(raw: &RawCertificate, place: &Place, found: &mut Findings) -> Certificate {
    Certificate {
        chain: file(&raw.chain, &place.key("chain"), found),
        key: file(&raw.key, &place.key("key"), found),
    }
}

fn peers(raw: &RawPeers, place: &Place, found: &mut Findings) -> Peers {
    Peers {
        roots: file(&raw.roots, &place.key("roots"), found),
        revoked: optional_file(raw.revoked.as_deref(), &place.key("revoked"), found),
        names: names(raw.names.as_deref(), true, &place.key("names"), found).unwrap_or_default(),
    }
}

fn sidecar(raw: Option<&RawSidecar>, place: &Place, found: &mut Findings) -> Sidecar {
    let none = RawSidecar::default();
    let raw = raw.unwrap_or(&none);
    let public = endpoint(raw.public.as_deref(), "127.0.0.1:9000", &place.key("public"), found);
    let internal = endpoint(raw.internal.as_deref(), "127.0.0.1:9001", &place.key("internal"), found);
    if public == internal {
        found.error(
            &place.key("internal"),
            "is the public listener: whoever is let in there may ask anything",
        );
    }
    let tls_at = place.key("tls");
    let tls = raw.tls.as_ref().map(|raw| upstream::tls(raw, &internal.host, &tls_at, found));
    Sidecar { public, internal, tls }
}

fn files(raw: RawFiles, place: &Place, found: &mut Findings) -> Files {
    let mut path = |given: Option<String>, default: &str, key: &str| {
        given.map_or(default.to_owned(), |text| file(&text, &place.key(key), found))
    };
    Files {
        filter: path(raw.filter, ".run/filter.yaml", "filter"),
        audit: path(raw.audit, ".run/audit.jsonl", "audit"),
        access: path(raw.access, ".run/access.log", "access"),
    }
}

fn times(raw: &RawTimes, place: &Place, found: &mut Findings) -> Times {
    let mut time = |text: &Option<String>, default: &str, key: &str, most: Duration| {
        span(text.as_deref(), default, [SECOND, most], &place.key(key), found)
    };
    Times {
        headers: time(&raw.headers, "10s", "headers", SECOND * 300),
        request: time(&raw.request, "30s", "request", HOUR),
        silence: time(&raw.silence, "300s", "silence", HOUR),
        connection: time(&raw.connection, "300s", "connection", DAY),
        drain: time(&raw.drain, "5s", "drain", HOUR),
    }
}

fn limits(raw: &RawEdgeLimits, place: &Place, found: &mut Findings) -> Limits {
    let mut bytes = |given: &Option<RawSize>, most: u64, key: &str| {
        given.as_ref().map(|raw| size_up_to(most, Some(raw), 0, &place.key(key), found))
    };
    let buffer = bytes(&raw.buffer, 1024 * MIB, "buffer");
    let memory = bytes(&raw.memory, (1 << 20) * MIB, "memory");
    if memory.is_some_and(|bytes| bytes > 0 && bytes < 256 * MIB) {
        found.error(&place.key("memory"), "is at least 256MiB: V8 and the filter need a part of it");
    }
    let oauth_at = place.key("oauth");
    Limits {
        connections: number(raw.connections, 10_000, [1, 1_000_000], &place.key("connections"), found),
        streams: number(raw.streams, 100, [1, 10_000], &place.key("streams"), found),
        buffer,
        memory,
        oauth: raw.oauth.as_ref().map(|raw| here(raw, &oauth_at, found)),
    }
}

fn canary(raw: &RawCanary, place: &Place, found: &mut Findings) -> Canary {
    Canary {
        server: raw.server.clone(),
        every: places::span(raw.every.as_deref(), "10s", [SECOND, HOUR], &place.key("every"), found),
    }
}
