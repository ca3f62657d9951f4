//! Which servers does Envoy reach, and how?

use super::secrets::Secrets;
use super::template::{fill, scalar, seconds};
use super::{Drawing, Target, canary, credential, error, tls};
use crate::outcome::Unusable;
use serde_json::Value;
use std::time::Duration;
use wicketgate_core::config::ConfigError;
use wicketgate_core::config::edge::{Balancing, Ejection, Endpoint, Health, HostName, ServerTls};

/// What most clusters say of connections: below the 5 s after which many servers close an idle one.
const IDLE: Duration = Duration::from_secs(4);
/// As many connections and requests, where nothing else is said.
const MOST: u32 = 10_000;

/// Values that several clusters share: named where they stand first, referred to by that name afterwards.
#[derive(Default)]
struct Shared(Vec<(String, String)>);

/// What of the policy names no cluster, or one twice.
pub(super) fn judge(drawing: &Drawing, policy: &Value, errors: &mut Vec<ConfigError>) {
    let mut known: Vec<&str> = vec!["auth_public", "auth_internal"];
    for (at, target) in drawing.targets.iter().enumerate() {
        if known.contains(&target.cluster.as_str()) {
            let message =
                format!("there is a cluster `{}` already: give this one another name", target.cluster);
            errors.push(error(format!("servers[{at}].upstream.cluster"), message));
        }
        known.push(&target.cluster);
        for (branch, at_branch) in target.branches.iter().enumerate() {
            if known.contains(&at_branch.cluster.as_str()) {
                let message =
                    format!("there is a cluster `{}` already: give this one another name", at_branch.cluster);
                errors.push(error(
                    format!("servers[{at}].upstream.branches[{branch}].upstream.cluster"),
                    message,
                ));
            }
            known.push(&at_branch.cluster);
        }
    }
    for (at, cluster) in drawing.edge.clusters.iter().enumerate() {
        if known.contains(&cluster.name.as_str()) {
            let message =
                format!("there is a cluster `{}` already: give this one another name", cluster.name);
            errors.push(error(format!("edge.clusters[{at}].name"), message));
        }
        known.push(&cluster.name);
    }
    for (path, name) in named(policy) {
        if !known.contains(&name.as_str()) {
            let message = format!(
                "there is no cluster `{name}`: add it to `edge.clusters`; there are: {}",
                known.join(", ")
            );
            errors.push(error(path, message));
        }
    }
}

/// Where the filter's policy names clusters, and which.
pub(super) fn named(policy: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut take = |path: String, value: &Value| {
        if let Some(name) = value.get("cluster").and_then(Value::as_str) {
            found.push((format!("{path}.cluster"), name.to_owned()));
        }
    };
    let issuers = policy.get("issuers").and_then(Value::as_array);
    for (at, issuer) in issuers.into_iter().flatten().enumerate() {
        for key in ["jwks", "validate", "revocations"] {
            issuer.get(key).into_iter().for_each(|value| take(format!("issuers[{at}].{key}"), value));
        }
    }
    policy.get("leases").into_iter().for_each(|value| take("leases".to_owned(), value));
    let servers = policy.get("servers").and_then(Value::as_array);
    for (at, server) in servers.into_iter().flatten().enumerate() {
        server.get("opa").into_iter().for_each(|value| take(format!("servers[{at}].opa"), value));
        for key in ["exchanged", "signed_identity"] {
            let given = server.pointer(&format!("/credential/{key}"));
            given.into_iter().for_each(|value| take(format!("servers[{at}].credential.{key}"), value));
        }
    }
    found
}

/// All clusters.
pub(super) fn draw(drawing: &Drawing, secrets: &mut Secrets) -> Result<Vec<String>, Unusable> {
    let mut shared = Shared::default();
    let mut drawn = Vec::new();
    for target in &drawing.targets {
        drawn.push(server(target, &mut shared, secrets)?);
        for branch in &target.branches {
            drawn.push(server(branch, &mut shared, secrets)?);
        }
    }
    drawn.extend(sidecar(drawing, &mut shared, secrets)?);
    for other in &drawing.edge.clusters {
        drawn.push(asked(&other.name, &other.address, other.tls.as_ref(), &mut shared, secrets)?);
    }
    drawn.extend(traces(drawing, &mut shared, secrets)?);
    drawn.extend(canary::draw(drawing)?);
    Ok(drawn)
}

fn server(target: &Target, shared: &mut Shared, secrets: &mut Secrets) -> Result<String, Unusable> {
    let Target { upstream, cluster, .. } = target;
    let protocol = protocol(upstream.idle, upstream.http2, &credential::draw(target, secrets)?)?;
    let endpoints: String = upstream.addresses.iter().map(|at| format!("- {}\n", endpoint(at))).collect();
    let ejection = upstream.ejection.as_ref().map_or_else(String::new, ejection);
    let health = upstream
        .health
        .as_ref()
        .map_or_else(String::new, |health| self::health(health, upstream.host.as_deref(), upstream.http2));
    fill(
        include_str!("parts/server_cluster.yaml"),
        &[
            (
                "server",
                &target.branch.map_or(target.server.name.clone(), |b| {
                    format!("{}, its branch {b}", target.server.name)
                }),
            ),
            ("cluster", &scalar(cluster)),
            ("connect", &seconds(upstream.connect)),
            ("balancing", balancing(upstream.balancing, upstream.addresses.len())),
            ("endpoints", &endpoints),
            ("breakers", &shared.use_of("breakers", &breakers(upstream.connections))),
            ("protocol", &shared.use_of("short_idle", &protocol)),
            ("ejection", &ejection),
            ("health", &health),
            ("transport_socket", &tls::upstream(upstream.tls.as_ref(), cluster, secrets)?),
        ],
    )
}

fn sidecar(drawing: &Drawing, shared: &mut Shared, secrets: &mut Secrets) -> Result<[String; 2], Unusable> {
    let sidecar = &drawing.edge.sidecar;
    let tls = sidecar.tls.as_ref();
    let kept = protocol(IDLE, false, "")?;
    let public = fill(
        include_str!("parts/sidecar_public_cluster.yaml"),
        &[
            ("public_type", kind(&sidecar.public)),
            ("public", &format!("- {}", endpoint(&sidecar.public))),
            ("breakers", &shared.use_of("breakers", &breakers(None))),
            ("protocol", &shared.use_of("short_idle", &kept)),
            ("transport_socket", &tls::upstream(tls, "auth", secrets)?),
        ],
    )?;
    let internal = fill(
        include_str!("parts/sidecar_internal_cluster.yaml"),
        &[
            ("internal_type", kind(&sidecar.internal)),
            ("internal", &format!("- {}", endpoint(&sidecar.internal))),
            ("protocol", &shared.use_of("short_idle", &kept)),
            ("transport_socket", &tls::upstream(tls, "auth", secrets)?),
        ],
    )?;
    Ok([public, internal])
}

/// A server that the filter alone asks.
fn asked(
    name: &str,
    at: &Endpoint,
    tls: Option<&ServerTls>,
    shared: &mut Shared,
    secrets: &mut Secrets,
) -> Result<String, Unusable> {
    fill(
        include_str!("parts/asked_cluster.yaml"),
        &[
            ("name", &scalar(name)),
            ("type", kind(at)),
            ("endpoint", &format!("- {}", endpoint(at))),
            ("protocol", &shared.use_of("short_idle", &protocol(IDLE, false, "")?)),
            ("transport_socket", &tls::upstream(tls, name, secrets)?),
        ],
    )
}

fn traces(drawing: &Drawing, shared: &mut Shared, secrets: &mut Secrets) -> Result<Option<String>, Unusable> {
    let Some(traces) = &drawing.edge.traces else { return Ok(None) };
    fill(
        include_str!("parts/traces_cluster.yaml"),
        &[
            ("type", kind(&traces.collector)),
            ("endpoint", &format!("- {}", endpoint(&traces.collector))),
            ("protocol", &shared.use_of("short_idle", &protocol(IDLE, false, "")?)),
            ("transport_socket", &tls::upstream(traces.tls.as_ref(), "traces", secrets)?),
        ],
    )
    .map(Some)
}

/// Where Envoy goes, an entry of a list.
pub(super) fn endpoint(at: &Endpoint) -> String {
    let (host, port) = (scalar(&at.host.to_string()), at.port);
    format!("endpoint: {{address: {{socket_address: {{address: {host}, port_value: {port}}}}}}}")
}

/// Addresses are as they are; names are looked up again and again.
fn kind(at: &Endpoint) -> &'static str {
    if matches!(at.host, HostName::Address(_)) { "STATIC" } else { "STRICT_DNS" }
}

fn breakers(most: Option<u32>) -> String {
    let most = most.unwrap_or(MOST);
    format!("thresholds: [{{max_connections: {most}, max_pending_requests: {most}, max_requests: {most}}}]\n")
}

/// `filters` are those of requests on their way to the server, a block.
fn protocol(idle: Duration, http2: bool, filters: &str) -> Result<String, Unusable> {
    let explicit = if http2 {
        "{http2_protocol_options: {}}"
    } else {
        "{http_protocol_options: {enable_trailers: true}}"
    };
    fill(
        include_str!("parts/protocol.yaml"),
        &[("idle", &seconds(idle)), ("explicit", explicit), ("filters", filters)],
    )
}

fn balancing(balancing: Balancing, addresses: usize) -> &'static str {
    match balancing {
        Balancing::LeastRequest if addresses == 1 => "",
        Balancing::LeastRequest => "lb_policy: LEAST_REQUEST",
        Balancing::RoundRobin => "lb_policy: ROUND_ROBIN",
        Balancing::Random => "lb_policy: RANDOM",
        Balancing::RingHash => "lb_policy: RING_HASH",
        Balancing::Maglev => "lb_policy: MAGLEV",
    }
}

fn ejection(ejection: &Ejection) -> String {
    let Ejection { failures, lasts, share } = ejection;
    let lasts = seconds(*lasts);
    format!(
        "# An address that fails is left out for a while.\noutlier_detection: {{consecutive_5xx: {failures}, interval: 1s, \
         base_ejection_time: {lasts}, max_ejection_percent: {share}, enforcing_success_rate: 0}}\n"
    )
}

fn health(health: &Health, host: Option<&str>, http2: bool) -> String {
    let (every, timeout) = (seconds(health.every), seconds(health.timeout));
    let how = match &health.path {
        Some(path) => {
            let host = host.map_or_else(String::new, |host| format!(", host: {}", scalar(host)));
            // Envoy asks in HTTP/1.1, whatever the cluster speaks, unless it is told.
            let codec = if http2 { ", codec_client_type: HTTP2" } else { "" };
            format!("http_health_check: {{path: {}{host}{codec}}}", scalar(path))
        }
        None => "tcp_health_check: {}".to_owned(),
    };
    format!(
        "health_checks:\n  - {{timeout: {timeout}, interval: {every}, no_traffic_interval: {every}, unhealthy_threshold: {}, \
         healthy_threshold: {}, {how}}}\n",
        health.ill, health.well
    )
}

// === impl Shared ===

impl Shared {
    /// `text` under an anchor that begins with `name`, or the alias for it where it stood before.
    fn use_of(&mut self, name: &str, text: &str) -> String {
        if let Some((_, anchor)) = self.0.iter().find(|(known, _)| known == text) {
            return format!("*{anchor}");
        }
        let count = self.0.iter().filter(|(_, anchor)| anchor.starts_with(name)).count();
        let anchor = if count == 0 { name.to_owned() } else { format!("{name}_{}", count + 1) };
        let named = format!("&{anchor}\n{text}");
        self.0.push((text.to_owned(), anchor));
        named
    }
}
