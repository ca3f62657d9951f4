//! Whom does the host ask on our behalf, and how long may he take?

use std::time::Duration;

/// A path of an HTTP server that the host reaches through one of its clusters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The name of the cluster in the host's configuration.
    pub cluster: String,
    /// The `:authority` to send.
    pub authority: String,
    /// The path, beginning with `/`.
    pub path: String,
    /// How long one question may take.
    pub timeout: Duration,
}
