//! What is counted? A fixed set, defined at configure: names from traffic never become metrics.

use wicketgate_core::denial::Denial;

use crate::host::{self, Fault, Metric};

/// Reasons that are not denials.
const OTHER: [&str; 4] = ["allowed", "public_document", "client_gone", "answered_by_host"];

/// Ids of every metric of ours.
pub(crate) struct Metrics {
    requests: u32,
    decisions: Vec<(&'static str, u32)>,
    removed: u32,
    key_fetches: u32,
    key_fetch_failures: u32,
    keys_age: u32,
}

// === impl Metrics ===

impl Metrics {
    /// Defines all, or finds those that an earlier configuration defined.
    pub(crate) fn define() -> Result<Self, Fault> {
        let counter = |name: &str| host::define(Metric::Counter, name);
        let mut decisions = Vec::new();
        for reason in Denial::REASONS.into_iter().chain(OTHER) {
            decisions.push((reason, counter(&format!("wicketgate.decisions.{reason}"))?));
        }
        Ok(Self {
            requests: counter("wicketgate.requests")?,
            decisions,
            removed: counter("wicketgate.list_entries_removed")?,
            key_fetches: counter("wicketgate.jwks_fetches")?,
            key_fetch_failures: counter("wicketgate.jwks_fetch_failures")?,
            keys_age: host::define(Metric::Gauge, "wicketgate.jwks_age_seconds")?,
        })
    }

    pub(crate) fn request(&self) {
        host::add(self.requests, 1);
    }

    pub(crate) fn decision(&self, reason: &str) {
        if let Some((_, id)) = self.decisions.iter().find(|(known, _)| *known == reason) {
            host::add(*id, 1);
        }
    }

    pub(crate) fn removed(&self, entries: u64) {
        host::add(self.removed, i64::try_from(entries).unwrap_or(i64::MAX));
    }

    pub(crate) fn key_fetch(&self, good: bool) {
        host::add(if good { self.key_fetches } else { self.key_fetch_failures }, 1);
    }

    pub(crate) fn keys_age(&self, seconds: u64) {
        host::record(self.keys_age, seconds);
    }
}
