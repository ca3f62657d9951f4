//! What is counted? A fixed set, defined at configure: names from traffic never become metrics.
//!
//! What stands behind the last dot of some names becomes a label by the `stats_tags` of `envoy/envoy.yaml`. Counters are
//! Envoy's and outlive a VM; gauges are set from what the live VMs say ([`crate::roll`]), so a dead one leaves nothing in them.

use std::time::Duration;

use wicketgate_core::denial::Denial;
use wicketgate_core::guard::Guard;
use wicketgate_core::limits::roll::{IssuerTag, Totals};
use wicketgate_core::time::Timestamp;

use crate::host::{self, Fault, Metric};

/// Reasons that are not denials.
const OTHER: [&str; 7] = [
    "allowed",
    "public_document",
    "client_gone",
    "answered_by_host",
    "token_expired",
    "credential_withdrawn",
    "body_never_came",
];

/// How arguments stand to the input schema of their tool.
const INPUT: [&str; 5] = ["met", "unmet", "partly", "unseen", "unusable"];
/// How answers stand to the output schema of theirs.
const OUTPUT: [&str; 3] = ["conforms", "violates", "unknown"];

/// A table of fixed size in shared data.
#[derive(Clone, Copy)]
pub(crate) enum Table {
    /// Token buckets.
    Buckets,
    /// Proofs of possession that are used up.
    Proofs,
    /// Counts of open streams.
    Streams,
    /// Rows of live VMs.
    Vms,
}

/// Ids of every metric of ours.
pub(crate) struct Metrics {
    requests: u32,
    decisions: Vec<(&'static str, u32)>,
    /// By the server's index: denied, allowed.
    servers: Vec<[u32; 2]>,
    removed: u32,
    /// How arguments stood to input schemas, and answers to output schemas.
    schemas: Vec<(&'static str, &'static str, u32)>,
    questions: u32,
    questions_failed: u32,
    tokens_remembered: u32,
    tokens_verified: u32,
    work: u32,
    key_fetches: u32,
    key_fetch_failures: u32,
    issuers: Vec<IssuerMetrics>,
    polls: u32,
    polls_failed: u32,
    host_signatures: u32,
    full: [u32; 4],
    exchanges: u32,
    streams: u32,
    held: u32,
    held_fullest: u32,
    held_limit: u32,
    vms: u32,
    vms_lost: u32,
    decisions_lost: u32,
    completions_lost: u32,
}

/// The gauges of one issuer's keys, or of its feed of revocations.
struct IssuerMetrics {
    tag: IssuerTag,
    age: u32,
    missing: u32,
}

// === impl Metrics ===

impl Metrics {
    /// Defines all, or finds those that an earlier configuration defined.
    pub(crate) fn define(guard: &Guard) -> Result<Self, Fault> {
        let counter = |name: &str| host::define(Metric::Counter, name);
        let gauge = |name: &str| host::define(Metric::Gauge, name);
        let mut decisions = Vec::new();
        for reason in Denial::REASONS.into_iter().chain(OTHER) {
            decisions.push((reason, counter(&format!("wicketgate.decisions_total.{reason}"))?));
        }
        let of = |server: &str, verdict: &str| {
            counter(&format!("wicketgate.server_decisions_total.{verdict}.{server}"))
        };
        let mut servers = Vec::new();
        for server in &guard.servers {
            servers.push([of(&server.name, "deny")?, of(&server.name, "allow")?]);
        }
        let keys = guard.issuers.iter().map(|issuer| IssuerMetrics::of_keys(&issuer.issuer));
        let feeds = guard.issuers.iter().filter(|issuer| issuer.revocations.is_some());
        let issuers = keys.chain(feeds.map(|issuer| IssuerMetrics::of_feed(&issuer.issuer)));
        let mut schemas = Vec::new();
        for (of, outcome) in INPUT.map(|o| ("input", o)).into_iter().chain(OUTPUT.map(|o| ("output", o))) {
            schemas.push((of, outcome, counter(&format!("wicketgate.{of}_schema_total.{outcome}"))?));
        }
        let full = |table: &str| counter(&format!("wicketgate.tables_full_total.{table}"));
        Ok(Self {
            requests: counter("wicketgate.requests_total")?,
            decisions,
            servers,
            removed: counter("wicketgate.list_entries_removed_total")?,
            schemas,
            questions: counter("wicketgate.validations_total")?,
            questions_failed: counter("wicketgate.validation_failures_total")?,
            tokens_remembered: counter("wicketgate.tokens_total.remembered")?,
            tokens_verified: counter("wicketgate.tokens_total.verified")?,
            work: host::define(Metric::Histogram, "wicketgate.work_us")?,
            key_fetches: counter("wicketgate.jwks_fetches_total")?,
            key_fetch_failures: counter("wicketgate.jwks_fetch_failures_total")?,
            issuers: issuers.collect::<Result<_, _>>()?,
            polls: counter("wicketgate.revocation_polls_total")?,
            polls_failed: counter("wicketgate.revocation_poll_failures_total")?,
            host_signatures: gauge("wicketgate.host_signature_algorithms")?,
            full: [full("buckets")?, full("proofs")?, full("streams")?, full("vms")?],
            exchanges: gauge("wicketgate.exchanges_open")?,
            streams: gauge("wicketgate.streams_open")?,
            held: gauge("wicketgate.held_bytes")?,
            held_fullest: gauge("wicketgate.held_bytes_fullest")?,
            held_limit: gauge("wicketgate.held_bytes_limit")?,
            vms: gauge("wicketgate.vms")?,
            vms_lost: counter("wicketgate.vms_lost_total")?,
            decisions_lost: counter("wicketgate.records_lost_total.decision")?,
            completions_lost: counter("wicketgate.records_lost_total.completion")?,
        })
    }

    /// What is known at configure. `before` is what this VM ran until now: a gauge cannot be taken away, so those of issuers
    /// that are not configured any more become zero.
    pub(crate) fn configured(&self, before: Option<&Self>, guard: &Guard, host_signatures: u8) {
        host::record(self.host_signatures, u64::from(host_signatures));
        host::record(self.held_limit, guard.held_bytes);
        for old in before.map_or(&[][..], |before| &before.issuers) {
            if !self.issuers.iter().any(|issuer| issuer.tag == old.tag) {
                host::record(old.age, 0);
                host::record(old.missing, 0);
            }
        }
    }

    pub(crate) fn request(&self) {
        host::add(self.requests, 1);
    }

    pub(crate) fn decision(&self, reason: &str) {
        if let Some((_, id)) = self.decisions.iter().find(|(known, _)| *known == reason) {
            host::add(*id, 1);
        }
    }

    pub(crate) fn server(&self, server: usize, allowed: bool) {
        if let Some(ids) = self.servers.get(server) {
            let [deny, allow] = *ids;
            host::add(if allowed { allow } else { deny }, 1);
        }
    }

    pub(crate) fn removed(&self, entries: u64) {
        host::add(self.removed, i64::try_from(entries).unwrap_or(i64::MAX));
    }

    /// The arguments of a call were held against the input schema of its tool.
    pub(crate) fn input_schema(&self, outcome: &str) {
        self.schema("input", outcome);
    }

    /// An answer was held against the output schema of its tool.
    pub(crate) fn output_schema(&self, outcome: &str) {
        self.schema("output", outcome);
    }

    fn schema(&self, of: &str, outcome: &str) {
        if let Some((_, _, id)) =
            self.schemas.iter().find(|(kind, known, _)| (*kind, *known) == (of, outcome))
        {
            host::add(*id, 1);
        }
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

    pub(crate) fn key_fetch(&self, good: bool) {
        host::add(if good { self.key_fetches } else { self.key_fetch_failures }, 1);
    }

    /// A feed of revocations was polled.
    pub(crate) fn poll(&self, good: bool) {
        host::add(if good { self.polls } else { self.polls_failed }, 1);
    }

    /// Something was refused, or a VM goes uncounted, because a table has no room.
    pub(crate) fn table_full(&self, table: Table) {
        let [buckets, proofs, streams, vms] = self.full;
        let id = match table {
            Table::Buckets => buckets,
            Table::Proofs => proofs,
            Table::Streams => streams,
            Table::Vms => vms,
        };
        host::add(id, 1);
    }

    /// A VM has died with so many exchanges under way, without a decision record and with one.
    pub(crate) fn lost(&self, undecided: u32, decided: u32) {
        host::add(self.vms_lost, 1);
        host::add(self.decisions_lost, i64::from(undecided));
        host::add(self.completions_lost, i64::from(undecided) + i64::from(decided));
    }

    /// What all live VMs have.
    pub(crate) fn totals(&self, totals: &Totals, now: Timestamp) {
        host::record(self.vms, totals.vms);
        host::record(self.exchanges, totals.exchanges);
        host::record(self.streams, totals.streams);
        host::record(self.held, totals.held);
        host::record(self.held_fullest, totals.fullest);
        for issuer in &self.issuers {
            let (oldest, missing) = totals.keys.get(&issuer.tag).copied().unwrap_or_default();
            host::record(issuer.age, oldest.map_or(0, |oldest| now.since(oldest).as_secs()));
            host::record(issuer.missing, missing);
        }
    }
}

// === impl IssuerMetrics ===

impl IssuerMetrics {
    fn of_keys(issuer: &str) -> Result<Self, Fault> {
        Self::define(IssuerTag::of(issuer), issuer, ["jwks_age_seconds", "jwks_missing"])
    }

    fn of_feed(issuer: &str) -> Result<Self, Fault> {
        Self::define(IssuerTag::of_feed(issuer), issuer, ["revocations_age_seconds", "revocations_missing"])
    }

    fn define(tag: IssuerTag, issuer: &str, names: [&str; 2]) -> Result<Self, Fault> {
        let gauge = |name: &str| host::define(Metric::Gauge, &format!("wicketgate.{name}.{issuer}"));
        let [age, missing] = names;
        Ok(Self { tag, age: gauge(age)?, missing: gauge(missing)? })
    }
}
