//! Do clients show certificates where servers of the policy go by them? The listener that is drawn asks for them, or nobody does.

use super::error;
use wicketgate_core::config::ConfigError;
use wicketgate_core::config::edge::Edge;
use wicketgate_core::guard::Guard;
use wicketgate_core::identity::certificate::ClientCertificates;

/// Every server that looks at certificates which the listener does not check.
pub(crate) fn judge(edge: &Edge, guard: &Guard) -> Vec<ConfigError> {
    if edge.listen.tls.as_ref().is_some_and(|tls| tls.clients.is_some()) {
        return Vec::new();
    }
    let looks =
        guard.servers.iter().enumerate().filter(|(_, s)| s.certificates != ClientCertificates::Ignored);
    let why =
        "the listener (`edge.listen.tls`) asks nobody for a certificate: add `clients`, or leave this out";
    looks.map(|(at, _)| error(format!("servers[{at}].client_certificates"), why)).collect()
}
