//! Where do leases come from? Part of the mirror.

use crate::config::read::mapping;

/// The `leases` call of the authorization server's internal API, reached through a cluster of Envoy.
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, rename = "Leases")
)]
pub struct RawLeases {
    /// The name of the cluster in Envoy's configuration.
    pub cluster: String,
    /// The path, beginning with `/`.
    pub path: String,
    /// The `:authority` to send. Default: the host of the first of `issuers`.
    pub authority: Option<String>,
    /// How long one question may take, at most 5s; a request whose limit has no token here waits so long. Default 1s.
    pub timeout: Option<String>,
    /// What becomes of requests whose limits hold across the fleet while no answer comes: `refuse` answers 503; `local` lets
    /// each Envoy apply the limit for itself. Default `refuse`.
    pub when_away: Option<String>,
}

mapping!(RawLeases, "a mapping", [cluster, path], [authority, timeout, when_away]);
