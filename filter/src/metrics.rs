//! What is counted? A fixed set, defined at configure: names from traffic never become metrics.

use std::cell::Cell;
use std::time::Duration;

use wicketgate_core::denial::Denial;

use crate::host::{self, Fault, Metric};

/// Reasons that are not denials.
const OTHER: [&str; 6] =
    ["allowed", "public_document", "client_gone", "answered_by_host", "token_expired", "body_never_came"];

/// Ids of every metric of ours.
pub(crate) struct Metrics {
    requests: u32,
    decisions: Vec<(&'static str, u32)>,
    removed: u32,
    questions: u32,
    questions_failed: u32,
    tokens_remembered: u32,
    tokens_verified: u32,
    work: u32,
    held: u32,
    /// What this VM has added to the gauge of held bytes.
    held_before: Cell<u64>,
    key_fetches: u32,
    key_fetch_failures: u32,
    keys_age: u32,
    host_signatures: u32,
}

// === impl Metrics ===

impl Metrics {
    /// Defines all, or finds those that an earlier configuration defined.
    pub(crate) fn define(before: Option<&Self>) -> Result<Self, Fault> {
        let counter = |name: &str| host::define(Metric::Counter, name);
        let mut decisions = Vec::new();
        for reason in Denial::REASONS.into_iter().chain(OTHER) {
            decisions.push((reason, counter(&format!("wicketgate.decisions.{reason}"))?));
        }
        Ok(Self {
            requests: counter("wicketgate.requests")?,
            decisions,
            removed: counter("wicketgate.list_entries_removed")?,
            questions: counter("wicketgate.validations")?,
            questions_failed: counter("wicketgate.validation_failures")?,
            tokens_remembered: counter("wicketgate.tokens.remembered")?,
            tokens_verified: counter("wicketgate.tokens.verified")?,
            work: host::define(Metric::Histogram, "wicketgate.work_us")?,
            held: host::define(Metric::Gauge, "wicketgate.held_bytes")?,
            held_before: Cell::new(before.map_or(0, |b| b.held_before.get())),
            key_fetches: counter("wicketgate.jwks_fetches")?,
            key_fetch_failures: counter("wicketgate.jwks_fetch_failures")?,
            keys_age: host::define(Metric::Gauge, "wicketgate.jwks_age_seconds")?,
            host_signatures: host::define(Metric::Gauge, "wicketgate.host_signature_algorithms")?,
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

    pub(crate) fn token(&self, remembered: bool) {
        host::add(if remembered { self.tokens_remembered } else { self.tokens_verified }, 1);
    }

    /// An issuer is asked about a token.
    pub(crate) fn question(&self) {
        host::add(self.questions, 1);
    }

    pub(crate) fn question_failed(&self) {
        host::add(self.questions_failed, 1);
    }

    /// One exchange is over, for which the host waited so long.
    pub(crate) fn worked(&self, time: Duration) {
        host::record(self.work, u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// This VM holds so many bytes; the gauge is the sum over all VMs.
    pub(crate) fn held(&self, bytes: u64) {
        let before = self.held_before.replace(bytes);
        let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        host::add(self.held, signed(bytes) - signed(before));
    }

    pub(crate) fn key_fetch(&self, good: bool) {
        host::add(if good { self.key_fetches } else { self.key_fetch_failures }, 1);
    }

    pub(crate) fn keys_age(&self, seconds: u64) {
        host::record(self.keys_age, seconds);
    }

    pub(crate) fn host_signatures(&self, algorithms: u8) {
        host::record(self.host_signatures, u64::from(algorithms));
    }
}
