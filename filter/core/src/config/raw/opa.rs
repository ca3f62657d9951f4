//! How is a policy named that lies elsewhere? Part of the mirror.

use super::{RawLabels, RawSize, RawToolLabels};
use crate::config::read::mapping;

/// A policy that an Open Policy Agent holds, which is asked about each call that rules and `rego` allow, through a cluster of Envoy.
/// Without an answer the call is denied. Lists are not asked about.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields, rename = "Opa"))]
pub struct RawOpa {
    /// The name of the cluster in Envoy's configuration.
    pub cluster: String,
    /// The path of the rule in the Data API, such as `/v1/data/mcp/authz/allow`.
    pub path: String,
    /// The `:authority` to send. Default: the name of the cluster.
    pub authority: Option<String>,
    /// How long one question may take, at most 5s; the call waits so long. Default 500ms.
    pub timeout: Option<String>,
    /// For how long an answer counts for the very same question, at most 5m: the same principal, thing, arguments, headers and
    /// address. Default: each call is asked about.
    pub remember: Option<String>,
    /// Whether it is told the arguments of calls of tools and prompts. Default `true`.
    pub arguments: Option<bool>,
    /// How many bytes of arguments a call may have, at most 1MiB; one with more is denied. Default 64KiB.
    pub argument_bytes: Option<RawSize>,
    /// The headers that it is told, in lower case. Default: none.
    pub headers: Option<Vec<String>>,
    /// Whether it is told the peer's address. Default `true`.
    pub source: Option<bool>,
    /// Whether it is told the time; not with `remember`. Default `false`: it has a clock of its own.
    pub time: Option<bool>,
    /// The texts of its reasons, and of its obligation `log`, that may be written into records. Others, which may hold what
    /// somebody sent, are written as `(computed)`.
    pub reasons: Option<Vec<String>>,
    /// Names and values that it reads as `input.server.labels`. Default: those of `rego`.
    pub labels: Option<RawLabels>,
    /// Names and values of some tools, read as `input.tool.labels`. Default: those of `rego`.
    pub tool_labels: Option<Vec<RawToolLabels>>,
}

mapping!(
    RawOpa,
    "a mapping such as {cluster: opa, path: /v1/data/mcp/authz/allow}",
    [cluster, path],
    [
        authority,
        timeout,
        remember,
        arguments,
        argument_bytes,
        headers,
        source,
        time,
        reasons,
        labels,
        tool_labels
    ]
);
