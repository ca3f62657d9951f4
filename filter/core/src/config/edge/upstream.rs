//! Where does a server live and how is it reached? `servers[].upstream`, judged.

use super::places::{Endpoint, HostName, endpoint, file, is_name, names, number, optional_file, span, word};
use super::raw::RawUpstreamTls;
use super::raw_upstream::{RawBranch, RawEjection, RawHealth, RawUpstream};
use crate::config::error::{Findings, Place};
use crate::guard::normal_path;
use std::time::Duration;

const TENTH: Duration = Duration::from_millis(100);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Where a server lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// At least one.
    pub addresses: Vec<Endpoint>,
    /// The server's own path; `None` for the one that is matched.
    pub path: Option<String>,
    /// The `Host` that it gets; `None` for the client's.
    pub host: Option<String>,
    /// The cluster's name, if one was given.
    pub cluster: Option<String>,
    /// Whether HTTP/2 is spoken.
    pub http2: bool,
    /// `None` for plain HTTP.
    pub tls: Option<ServerTls>,
    /// How one of several addresses is chosen.
    pub balancing: Balancing,
    /// What keeps to one address.
    pub affinity: Option<Affinity>,
    /// Until a connection is made.
    pub connect: Duration,
    /// Of a stream.
    pub silence: Duration,
    /// Of a connection.
    pub idle: Duration,
    /// The most of them; `None` where it is not said.
    pub connections: Option<u32>,
    /// Of what only reads.
    pub retries: u32,
    /// Names of parameters that pages may send in header fields, in lower case.
    pub params: Vec<String>,
    /// When an address is left out.
    pub ejection: Option<Ejection>,
    /// How it is asked whether it is well.
    pub health: Option<Health>,
    /// Other places of it, with their names.
    pub branches: Vec<(String, Upstream)>,
}

/// Envoy's ways to choose an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balancing {
    /// One after the other.
    RoundRobin,
    /// The one with fewer requests of two.
    LeastRequest,
    /// Any.
    Random,
    /// By hash.
    RingHash,
    /// By hash, with a table.
    Maglev,
}

/// What keeps to one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Affinity {
    /// A session.
    Session,
    /// A client address.
    Source,
}

/// TLS towards a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTls {
    /// PEM.
    pub roots: String,
    /// Subject alternative names of which one must be there; never empty.
    pub names: Vec<String>,
    /// A CRL, PEM.
    pub revoked: Option<String>,
    /// SNI.
    pub server_name: Option<String>,
    /// Our own certificate and key, PEM.
    pub own: Option<(String, String)>,
}

/// When an address is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ejection {
    /// In a row.
    pub failures: u32,
    /// At first.
    pub lasts: Duration,
    /// Percent of all addresses.
    pub share: u32,
}

/// How a server is asked whether it is well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// `None` for a connection alone.
    pub path: Option<String>,
    /// How often.
    pub every: Duration,
    /// For an answer.
    pub timeout: Duration,
    /// Failures until it is ill.
    pub ill: u32,
    /// Answers until it is well.
    pub well: u32,
}

pub(super) fn compile(raw: &RawUpstream, place: &Place, found: &mut Findings) -> Option<Upstream> {
    let addresses = addresses(raw, place, found);
    let first = addresses.first()?.clone();
    let tls_at = place.key("tls");
    let tls = raw.tls.as_ref().map(|raw| tls(raw, &first.host, &tls_at, found));
    let (balancing, affinity) = choice(raw, place, found);
    let branches_at = place.key("branches");
    if affinity == Some(Affinity::Session) && !raw.branches.is_empty() {
        found.error(&branches_at, "cannot be beside `affinity: session`: a session is at home in one place");
    }
    if let Some(cluster) = &raw.cluster {
        cluster_name(cluster, &place.key("cluster"), found);
    }
    let protocols = [("http1", false), ("http2", true)];
    let (ejection_at, health_at) = (place.key("ejection"), place.key("health"));
    Some(Upstream {
        path: path(raw.path.as_deref(), &place.key("path"), found),
        host: host(raw.host.as_deref(), &first, tls.as_ref(), &place.key("host"), found),
        cluster: raw.cluster.clone(),
        http2: word(raw.protocol.as_deref(), &protocols, &place.key("protocol"), found).unwrap_or_default(),
        tls,
        balancing,
        affinity,
        connect: span(raw.connect.as_deref(), "5s", [TENTH, MINUTE], &place.key("connect"), found),
        silence: span(raw.silence.as_deref(), "3600s", [SECOND, 24 * HOUR], &place.key("silence"), found),
        idle: span(raw.idle.as_deref(), "4s", [SECOND, HOUR], &place.key("idle"), found),
        connections: raw
            .connections
            .map(|most| number(Some(most), most, [1, 1_000_000], &place.key("connections"), found)),
        retries: number(raw.retries, 0, [0, 5], &place.key("retries"), found),
        params: params(&raw.params, &place.key("params"), found),
        ejection: raw.ejection.as_ref().map(|raw| ejection(raw, &ejection_at, found)),
        health: raw.health.as_ref().map(|raw| health(raw, &health_at, found)),
        branches: branches(&raw.branches, &branches_at, found),
        addresses,
    })
}

/// Each is a part of a field's name (RFC 9110 section 5.6.2).
fn params(raw: &[String], place: &Place, found: &mut Findings) -> Vec<String> {
    if raw.len() > 64 {
        found.error(place, format!("at most 64 names, found {}", raw.len()));
    }
    for (at, name) in raw.iter().enumerate() {
        let sound = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if name.is_empty() || name.len() > 64 || !sound {
            found.error(&place.index(at), "is a name of at most 64 letters, digits and `-`");
        }
    }
    raw.iter().map(|name| name.to_ascii_lowercase()).collect()
}

fn branches(raw: &[RawBranch], place: &Place, found: &mut Findings) -> Vec<(String, Upstream)> {
    let mut compiled: Vec<(String, Upstream)> = Vec::new();
    for (at, raw) in raw.iter().enumerate() {
        let here = place.index(at);
        cluster_name(&raw.name, &here.key("name"), found);
        if compiled.iter().any(|(name, _)| *name == raw.name) {
            found.error(&here.key("name"), format!("there is a branch `{}` already", raw.name));
        }
        let within = here.key("upstream");
        if !raw.upstream.branches.is_empty() {
            found.error(&within.key("branches"), "a branch has none of its own");
            continue;
        }
        let Some(upstream) = compile(&raw.upstream, &within, found) else { continue };
        if upstream.affinity == Some(Affinity::Session) {
            found.error(&within.key("affinity"), "a session is at home in one place: a branch keeps none");
        }
        if !upstream.params.is_empty() {
            let message =
                "preflights of pages are answered before a branch is chosen: name them at the server";
            found.error(&within.key("params"), message);
        }
        compiled.push((raw.name.clone(), upstream));
    }
    compiled
}

fn addresses(raw: &RawUpstream, place: &Place, found: &mut Findings) -> Vec<Endpoint> {
    match (&raw.address, &raw.addresses) {
        (Some(one), None) => vec![endpoint(Some(one), "", &place.key("address"), found)],
        (None, Some(several)) => {
            let here = place.key("addresses");
            if several.is_empty() {
                found.error(&here, "name at least one address");
            }
            let read = several.iter().enumerate();
            read.map(|(at, one)| endpoint(Some(one), "", &here.index(at), found)).collect()
        }
        (None, None) => {
            found.error(place, "the key `address` (or `addresses`) is missing: where does the server live?");
            Vec::new()
        }
        (Some(_), Some(_)) => {
            found.error(&place.key("addresses"), "stands beside `address`: give one of them");
            Vec::new()
        }
    }
}

fn choice(raw: &RawUpstream, place: &Place, found: &mut Findings) -> (Balancing, Option<Affinity>) {
    let words = [
        ("round_robin", Balancing::RoundRobin),
        ("least_request", Balancing::LeastRequest),
        ("random", Balancing::Random),
        ("ring_hash", Balancing::RingHash),
        ("maglev", Balancing::Maglev),
    ];
    let balancing = word(raw.balancing.as_deref(), &words, &place.key("balancing"), found);
    let affinities = [("session", Affinity::Session), ("source", Affinity::Source)];
    let affinity = word(raw.affinity.as_deref(), &affinities, &place.key("affinity"), found);
    let hashes = balancing.map(|b| matches!(b, Balancing::RingHash | Balancing::Maglev));
    let by_source = affinity == Some(Affinity::Source);
    match (hashes, by_source) {
        (Some(false), true) => found.error(
            &place.key("balancing"),
            "cannot keep to one address: with `affinity: source` it is ring_hash or maglev",
        ),
        (Some(true), false) => {
            found
                .error(&place.key("balancing"), "hashes client addresses, which `affinity: source` asks for");
        }
        _ => {}
    }
    let default = if by_source { Balancing::Maglev } else { Balancing::LeastRequest };
    (balancing.unwrap_or(default), affinity)
}

/// TLS towards a server that lives at `host`.
pub(super) fn tls(raw: &RawUpstreamTls, host: &HostName, place: &Place, found: &mut Findings) -> ServerTls {
    let own = match (&raw.chain, &raw.key) {
        (Some(chain), Some(key)) => {
            Some((file(chain, &place.key("chain"), found), file(key, &place.key("key"), found)))
        }
        (None, None) => None,
        (Some(_), None) => {
            found.error(place, "the key `key` is missing: a certificate is nothing without it");
            None
        }
        (None, Some(_)) => {
            found.error(place, "the key `chain` is missing: whose key is it?");
            None
        }
    };
    let sni = match (&raw.server_name, host) {
        (Some(name), _) => {
            if !is_name(name) {
                found.error(&place.key("server_name"), "is a name in lower case");
            }
            Some(name.clone())
        }
        (None, HostName::Name(name)) => Some(name.clone()),
        (None, HostName::Address(_)) => None,
    };
    ServerTls {
        roots: file(&raw.roots, &place.key("roots"), found),
        names: names(raw.names.as_deref(), true, &place.key("names"), found)
            .unwrap_or_else(|| vec![host.to_string()]),
        revoked: optional_file(raw.revoked.as_deref(), &place.key("revoked"), found),
        server_name: sni,
        own,
    }
}

fn path(given: Option<&str>, place: &Place, found: &mut Findings) -> Option<String> {
    let path = given?;
    if normal_path(path) != Some(path) || (path.len() > 1 && path.ends_with('/')) {
        found
            .error(place, "is a path that begins with `/` and is plain, without a query or a `/` at the end");
    }
    Some(path.to_owned())
}

/// The `Host` for the server: that of its certificate where it has one, else what stands in its address.
fn host(
    given: Option<&str>,
    first: &Endpoint,
    tls: Option<&ServerTls>,
    place: &Place,
    found: &mut Findings,
) -> Option<String> {
    match given {
        Some("keep") => None,
        Some(text) => {
            let sound = is_name(text) || Endpoint::parse(text).is_some();
            if !sound && text.parse::<std::net::Ipv4Addr>().is_err() {
                found.error(place, "is a host with a port or without, or `keep`");
            }
            Some(text.to_owned())
        }
        None if first.port == if tls.is_some() { 443 } else { 80 } => match &first.host {
            HostName::Address(address) if address.is_ipv6() => Some(format!("[{address}]")),
            host => Some(host.to_string()),
        },
        None => Some(first.to_string()),
    }
}

/// Refuses what is no name for a cluster, or the name of one that is there anyway.
pub(super) fn cluster_name(text: &str, place: &Place, found: &mut Findings) {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    if text.is_empty() || text.len() > 60 || !plain {
        found.error(place, "is a name of at most 60 letters, digits, `_`, `-` and `.`");
    }
    if matches!(text, "auth_public" | "auth_internal" | "canary" | "traces") {
        found.error(place, "is the name of a cluster that is there anyway");
    }
    if text == "auth" {
        // Its files of SDS would be those of the authorization server: one would be met by the authority of the other.
        found
            .error(place, "is what the secrets of the authorization server are called: give it another name");
    }
}

fn ejection(raw: &RawEjection, place: &Place, found: &mut Findings) -> Ejection {
    Ejection {
        failures: number(raw.failures, 5, [1, 1000], &place.key("failures"), found),
        lasts: span(raw.lasts.as_deref(), "30s", [SECOND, HOUR], &place.key("lasts"), found),
        share: number(raw.share, 50, [1, 100], &place.key("share"), found),
    }
}

fn health(raw: &RawHealth, place: &Place, found: &mut Findings) -> Health {
    Health {
        path: path(raw.path.as_deref(), &place.key("path"), found),
        every: span(raw.every.as_deref(), "10s", [SECOND, HOUR], &place.key("every"), found),
        timeout: span(raw.timeout.as_deref(), "2s", [TENTH, MINUTE], &place.key("timeout"), found),
        ill: number(raw.ill, 3, [1, 100], &place.key("ill"), found),
        well: number(raw.well, 2, [1, 100], &place.key("well"), found),
    }
}
