//! How is it written what an organization, a group or a client may? Part of the mirror.

use super::{RawRule, RawSize};
use crate::config::read::mapping;

/// What one organization, group or client may: no more than the level above allows, but for what that marks as `delegable`.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields, rename = "Layer"))]
pub struct RawLayer {
    /// The organization, the group or the OAuth client. A client `anonymous` is whoever has no credential.
    pub name: String,
    /// The issuer that calls it so. Needed where the server accepts several.
    pub issuer: Option<String>,
    /// The only tools that may be called. Default: what the level above allows.
    pub allowed_tools: Option<Vec<String>>,
    /// The only resources that may be read, as URI patterns in normal form. Default: what the level above allows.
    pub allowed_resources: Option<Vec<String>>,
    /// How many allowed requests a minute: of a client or an organization all its principals together, of a group each.
    /// Default: no limit besides the server's.
    pub max_requests_per_minute: Option<u32>,
    /// The largest request body, at most `limits.request_bytes` of the server. Default: 1048576 for a client, or the server's
    /// where that is less; for organizations and groups the server's.
    pub max_request_size: Option<RawSize>,
    /// Whether a credential is needed. `false` only for the client `anonymous`, together with `allowed_tools` or
    /// `allowed_resources`. Default true.
    pub require_auth: Option<bool>,
    /// The only browser origins, each among the server's `origins`; checked when it is known who asks. Default: the server's.
    pub allowed_origins: Option<Vec<String>>,
    /// Only tools that the server lists as `readOnlyHint: true`, no tasks, nothing that the server asks of the client, and small
    /// limits: 64KiB a request, 1MiB an answer, 4 streams, 60 requests a minute.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub sandbox_mode: bool,
    /// More rules, beside those that the keys above stand for.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub rules: Vec<RawRule>,
}

mapping!(
    RawLayer,
    "a mapping such as {name: reporting, allowed_tools: [\"get_*\"]}",
    [name],
    [
        issuer,
        allowed_tools,
        allowed_resources,
        max_requests_per_minute,
        max_request_size,
        require_auth,
        allowed_origins,
        sandbox_mode,
        rules
    ]
);

/// From which addresses a server may be asked, as CIDR blocks or single addresses.
#[derive(Clone, Debug, Default)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, rename = "Addresses")
)]
pub struct RawAddresses {
    /// Only from these. Default: from everywhere.
    pub allow: Option<Vec<String>>,
    /// Not from these, whatever `allow` says. Default: none.
    pub deny: Option<Vec<String>>,
}

mapping!(RawAddresses, "a mapping such as {allow: [10.0.0.0/8]}", [], [allow, deny]);
