//! Which hosts may Envoy reach at all? A list over everything that the policy names, so that no server can be added to it without the
//! list being changed, too; and whoever is reached by it is met in TLS, by name.

use super::listen::Edge;
use super::places::{Endpoint, HostName, is_name};
use super::raw::RawEgress;
use super::upstream::Upstream;
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
    let mut reached: Vec<(Place, &Endpoint, bool)> = Vec::new();
    for (at, upstream) in edge.upstreams.iter().enumerate() {
        let Some(upstream) = upstream else { continue };
        let place = root.key("servers").index(at).key("upstream");
        reached.extend(addresses(upstream, &place));
        for (branch, (_, other)) in upstream.branches.iter().enumerate() {
            reached.extend(addresses(other, &place.key("branches").index(branch).key("upstream")));
        }
    }
    let sidecar = root.key("edge").key("authorization_server");
    let tls = edge.sidecar.tls.is_some();
    reached.push((sidecar.key("public"), &edge.sidecar.public, tls));
    reached.push((sidecar.key("internal"), &edge.sidecar.internal, tls));
    for (at, cluster) in edge.clusters.iter().enumerate() {
        let place = root.key("edge").key("clusters").index(at).key("address");
        reached.push((place, &cluster.address, cluster.tls.is_some()));
    }
    for (place, endpoint, tls) in reached {
        if endpoint.host.is_loopback() {
            continue;
        }
        if !raw.hosts.iter().any(|listed| admits(listed, &endpoint.host)) {
            found.error(&place, format!("`{}` is not among `edge.egress.hosts`", endpoint.host));
        } else if !tls {
            found.error(&place, "is reached beyond this machine, by `edge.egress`: give it `tls`");
        }
    }
}

fn addresses<'a>(upstream: &'a Upstream, place: &Place) -> Vec<(Place, &'a Endpoint, bool)> {
    let place = place.key(if upstream.addresses.len() == 1 { "address" } else { "addresses" });
    let all = upstream.addresses.iter();
    all.map(|endpoint| (place.clone(), endpoint, upstream.tls.is_some())).collect()
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
