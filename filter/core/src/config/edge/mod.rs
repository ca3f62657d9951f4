//! What must the Envoy around the filter be? The keys `edge`, `servers[].upstream` and the secrets of
//! `servers[].credential`, judged; no other file of the configuration knows them, and the filter gets none of them.

mod egress;
mod listen;
mod places;
pub mod raw;
pub mod raw_traces;
pub mod raw_upstream;
mod secret;
mod traces;
mod upstream;

pub use listen::{
    Canary, Certificate, Cluster, Edge, Files, Limits, Listen, ListenTls, Peers, Sidecar, Times,
};
pub use places::{Endpoint, HostName};
pub use secret::InjectedSecret;
pub use traces::Traces;
pub use upstream::{Affinity, Balancing, Ejection, Health, ServerTls, Upstream};

use super::error::{ConfigError, Findings, Place};
use super::read::Shape;
use serde_json::Value;

/// Takes `edge`, every `servers[].upstream` and where secrets of `servers[].credential` lie out of the policy `document`. What is left is what the filter takes.
///
/// # Errors
/// Everything that was found wrong with them. They are taken out all the same.
pub fn take(document: &mut Value) -> Result<Edge, Vec<ConfigError>> {
    let (mut found, root) = (Findings::default(), Place::default());
    let given = document.as_object_mut().and_then(|members| members.remove("edge"));
    let raw = given.and_then(|value| raw::RawEdge::read(&value, &root.key("edge"), &mut found));
    let raw = raw.unwrap_or_default();
    let mut edge = listen::compile(&raw, &root.key("edge"), &mut found);
    if let Some(members) = document.as_object_mut().filter(|_| edge.traces.is_some()) {
        // All that the filter must know of it: that Envoy says so.
        members.insert("traced".to_owned(), true.into());
    }
    let servers = document.get_mut("servers").and_then(Value::as_array_mut);
    for (at, server) in servers.into_iter().flatten().enumerate() {
        let here = root.key("servers").index(at);
        edge.secrets.push(secret::take(server, &here, &mut found));
        let here = here.key("upstream");
        let given = server.as_object_mut().and_then(|members| members.remove("upstream"));
        let raw = given.and_then(|value| raw_upstream::RawUpstream::read(&value, &here, &mut found));
        edge.upstreams.push(raw.and_then(|raw| upstream::compile(&raw, &here, &mut found)));
    }
    if let Some(egress) = raw.egress.as_ref().filter(|_| found.errors.is_empty()) {
        egress::judge(egress, &edge, &mut found);
    }
    if found.errors.is_empty() { Ok(edge) } else { Err(found.errors) }
}

#[cfg(test)]
mod tests;
