//! What is counted? A fixed set, defined at configure: names from traffic never become metrics.
//!
//! What stands behind the last dot of some names becomes a label by the `stats_tags` of `envoy/envoy.yaml`. Counters are
//! Envoy's and outlive a VM; gauges are set from what the live VMs say ([`crate::roll`]), so a dead one leaves nothing in them.

use std::time::Duration;

use wicketgate_core::denial::Denial;
use wicketgate_core::guard::Guard;
use wicketgate_core::limits::lease::Grant;
use wicketgate_core::limits::roll::{IssuerTag, Totals};
use wicketgate_core::order;
use wicketgate_core::sanitize::server_asks::Ask;
use wicketgate_core::time::Timestamp;
use wicketgate_core::tools::pins::Why;

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
    /// Marks of what was done before.
    History,
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
    found: Vec<([&'static str; 2], u32)>,
    /// What content rules may find, what becomes of it, and the counter.
    contents: Vec<(&'static str, &'static str, u32)>,
    /// How arguments stood to input schemas, and answers to output schemas.
    schemas: Vec<(&'static str, &'static str, u32)>,
    questions: u32,
    questions_failed: u32,
    leases: [u32; 4],
    policies: [u32; 2],
    credentials: [u32; 2],
    tokens_remembered: u32,
    tokens_verified: u32,
    work: u32,
    key_fetches: u32,
    key_fetch_failures: u32,
    issuers: Vec<IssuerMetrics>,
    polls: u32,
    polls_failed: u32,
    host_signatures: u32,
    shadows: [(&'static str, u32); 3],
    full: [u32; 5],
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
        let mut found = Vec::new();
        for (done, why) in kinds_of_findings() {
            found.push(([why, done], counter(&format!("wicketgate.answer_findings_total.{done}.{why}"))?));
        }
        let shadow = |verdict: &'static str| {
            counter(&format!("wicketgate.shadow_decisions_total.{verdict}")).map(|id| (verdict, id))
        };
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
            found,
            contents: contents(guard)?,
            schemas,
            questions: counter("wicketgate.validations_total")?,
            questions_failed: counter("wicketgate.validation_failures_total")?,
            policies: [
                counter("wicketgate.policy_questions_total")?,
                counter("wicketgate.policy_question_failures_total")?,
            ],
            credentials: [
                counter("wicketgate.credential_questions_total")?,
                counter("wicketgate.credential_question_failures_total")?,
            ],
            leases: [
                counter("wicketgate.lease_questions_total")?,
                counter("wicketgate.lease_failures_total")?,
                counter("wicketgate.leased_tokens_total")?,
                counter("wicketgate.leases_refused_total")?,
            ],
            tokens_remembered: counter("wicketgate.tokens_total.remembered")?,
            tokens_verified: counter("wicketgate.tokens_total.verified")?,
            work: host::define(Metric::Histogram, "wicketgate.work_us")?,
            key_fetches: counter("wicketgate.jwks_fetches_total")?,
            key_fetch_failures: counter("wicketgate.jwks_fetch_failures_total")?,
            issuers: issuers.collect::<Result<_, _>>()?,
            polls: counter("wicketgate.revocation_polls_total")?,
            polls_failed: counter("wicketgate.revocation_poll_failures_total")?,
            host_signatures: gauge("wicketgate.host_signature_algorithms")?,
            shadows: [shadow("would_allow")?, shadow("would_challenge")?, shadow("would_deny")?],
            full: [full("buckets")?, full("proofs")?, full("streams")?, full("history")?, full("vms")?],
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

    /// Something was found of tools in a list, or of what a server asked for.
    pub(crate) fn found(&self, why: &str, done: &str, count: u64) {
        if let Some((_, id)) = self.found.iter().find(|(kind, _)| *kind == [why, done]) {
            host::add(*id, i64::try_from(count).unwrap_or(i64::MAX));
        }
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

    /// Rules that only tell would have decided otherwise.
    pub(crate) fn shadow(&self, verdict: &str) {
        for (_, id) in self.shadows.iter().filter(|(known, _)| *known == verdict) {
            host::add(*id, 1);
        }
    }

    /// What content rules have found, and what became of it.
    pub(crate) fn content(&self, found: &str, action: &str, count: u64) {
        if let Some((_, _, id)) = self.contents.iter().find(|(f, a, _)| *f == found && *a == action) {
            host::add(*id, i64::try_from(count).unwrap_or(i64::MAX));
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

    /// A policy that lies elsewhere is asked.
    pub(crate) fn policy_asked(&self) {
        let [asked, _] = self.policies;
        host::add(asked, 1);
    }

    /// It was not, or gave no answer.
    pub(crate) fn policy_failed(&self) {
        let [_, failed] = self.policies;
        host::add(failed, 1);
    }

    /// The authorization server is asked for what a server gets in place of the client's token.
    pub(crate) fn credential_asked(&self) {
        let [asked, _] = self.credentials;
        host::add(asked, 1);
    }

    /// It was not, or gave nothing.
    pub(crate) fn credential_failed(&self) {
        let [_, failed] = self.credentials;
        host::add(failed, 1);
    }

    /// The authorization server is asked for leases.
    pub(crate) fn lease_asked(&self) {
        let [asked, ..] = self.leases;
        host::add(asked, 1);
    }

    pub(crate) fn lease_failed(&self) {
        let [_, failed, ..] = self.leases;
        host::add(failed, 1);
    }

    /// What it has granted; of some buckets maybe nothing.
    pub(crate) fn leased(&self, grants: &[Grant]) {
        let [_, _, tokens, refused] = self.leases;
        host::add(tokens, grants.iter().map(|grant| i64::from(grant.tokens)).sum());
        host::add(refused, grants.iter().map(|grant| i64::from(grant.tokens == 0)).sum());
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
        let [buckets, proofs, streams, history, vms] = self.full;
        let id = match table {
            Table::Buckets => buckets,
            Table::Proofs => proofs,
            Table::Streams => streams,
            Table::History => history,
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
            let found = totals.keys.iter().find(|(of, ..)| *of == issuer.tag);
            let (oldest, missing) = found.map_or((None, 0), |(_, oldest, missing)| (*oldest, *missing));
            host::record(issuer.age, oldest.map_or(0, |oldest| now.since(oldest).as_secs()));
            host::record(issuer.missing, missing);
        }
    }
}

/// What may be done, and about what.
fn kinds_of_findings() -> impl Iterator<Item = (&'static str, &'static str)> {
    let quarantined = Why::ALL.map(|why| ("quarantined", why.word()));
    let stripped = ["stripped"].map(|done| (done, Why::HiddenCharacters.word()));
    let flagged = [Why::HiddenCharacters, Why::Unreadable, Why::Shadows].map(|why| ("flagged", why.word()));
    let asks = ["stripped", "refused"].into_iter().flat_map(|done| Ask::WORDS.map(|why| (done, why)));
    quarantined.into_iter().chain(stripped).chain(flagged).chain(asks)
}

/// One counter for each thing that a rule of any server may find, and what becomes of it there.
fn contents(guard: &Guard) -> Result<Vec<(&'static str, &'static str, u32)>, Fault> {
    let rules = guard.servers.iter().flat_map(|server| &server.content.0);
    let mut kinds: Vec<_> = rules.flat_map(|rule| rule.kinds()).collect();
    order::each_once(&mut kinds);
    let define = |(found, action): (&'static str, &'static str)| {
        let name = format!("wicketgate.content_findings_total.{action}.{found}");
        Ok((found, action, host::define(Metric::Counter, &name)?))
    };
    kinds.into_iter().map(define).collect()
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
