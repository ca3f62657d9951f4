//! What is fit for a laptop and not for the Internet? One sentence for each thing that `--profile production` refuses.

use super::{clusters, error};
use crate::document::Policy;
use serde_json::Value;
use wicketgate_core::config::ConfigError;
use wicketgate_core::config::edge::{Edge, Endpoint, ServerTls};

/// Everything unsafe that the policy says, or leaves unsaid.
pub(super) fn judge(policy: &Policy) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    listeners(&policy.edge, &mut errors);
    limits(policy, &mut errors);
    keys(policy, &mut errors);
    servers(policy, &mut errors);
    errors
}

fn listeners(edge: &Edge, errors: &mut Vec<ConfigError>) {
    if edge.listen.tls.is_none() && !edge.listen.at.host.is_loopback() {
        errors.push(error(
            "edge.listen",
            "plain HTTP beyond this machine, so that anyone on the way can take the tokens: add `tls`",
        ));
    }
    if !edge.admin.host.is_loopback() {
        errors.push(error(
            "edge.admin",
            "is reached from other machines, and can stop Envoy and dump everything: listen on loopback",
        ));
    }
    if edge.traces.as_ref().is_some_and(|traces| traces.tls.is_none() && !traces.collector.host.is_loopback())
    {
        errors.push(error(
            "edge.traces",
            "spans in plain HTTP beyond this machine, which tell who is asked what and when: add `tls`",
        ));
    }
    if edge.canary.is_none() {
        errors.push(error(
            "edge",
            "the key `canary` is missing: nothing would tell that the filter is not in the way",
        ));
    }
}

fn limits(policy: &Policy, errors: &mut Vec<ConfigError>) {
    let limits = &policy.edge.limits;
    if limits.memory.is_none() {
        errors.push(error(
            "edge.limits",
            "the key `memory` is missing: a flood would end Envoy and not be refused",
        ));
    }
    if limits.oauth.is_none() {
        errors.push(error(
            "edge.limits",
            "the key `oauth` is missing: one address could keep the authorization server busy",
        ));
    }
    let servers = policy.document.json.get("servers").and_then(Value::as_array);
    for (at, server) in servers.into_iter().flatten().enumerate() {
        let bounded = |key: &str| server.get("limits").is_some_and(|limits| limits.get(key).is_some());
        if !["principal", "client", "organization", "source"].into_iter().any(bounded) {
            let message = "has no rate for one caller: add `principal`, `client`, `organization` or `source`";
            errors.push(error(format!("servers[{at}].limits"), message));
        }
    }
}

/// Whose keys are believed must be known: over TLS with a root and a name, or on this machine.
fn keys(policy: &Policy, errors: &mut Vec<ConfigError>) {
    let edge = &policy.edge;
    for (path, name) in clusters::named(&policy.document.json) {
        let met: Option<(&Endpoint, Option<&ServerTls>)> = match name.as_str() {
            "auth_internal" => Some((&edge.sidecar.internal, edge.sidecar.tls.as_ref())),
            "auth_public" => Some((&edge.sidecar.public, edge.sidecar.tls.as_ref())),
            other => edge.clusters.iter().find(|c| c.name == other).map(|c| (&c.address, c.tls.as_ref())),
        };
        let Some((at, tls)) = met else { continue };
        if tls.is_none() && !at.host.is_loopback() {
            let message = format!(
                "what comes from `{name}` ({at}) is believed though anyone on the way could have written it: give that \
                 cluster `tls` with `roots`"
            );
            errors.push(error(path, message));
        }
    }
    let sidecar = &edge.sidecar;
    if sidecar.tls.is_none() && !sidecar.public.host.is_loopback() {
        errors.push(error(
            "edge.authorization_server",
            "plain HTTP beyond this machine, with passwords and codes in it: add `tls`",
        ));
    }
}

fn servers(policy: &Policy, errors: &mut Vec<ConfigError>) {
    let document = &policy.document.json;
    if !policy.compiled.guard.hold_headers {
        errors.push(error(
            "hold_headers",
            "is not true: this Envoy can hold requests back until they are decided, and should",
        ));
    }
    for (list, key) in [("issuers", "issuer"), ("servers", "url")] {
        for (at, entry) in document.get(list).and_then(Value::as_array).into_iter().flatten().enumerate() {
            let url = entry.get(key).and_then(Value::as_str).unwrap_or_default();
            if url.starts_with("http://") {
                errors.push(error(
                    format!("{list}[{at}].{key}"),
                    "is plain http: tokens would travel in the open",
                ));
            }
        }
    }
    for (at, upstream) in policy.edge.upstreams.iter().enumerate() {
        let Some(upstream) = upstream else { continue };
        let branches = upstream.branches.iter().enumerate();
        let branches = branches.map(|(branch, (_, place))| {
            (format!("servers[{at}].upstream.branches[{branch}].upstream"), place)
        });
        for (path, place) in std::iter::once((format!("servers[{at}].upstream"), upstream)).chain(branches) {
            if place.tls.is_none() && !place.addresses.iter().all(|at| at.host.is_loopback()) {
                errors.push(error(path, "is met in plain HTTP beyond this machine: add `tls`"));
            }
        }
    }
}
