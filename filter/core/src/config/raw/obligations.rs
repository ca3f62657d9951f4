//! What can a policy oblige a call to? Part of the mirror.

use crate::config::read::mapping;

/// A token bucket for calls that a policy obliges to it.
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, rename = "ObligedLimit")
)]
pub struct RawObligedLimit {
    /// As the policy calls it; unique on its server; letters, digits, `_`, `-`, `.`.
    pub id: String,
    /// So many per `s`, `m`, `h` or `d`: `10/m`.
    pub rate: String,
    /// How many at once. Default: the number in `rate`.
    pub burst: Option<u32>,
    /// Who shares it: `principal`, `client`, `organization`, `source` (an address), or `server` for everybody. Default `principal`.
    pub per: Option<String>,
    /// Where it holds: `envoy` or `fleet`. Default `envoy`.
    pub across: Option<String>,
}

mapping!(RawObligedLimit, "a mapping such as {id: exports, rate: 10/h}", [id, rate], [burst, per, across]);
