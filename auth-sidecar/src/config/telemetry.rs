//! Where do traces go? To a collector that the operator names, or nowhere.

use std::collections::BTreeMap;

use reqwest::header::{HeaderName, HeaderValue};
use serde::Deserialize;
use url::Url;
use zeroize::Zeroizing;

use super::ConfigError;
use super::secret_ref::SecretRef;

/// What is told of requests besides logs and metrics.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TelemetryConfig {
    /// Spans, over OTLP/HTTP.
    pub otlp: Option<Otlp>,
}

/// A collector.
#[derive(Clone, PartialEq)]
pub struct Otlp {
    /// The whole URL that spans are posted to.
    pub endpoint: Url,
    /// What stands in each post, such as a token.
    pub headers: Vec<(String, Zeroizing<String>)>,
    /// The share of requests that are traced, where the caller has not decided already; from 0 to 1.
    pub sample: f64,
}

/// Mirrors the document.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawTelemetry {
    otlp: Option<RawOtlp>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOtlp {
    endpoint: String,
    #[serde(default)]
    headers: BTreeMap<String, SecretRef>,
    #[serde(default = "all")]
    sample: f64,
}

// === impl Otlp ===

impl std::fmt::Debug for Otlp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Otlp").field("sample", &self.sample).finish_non_exhaustive()
    }
}

// === impl RawTelemetry ===

impl RawTelemetry {
    pub(super) fn compile(self) -> Result<TelemetryConfig, ConfigError> {
        Ok(TelemetryConfig { otlp: self.otlp.map(RawOtlp::compile).transpose()? })
    }
}

// === impl RawOtlp ===

impl RawOtlp {
    fn compile(self) -> Result<Otlp, ConfigError> {
        let refuse = |key: &str, why: &str| ConfigError::new(format!("telemetry.otlp.{key}"), why);
        let endpoint = Url::parse(&self.endpoint).ok().filter(|url| matches!(url.scheme(), "https" | "http"));
        let endpoint = endpoint.filter(|url| url.username().is_empty() && url.password().is_none());
        let endpoint = endpoint.ok_or_else(|| {
            refuse(
                "endpoint",
                "must be the http or https URL that spans are posted to, without user and password",
            )
        })?;
        if !(0.0..=1.0).contains(&self.sample) {
            return Err(refuse("sample", "is from 0 to 1"));
        }
        let mut headers = Vec::new();
        for (name, reference) in self.headers {
            let place = format!("telemetry.otlp.headers.{name}");
            let value = reference.resolve(&place)?;
            if name.parse::<HeaderName>().is_err() || HeaderValue::from_str(&value).is_err() {
                return Err(ConfigError::new(place, "is no header"));
            }
            headers.push((name, value));
        }
        Ok(Otlp { endpoint, headers, sample: self.sample })
    }
}

fn all() -> f64 {
    1.0
}
