//! What is counted? Few things, each of which somebody would look at.

use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::clock::UnixTime;
use crate::store::observed::Observer;

/// Labels of a request: the route's pattern, never the path asked for, so that their number is bounded.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct RequestLabels {
    pub(crate) listener: &'static str,
    pub(crate) route: String,
    pub(crate) status: u16,
}

/// The label of a counter with outcomes.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct Outcome {
    pub(crate) outcome: &'static str,
}

/// The labels of a sign-in; the provider is one of the configuration, or `local`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct SignInLabels {
    pub(crate) provider: String,
    pub(crate) outcome: &'static str,
}

/// The labels of a refusal: the route's pattern, and the error as the caller reads it.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct RefusalLabels {
    pub(crate) route: String,
    pub(crate) error: &'static str,
}

/// The label of issued tokens.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct GrantLabel {
    pub(crate) grant_type: &'static str,
}

/// The label of commands to the store.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct OperationLabel {
    pub(crate) operation: &'static str,
}

/// The label of audit records.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct AuditLabel {
    pub(crate) event: &'static str,
}

/// The label of a listener.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct ListenerLabel {
    listener: &'static str,
}

/// The labels of a handshake, or of a certificate's renewal.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct ListenerOutcome {
    listener: &'static str,
    outcome: &'static str,
}

/// The label of an MCP server, by its name in the configuration.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct ServerLabel {
    pub(crate) server: String,
}

/// The labels of a question to an MCP server.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct ServerProbeLabels {
    pub(crate) server: String,
    pub(crate) outcome: &'static str,
}

/// All counters.
pub(crate) struct Metrics {
    registry: Registry,
    pub(crate) requests: Family<RequestLabels, Counter>,
    pub(crate) tokens_issued: Family<GrantLabel, Counter>,
    pub(crate) sign_ins: Family<SignInLabels, Counter>,
    pub(crate) refusals: Family<RefusalLabels, Counter>,
    pub(crate) feed_polls: Family<Outcome, Counter>,
    pub(crate) external_tokens: Family<Outcome, Counter>,
    pub(crate) leases: Family<Outcome, Counter>,
    pub(crate) tokens_lent: Counter,
    pub(crate) clients_registered: Counter,
    pub(crate) grants_revoked: Counter,
    pub(crate) code_replays: Counter,
    pub(crate) refresh_replays: Counter,
    pub(crate) unavailable: Counter,
    pub(crate) swept: Counter,
    pub(crate) audit_events: Family<AuditLabel, Counter>,
    pub(crate) audit_failures: Counter,
    pub(crate) config_reloads: Family<Outcome, Counter>,
    pub(crate) config_loaded_at: Gauge,
    tls_handshakes: Family<ListenerOutcome, Counter>,
    certificate_renewals: Family<ListenerOutcome, Counter>,
    certificate_expires_at: Family<ListenerLabel, Gauge>,
    revocations_expire_at: Family<ListenerLabel, Gauge>,
    pub(crate) mcp_probes: Family<ServerProbeLabels, Counter>,
    mcp_servers_well: Family<ServerLabel, Gauge>,
    store_seconds: Family<OperationLabel, Histogram, fn() -> Histogram>,
    store_errors: Family<OperationLabel, Counter>,
}

// === impl Metrics ===

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("wicketgate_auth"),
            requests: Family::default(),
            tokens_issued: Family::default(),
            sign_ins: Family::default(),
            refusals: Family::default(),
            feed_polls: Family::default(),
            external_tokens: Family::default(),
            leases: Family::default(),
            tokens_lent: Counter::default(),
            clients_registered: Counter::default(),
            grants_revoked: Counter::default(),
            code_replays: Counter::default(),
            refresh_replays: Counter::default(),
            unavailable: Counter::default(),
            swept: Counter::default(),
            audit_events: Family::default(),
            audit_failures: Counter::default(),
            config_reloads: Family::default(),
            config_loaded_at: Gauge::default(),
            tls_handshakes: Family::default(),
            certificate_renewals: Family::default(),
            certificate_expires_at: Family::default(),
            revocations_expire_at: Family::default(),
            mcp_probes: Family::default(),
            mcp_servers_well: Family::default(),
            store_seconds: Family::new_with_constructor(latencies),
            store_errors: Family::default(),
        };
        let registry = &mut metrics.registry;
        registry.register("requests", "Requests answered, by route and status", metrics.requests.clone());
        registry.register("tokens_issued", "Access tokens issued", metrics.tokens_issued.clone());
        registry.register(
            "sign_ins",
            "Sign-ins tried: signed_in, wrong, refused, throttled or busy",
            metrics.sign_ins.clone(),
        );
        registry.register(
            "refusals",
            "Requests refused, by the error that their answer names",
            metrics.refusals.clone(),
        );
        registry.register(
            "feed_polls",
            "Answers to gateways: everything, or the news since they last asked",
            metrics.feed_polls.clone(),
        );
        registry.register(
            "external_tokens",
            "Questions about tokens of other issuers: active, inactive or unavailable",
            metrics.external_tokens.clone(),
        );
        registry.register(
            "leases",
            "Buckets that gateways asked of: all, fewer or none of the wanted tokens were lent",
            metrics.leases.clone(),
        );
        registry.register("tokens_lent", "Tokens of buckets lent to gateways", metrics.tokens_lent.clone());
        registry.register(
            "clients_registered",
            "Clients that registered themselves",
            metrics.clients_registered.clone(),
        );
        registry.register(
            "grants_revoked",
            "Grants revoked by their client, their user or an operator",
            metrics.grants_revoked.clone(),
        );
        registry.register("code_replays", "Used codes presented again", metrics.code_replays.clone());
        registry.register(
            "refresh_replays",
            "Used refresh tokens presented again",
            metrics.refresh_replays.clone(),
        );
        registry.register("unavailable", "Requests answered with 503", metrics.unavailable.clone());
        registry.register("swept", "Expired records removed", metrics.swept.clone());
        registry.register("audit_events", "Audit records, by event", metrics.audit_events.clone());
        registry.register(
            "audit_failures",
            "Audit records that the file did not take",
            metrics.audit_failures.clone(),
        );
        registry.register(
            "config_reloads",
            "Configurations read while the server ran: reloaded or refused",
            metrics.config_reloads.clone(),
        );
        registry.register(
            "config_loaded_at",
            "When the configuration in force was read, in seconds since 1970",
            metrics.config_loaded_at.clone(),
        );
        registry.register(
            "tls_handshakes",
            "Handshakes in TLS: met, refused (the client's certificate, also later), failed or timed_out",
            metrics.tls_handshakes.clone(),
        );
        registry.register(
            "certificate_renewals",
            "Certificates of listeners found anew in their files: renewed or refused",
            metrics.certificate_renewals.clone(),
        );
        registry.register(
            "certificate_expires_at",
            "When the certificate that a listener shows ends, in seconds since 1970",
            metrics.certificate_expires_at.clone(),
        );
        registry.register(
            "revocations_expire_at",
            "When a listener's list of revoked certificates ends, in seconds since 1970: it meets no client from then on",
            metrics.revocations_expire_at.clone(),
        );
        registry.register(
            "mcp_probes",
            "Questions to MCP servers whether they are well, by what came of them",
            metrics.mcp_probes.clone(),
        );
        registry.register(
            "mcp_server_well",
            "Whether an MCP server is well (1) or ill (0); absent until a threshold is reached",
            metrics.mcp_servers_well.clone(),
        );
        registry.register(
            "store_seconds",
            "How long commands to the store took",
            metrics.store_seconds.clone(),
        );
        registry.register("store_errors", "Commands that the store did not do", metrics.store_errors.clone());
        for outcome in ["reloaded", "refused"] {
            drop(metrics.config_reloads.get_or_create(&Outcome { outcome }));
        }
        for outcome in ["active", "inactive", "unavailable"] {
            drop(metrics.external_tokens.get_or_create(&Outcome { outcome }));
        }
        metrics
    }

    /// Somebody tried to sign in at this provider.
    pub(crate) fn sign_in_tried(&self, provider: &str, outcome: &'static str) {
        self.sign_ins.get_or_create(&SignInLabels { provider: provider.to_owned(), outcome }).inc();
    }

    /// A listener meets its clients in TLS. Its counters are there from the start: of one that begins at 1 Prometheus sees no increase.
    pub(crate) fn meets_in_tls(&self, listener: &'static str) {
        for outcome in ["met", "refused", "failed", "timed_out"] {
            drop(self.tls_handshakes.get_or_create(&ListenerOutcome { listener, outcome }));
        }
        for outcome in ["renewed", "refused"] {
            drop(self.certificate_renewals.get_or_create(&ListenerOutcome { listener, outcome }));
        }
    }

    /// A handshake has ended.
    pub(crate) fn shook_hands(&self, listener: &'static str, outcome: &'static str) {
        self.tls_handshakes.get_or_create(&ListenerOutcome { listener, outcome }).inc();
    }

    /// The files of a listener's certificate held something else.
    pub(crate) fn certificate_renewed(&self, listener: &'static str, outcome: &'static str) {
        self.certificate_renewals.get_or_create(&ListenerOutcome { listener, outcome }).inc();
    }

    /// A listener shows a certificate that ends then.
    pub(crate) fn certificate_ends(&self, listener: &'static str, expires: UnixTime) {
        self.certificate_expires_at.get_or_create(&ListenerLabel { listener }).set(seconds(expires));
    }

    /// A listener goes by lists of revoked certificates of which the first ends then, or by none.
    pub(crate) fn revocations_end(&self, listener: &'static str, expire: Option<UnixTime>) {
        let label = ListenerLabel { listener };
        match expire {
            Some(expire) => {
                self.revocations_expire_at.get_or_create(&label).set(seconds(expire));
            }
            None => drop(self.revocations_expire_at.remove(&label)),
        }
    }

    /// An MCP server is well, or not any more.
    pub(crate) fn mcp_server_is(&self, server: &str, well: bool) {
        let label = ServerLabel { server: server.to_owned() };
        self.mcp_servers_well.get_or_create(&label).set(i64::from(well));
    }

    /// An MCP server is not asked any more.
    pub(crate) fn forget_mcp_server(&self, server: &str) {
        self.mcp_servers_well.remove(&ServerLabel { server: server.to_owned() });
    }

    /// A configuration came into force.
    pub(crate) fn loaded(&self, now: UnixTime) {
        self.config_loaded_at.set(seconds(now));
    }

    /// The OpenMetrics text.
    pub(crate) fn render(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl Observer for Metrics {
    fn answered(&self, operation: &'static str, took: Duration, well: bool) {
        let label = OperationLabel { operation };
        self.store_seconds.get_or_create(&label).observe(took.as_secs_f64());
        // There from the first command on: of a counter that begins at 1 Prometheus sees no increase.
        self.store_errors.get_or_create(&label).inc_by(u64::from(!well));
    }
}

/// From a fifth of a millisecond to 1.6 seconds.
fn latencies() -> Histogram {
    Histogram::new(exponential_buckets(0.000_2, 2.0, 14))
}

/// A moment as a gauge holds it.
fn seconds(time: UnixTime) -> i64 {
    i64::try_from(time.0).unwrap_or(i64::MAX)
}
