//! Where do the four listeners stand? Apart, so that a network rule can keep three of them private.

use std::net::SocketAddr;

use serde::Deserialize;

/// Addresses to bind; port 0 lets the system choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// OAuth for clients and browsers.
    pub public: SocketAddr,
    /// The gateway's own calls.
    pub internal: SocketAddr,
    /// Health and administration.
    pub admin: SocketAddr,
    /// Prometheus metrics.
    pub metrics: SocketAddr,
}

/// Mirrors the document.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawListen {
    public: SocketAddr,
    internal: SocketAddr,
    admin: SocketAddr,
    metrics: SocketAddr,
}

// === impl RawListen ===

impl RawListen {
    pub(super) fn compile(self) -> Listen {
        Listen { public: self.public, internal: self.internal, admin: self.admin, metrics: self.metrics }
    }
}
