//! Which hosts may Envoy reach at all? A list over everything that the policy names, so that no server can be added to it without the
//! list being changed, too; and whoever is reached by it is met in TLS, by name. A name that is asked for (SNI) is on the list as
//! well: one address may serve many, and the name decides which of them answers.

use super::listen::Edge;
use super::places::{Endpoint, HostName, is_name};
use super::raw::RawEgress;
use super::upstream::{ServerTls, Upstream};
use crate::config::error::{Findings, Place};

/// Judges every address of `edge`; loopback is always reached.
pub(super) fn judge(raw: &RawEgress, edge: &Edge, found: &mut Findings) {
    let root = Place::default();
    let here = root.key("edge").key("egress").key("hosts");
    for (at, host) in raw.hosts.iter().enumerate() {
        let address = host.parse::<std::net::IpAddr>().is_ok();
        if !address && !is_name(host.strip_prefix("*.").unwrap_or(host)) {
            found.error(
                &here.index(at),
                "is a host name in lower case, `*.` and one for all below it, or an IP address",
            );
        }
    }
    let mut told = None;
    for (place, endpoint, tls) in reached(edge) {
        if endpoint.host.is_loopback() {
            continue;
        }
        let listed = |host: &HostName| raw.hosts.iter().any(|listed| admits(listed, host));
        if !listed(&endpoint.host) {
            found.error(&place, format!("`{}` is not among `edge.egress.hosts`", endpoint.host));
            continue;
        }
        match tls {
            None => found.error(&place, "is reached beyond this machine, by `edge.egress`: give it `tls`"),
            Some((tls, within)) => {
                let asked = tls.server_name.clone().map(HostName::Name).filter(|name| !listed(name));
                if let Some(name) = asked {
                    let (here, message) =
                        (within.key("server_name"), format!("`{name}` is not among `edge.egress.hosts`"));
                    // Several addresses are met by one name.
                    if told.as_ref() != Some(&here) {
                        found.error(&here, message);
                    }
                    told = Some(here);
                }
            }
        }
    }
}

/// Something that Envoy reaches: where it stands in the policy, its address, and how it is met in TLS.
type Reached<'a> = (Place, &'a Endpoint, Option<(&'a ServerTls, Place)>);

fn reached(edge: &Edge) -> Vec<Reached<'_>> {
    let (root, mut reached) = (Place::default(), Vec::new());
    for (at, upstream) in edge.upstreams.iter().enumerate() {
        let Some(upstream) = upstream else { continue };
        let place = root.key("servers").index(at).key("upstream");
        reached.extend(addresses(upstream, &place));
        for (branch, (_, other)) in upstream.branches.iter().enumerate() {
            reached.extend(addresses(other, &place.key("branches").index(branch).key("upstream")));
        }
    }
    let sidecar = root.key("edge").key("authorization_server");
    for (key, endpoint) in [("public", &edge.sidecar.public), ("internal", &edge.sidecar.internal)] {
        let tls = edge.sidecar.tls.as_ref().map(|tls| (tls, sidecar.key("tls")));
        reached.push((sidecar.key(key), endpoint, tls));
    }
    for (at, cluster) in edge.clusters.iter().enumerate() {
        let place = root.key("edge").key("clusters").index(at);
        let tls = cluster.tls.as_ref().map(|tls| (tls, place.key("tls")));
        reached.push((place.key("address"), &cluster.address, tls));
    }
    reached.extend(edge.traces.as_ref().map(|traces| {
        let place = root.key("edge").key("traces");
        let tls = traces.tls.as_ref().map(|tls| (tls, place.key("tls")));
        (place.key("collector"), &traces.collector, tls)
    }));
    reached
}

fn addresses<'a>(upstream: &'a Upstream, place: &Place) -> Vec<Reached<'a>> {
    let here = place.key(if upstream.addresses.len() == 1 { "address" } else { "addresses" });
    let tls = upstream.tls.as_ref().map(|tls| (tls, place.key("tls")));
    upstream.addresses.iter().map(|endpoint| (here.clone(), endpoint, tls.clone())).collect()
}

/// Whether an entry of the list means this host.
fn admits(listed: &str, host: &HostName) -> bool {
    match host {
        HostName::Address(address) => listed.parse() == Ok(*address),
        HostName::Name(name) => match listed.strip_prefix('*') {
            Some(suffix) => name.strip_suffix(suffix).is_some_and(|label| !label.is_empty()),
            None => listed == name,
        },
    }
}
