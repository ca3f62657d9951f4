//! Where do spans of Envoy go, and of how many requests? `edge.traces`, judged.

use super::places::{Endpoint, endpoint, number};
use super::raw_traces::RawTraces;
use super::upstream::{self, ServerTls};
use crate::config::error::{Findings, Place};

/// A collector of spans, over HTTP (OTLP).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traces {
    /// Where it listens.
    pub collector: Endpoint,
    /// Its path.
    pub path: String,
    /// `None` for plain HTTP.
    pub tls: Option<ServerTls>,
    /// Of how many requests in a hundred.
    pub sample: u32,
}

pub(super) fn compile(raw: &RawTraces, place: &Place, found: &mut Findings) -> Traces {
    let collector = endpoint(Some(&raw.collector), "", &place.key("collector"), found);
    let path = raw.path.clone().unwrap_or_else(|| "/v1/traces".to_owned());
    if !path.starts_with('/') || !path.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'?' | b'#')) {
        found.error(&place.key("path"), "is a path that begins with `/`");
    }
    let tls_at = place.key("tls");
    let tls = raw.tls.as_ref().map(|raw| upstream::tls(raw, &collector.host, &tls_at, found));
    let sample = number(raw.sample, 100, [0, 100], &place.key("sample"), found);
    Traces { collector, path, tls, sample }
}
