//! How is it written where spans go? A mirror without behaviour.

use super::raw::RawUpstreamTls;
use crate::config::read::mapping;

/// Where Envoy sends its spans, as OTLP over HTTP. A client's `traceparent` counts only behind `trusted_hops`. Envoy 1.38 or newer.
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, rename = "Traces")
)]
pub struct RawTraces {
    /// A host name or an IP address, with a port.
    pub collector: String,
    /// Its path. Default `/v1/traces`.
    pub path: Option<String>,
    /// How it is met in TLS. Default: plain HTTP.
    pub tls: Option<RawUpstreamTls>,
    /// Of how many requests in a hundred, 0 to 100. Default 100.
    pub sample: Option<u32>,
}

mapping!(RawTraces, "a mapping such as {collector: \"127.0.0.1:4318\"}", [collector], [path, tls, sample]);
