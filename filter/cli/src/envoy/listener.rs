//! Where does Envoy listen, and what is done with each request before a route is chosen?

use super::secrets::Secrets;
use super::template::{fill, scalar, seconds};
use super::{Drawing, canary, error, tls, traces};
use crate::outcome::Unusable;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use wicketgate_core::config::ConfigError;
use wicketgate_core::config::edge::{Affinity, Endpoint, HostName};

/// What is buffered for one request or answer, unless servers need more.
const BUFFER: u64 = 16 << 20;

/// What of the listener does not fit the servers.
pub(super) fn judge(drawing: &Drawing, errors: &mut Vec<ConfigError>) {
    let needed = needed(drawing);
    if let Some(buffer) = drawing.edge.limits.buffer.filter(|buffer| *buffer < needed) {
        let message =
            format!("{buffer} bytes are less than the largest `request_bytes` or `response_bytes`, {needed}");
        errors.push(error("edge.limits.buffer", message));
    }
    canary::judge(drawing, errors);
}

/// The listeners: one over TCP, and with HTTP/3 one over UDP.
pub(super) fn draw(drawing: &Drawing, routes: &str, secrets: &mut Secrets) -> Result<Vec<String>, Unusable> {
    let mut listeners = vec![listener(drawing, routes, false, secrets)?];
    if drawing.edge.listen.tls.as_ref().is_some_and(|tls| tls.http3) {
        listeners.push(listener(drawing, routes, true, secrets)?);
    }
    Ok(listeners)
}

fn listener(drawing: &Drawing, routes: &str, quic: bool, secrets: &mut Secrets) -> Result<String, Unusable> {
    let edge = drawing.edge;
    let (listen, times) = (&edge.listen, &edge.times);
    let transport = match &listen.tls {
        Some(tls) => tls::downstream(tls, quic, secrets)?,
        None => String::new(),
    };
    let routes = match &drawing.routes_file {
        None => format!("route_config:\n{}", super::indented(routes, 2)),
        Some(file) => format!(
            "# By RDS from a file: other routes close no connection.\nrds:\n  route_config_name: public\n  config_source: \
             {{resource_api_version: V3, path_config_source: {{path: {}}}}}\n",
            scalar(file)
        ),
    };
    let hops = match listen.trusted_hops {
        0 => String::new(),
        hops => format!(
            "# So many proxies of one's own stand before: the client is whom the first of them saw.\nxff_num_trusted_hops: {hops}\n"
        ),
    };
    fill(
        include_str!("parts/listener.yaml"),
        &[
            ("name", if quic { "public_udp" } else { "public" }),
            ("protocol", if quic { "protocol: UDP, " } else { "" }),
            ("address", &scalar(&listen.at.host.to_string())),
            ("port", &listen.at.port.to_string()),
            ("buffer", &edge.limits.buffer.unwrap_or_else(|| needed(drawing).max(BUFFER)).to_string()),
            ("listener_filters", &listener_filters(drawing, quic)),
            ("codec", if quic { "HTTP3" } else { "AUTO" }),
            ("trusted_hops", &hops),
            ("tracing", &traces::draw(drawing)?),
            ("time_headers", &seconds(times.headers)),
            ("time_request", &seconds(times.request)),
            ("time_silence", &seconds(times.silence)),
            ("time_drain", &seconds(times.drain)),
            ("time_connection", &seconds(times.connection)),
            ("streams", &edge.limits.streams.to_string()),
            ("file_audit", &scalar(&edge.files.audit)),
            ("file_access", &scalar(&edge.files.access)),
            ("file_filter", &scalar(&edge.files.filter)),
            ("routes", &routes),
            ("filters_before", &filters_before(drawing)?),
            ("filters_after", &filters_after(drawing)?),
            ("transport_socket", &transport),
        ],
    )
}

fn listener_filters(drawing: &Drawing, quic: bool) -> String {
    let listen = &drawing.edge.listen;
    if quic {
        // No sooner than a stream that is silent: what is within a connection has limits of its own.
        let (edge, times) = (&drawing.edge, &drawing.edge.times);
        let silences = edge.upstreams.iter().flatten().map(|upstream| upstream.silence);
        let idle = silences.fold(times.silence.max(times.connection), Duration::max);
        return format!(
            "udp_listener_config: {{quic_options: {{idle_timeout: {}}}, downstream_socket_config: {{prefer_gro: true}}}}\n",
            seconds(idle)
        );
    }
    let mut filters = String::new();
    if listen.proxy_protocol {
        filters.push_str(
            "  # Each connection begins with a PROXY protocol header, which says who the client is.\n  - name: \
             envoy.filters.listener.proxy_protocol\n    typed_config: {\"@type\": \
             type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol}\n",
        );
    }
    if listen.tls.is_some() {
        filters.push_str(
            "  - name: envoy.filters.listener.tls_inspector\n    typed_config: {\"@type\": \
             type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector}\n",
        );
    }
    if filters.is_empty() {
        filters
    } else {
        format!("listener_filters:\n{filters}listener_filters_timeout: 10s\n")
    }
}

/// What answers or refuses before our filter sees a request.
fn filters_before(drawing: &Drawing) -> Result<String, Unusable> {
    let mut filters = traces::field(drawing)?;
    if drawing.targets.iter().any(|target| !target.origins.is_empty()) {
        filters.push_str(
            "# Answers preflights of pages that a route allows; all others reach the filter, which refuses them.\n- name: \
             envoy.filters.http.cors\n  typed_config: {\"@type\": \
             type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors}\n",
        );
    }
    if let Some(rate) = &drawing.edge.limits.oauth {
        filters.push_str(&fill(
            include_str!("parts/oauth_limit.yaml"),
            &[
                ("burst", &rate.burst.to_string()),
                ("tokens", &rate.tokens.to_string()),
                ("per", &seconds(rate.per)),
            ],
        )?);
    }
    Ok(filters)
}

/// What stands between our filter and the server.
fn filters_after(drawing: &Drawing) -> Result<String, Unusable> {
    let mut filters = String::new();
    if !drawing.guard.hold_headers {
        let most = drawing.targets.iter().map(|target| target.server.limits.request_bytes).max();
        filters.push_str(&fill(
            include_str!("parts/buffer.yaml"),
            &[("bytes", &most.unwrap_or(BUFFER).to_string())],
        )?);
    }
    if drawing.targets.iter().any(|target| target.upstream.affinity == Some(Affinity::Session)) {
        filters.push_str(
            "# Sends a session where it began; the routes say of which servers.\n- name: \
             envoy.filters.http.stateful_session\n  typed_config: {\"@type\": \
             type.googleapis.com/envoy.extensions.filters.http.stateful_session.v3.StatefulSession}\n",
        );
    }
    Ok(filters)
}

/// The most bytes that the filter judges whole.
fn needed(drawing: &Drawing) -> u64 {
    let limits = drawing.targets.iter().map(|target| &target.server.limits);
    limits.map(|limits| limits.request_bytes.max(limits.response_bytes)).max().unwrap_or_default()
}

/// Where this Envoy reaches itself.
pub(super) fn own_address(drawing: &Drawing) -> Endpoint {
    let at = &drawing.edge.listen.at;
    let host = match at.host {
        HostName::Address(IpAddr::V4(address)) if address.is_unspecified() => {
            HostName::Address(Ipv4Addr::LOCALHOST.into())
        }
        HostName::Address(IpAddr::V6(address)) if address.is_unspecified() => {
            HostName::Address(Ipv6Addr::LOCALHOST.into())
        }
        ref other => other.clone(),
    };
    Endpoint { host, port: at.port }
}

/// `host[:port]` of an absolute URL.
pub(super) fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default()
}
