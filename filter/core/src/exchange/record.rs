//! What has been seen of this exchange so far? Gathered for the two audit records and for the words of a refusal.

mod traces;

use std::time::Duration;

use super::contents::Read;
use super::dispatch::Dispatched;
use super::step::{Control, Effect, Recall, Unseen};
use super::upstream_credential::{Subject, shown_to};
use super::{Exchange, Phase, World};
use crate::audit::{self, Completion, Decision, Found, Said, What, Who, Would};
use crate::denial::Denial;
use crate::guard::Guard;
use crate::head::{RequestHead, ResponseHead};
use crate::identity::dpop::BoundTokens;
use crate::identity::footing::Footing;
use crate::identity::origin::Origin;
use crate::identity::principal::Principal;
use crate::mcp::jsonrpc::{Message, MessageKind, RequestId};
use crate::mcp::operation::Operation;
use crate::mcp::versions::Revision;
use crate::policy::rego::ruling::Ruling;
use crate::policy::rule::RuleId;
use crate::policy::rule_set::Shadow;
use crate::reply::{Asked, Reply};
use crate::sanitize::content::Report;
use crate::server::{Bounds, Server};
use crate::time::Timestamp;
use traces::Traces;

/// Everything an audit record may name; each field is empty until its step has run.
#[derive(Debug)]
pub(super) struct Facts {
    began: Timestamp,
    verb: String,
    path: String,
    pub(super) source: Option<String>,
    request_id: Option<String>,
    pub(super) traces: Traces,
    /// Index of the server in the configuration.
    pub(super) server: Option<usize>,
    pub(super) principal: Option<Principal>,
    /// Whether the token came with a proof of possession.
    pub(super) with_proof: bool,
    /// What the principal rests on while a stream lasts.
    pub(super) footing: Option<Footing>,
    /// The token, where the server gets something for it; until that is asked for.
    pub(super) subject: Option<Subject>,
    /// What may be answered to the principal.
    pub(super) bounds: Option<Bounds>,
    pub(super) operation: Option<Operation>,
    pub(super) id: Option<RequestId>,
    pub(super) unanswered: bool,
    /// Whether the host has let the request go on.
    pub(super) under_way: bool,
    /// Whether the answer may be a task.
    pub(super) takes_tasks: bool,
    pub(super) revision: Option<Revision>,
    /// The date of the revision where it is newer than all known ones.
    pub(super) newer: Option<String>,
    /// `Mcp-Session-Id` of the request.
    pub(super) session: Option<String>,
    /// The rule that decided.
    pub(super) rule: Option<RuleId>,
    /// What rules that only tell would change.
    pub(super) shadow: Option<Shadow>,
    /// The page that asks, where one does.
    pub(super) origin: Option<Origin>,
    /// What is kept once the request was answered well.
    pub(super) later: Option<Recall>,
    /// What the operator's policy said.
    pub(super) ruling: Option<Ruling>,
    /// The same of one that lies elsewhere.
    pub(super) remote_ruling: Option<Ruling>,
    /// What Envoy was told of it.
    pub(super) dispatched: Dispatched,
    pub(super) request_bytes: u64,
    pub(super) response_bytes: u64,
    pub(super) removed: u64,
    /// What was found of tools and of what the server asked for.
    pub(super) found: Vec<Found>,
    /// Whether nothing more of a stream passes, mostly because an error of ours has taken the place of what was still to come.
    pub(super) over: bool,
    /// What content rules found in the request, until it is known whether they are about the principal.
    pub(super) contents_read: Vec<Read>,
    /// What they found, both ways.
    pub(super) contents: Report,
    /// How arguments stood to the input schema of their tool, and the answer to the output schema.
    pub(super) input_schema: Option<&'static str>,
    pub(super) output_schema: Option<&'static str>,
    /// What may be written down of arguments and of the answer, where the rule that decides asks for it.
    pub(super) arguments: Option<String>,
    pub(super) answer: Option<String>,
    pub(super) status: u16,
    verdict: Option<&'static str>,
    reason: &'static str,
}

// === impl Facts ===

impl Facts {
    pub(super) fn begun(now: Timestamp) -> Self {
        Self {
            began: now,
            verb: String::new(),
            path: String::new(),
            source: None,
            request_id: None,
            traces: Traces::default(),
            server: None,
            principal: None,
            with_proof: false,
            footing: None,
            subject: None,
            bounds: None,
            operation: None,
            id: None,
            unanswered: false,
            under_way: false,
            takes_tasks: false,
            revision: None,
            newer: None,
            session: None,
            rule: None,
            shadow: None,
            origin: None,
            later: None,
            ruling: None,
            remote_ruling: None,
            dispatched: Dispatched::default(),
            request_bytes: 0,
            response_bytes: 0,
            removed: 0,
            found: Vec::new(),
            over: false,
            contents_read: Vec::new(),
            contents: Report::default(),
            input_schema: None,
            output_schema: None,
            arguments: None,
            answer: None,
            status: 0,
            verdict: None,
            reason: "unfinished",
        }
    }

    /// When its first header came.
    pub(super) const fn began(&self) -> Timestamp {
        self.began
    }

    /// The HTTP verb.
    pub(super) fn verb(&self) -> &str {
        &self.verb
    }

    /// Whether the decision record is written.
    pub(super) const fn is_decided(&self) -> bool {
        self.verdict.is_some()
    }

    pub(super) fn arrived(&mut self, head: &RequestHead, guard: &Guard) {
        self.traces = Traces::of(head, guard);
        self.verb = audit::word_of(&head.method);
        self.path = audit::uri_of(&head.path);
        self.source.clone_from(&head.source);
        self.request_id = head.request_id.as_deref().map(audit::word_of);
    }

    pub(super) fn read(&mut self, message: &Message) {
        self.id.clone_from(&message.id);
        self.takes_tasks = message.takes_tasks;
        self.traces.read(message);
        self.unanswered = !matches!(message.kind, MessageKind::Request);
        self.operation = Some(message.operation.clone());
    }

    /// The words that a refusal may use.
    pub(super) fn asked<'a>(&'a self, guard: &'a Guard) -> Asked<'a> {
        let server = self.server.and_then(|index| guard.servers.get(index));
        Asked {
            id: self.id.as_ref().map(RequestId::as_json),
            unanswered: self.unanswered,
            revision: self.revision,
            supported: server.map_or(&[], |s| s.versions.as_slice()),
            metadata_url: server.map(|s| s.metadata_url.as_str()),
            scopes: server.map_or(&[], |s| s.scopes.as_slice()),
            bound_tokens: server.map_or(BoundTokens::Refused, |s| s.dpop.tokens),
            with_proof: self.with_proof,
        }
    }

    fn decision<'a>(&'a self, guard: &'a Guard, detail: Option<&'a str>, now: Timestamp) -> Decision<'a> {
        let server = self.server.and_then(|index| guard.servers.get(index));
        let [trace, client_trace] = self.traces.ids();
        Decision {
            record: "decision",
            time_ms: audit::millis(now),
            request_id: self.request_id.as_deref(),
            trace,
            client_trace,
            verb: &self.verb,
            path: self.path.clone(),
            source: self.source.as_deref(),
            server: server.map(|s| s.name.as_str()),
            principal: self.principal.as_ref().map(Who::from),
            operation: self.operation.as_ref().map(What::from),
            revision: self.newer.as_deref().or(self.revision.map(Revision::as_str)),
            verdict: self.verdict.unwrap_or("none"),
            reason: self.reason,
            detail,
            rule: self.rule.as_ref().map(RuleId::as_str),
            shadow: self.shadow.as_ref().map(Would::from),
            rego: self.ruling.as_ref().map(said),
            opa: self.remote_ruling.as_ref().map(said),
            credential: server.filter(|_| self.verdict == Some("allow")).and_then(shown_to),
            input_schema: self.input_schema,
            arguments: self.arguments.as_deref().filter(|_| self.captures(server)),
            policy: guard.digest.get(..16).unwrap_or(&guard.digest),
            content: self.found(server),
            request_bytes: self.request_bytes,
            took_us: u64::try_from(now.since(self.began).as_micros()).unwrap_or(u64::MAX),
        }
    }

    /// Whether the rule that decided asks for what was said.
    fn captures(&self, server: Option<&Server>) -> bool {
        self.rule.as_ref().zip(server).is_some_and(|(rule, server)| server.captures.contains(rule))
    }

    /// What was decided could not be written down, so it was not.
    pub(super) fn is_not_recorded(&mut self) {
        self.verdict = None;
    }

    /// Counts a verdict, and records it where it is the first; later ones only change the final reason.
    pub(super) fn decide(
        &mut self,
        verdict: &'static str,
        reason: &'static str,
        detail: Option<&str>,
        guard: &Guard,
        now: Timestamp,
    ) -> Vec<Effect> {
        self.reason = reason;
        let mut effects = vec![Effect::Count(reason)];
        if self.verdict.is_none() {
            self.verdict = Some(verdict);
            let line = audit::line(&self.decision(guard, detail, now));
            effects.extend(line.map(Effect::RecordDecision));
            effects.extend(self.span(guard));
            let allowed = verdict == "allow";
            effects.extend(self.server.map(|server| Effect::CountServer { server, allowed }));
            effects.extend(self.shadow.as_ref().map(|shadow| Effect::CountShadow(shadow.verdict)));
        } else {
            effects.extend(self.span_after_all());
        }
        effects
    }

    /// See [`Exchange::finish`].
    pub(super) fn finish(&mut self, guard: &Guard, now: Timestamp, worked: Duration) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.verdict.is_none() {
            self.reason = "client_gone";
            effects.push(Effect::Count("client_gone"));
            effects.extend(audit::line(&self.decision(guard, None, now)).map(Effect::RecordDecision));
        }
        if self.reason == "allowed" && self.dispatched.is_cut(now) {
            self.reason = Denial::TimedOut.reason();
            effects.push(Effect::Count(self.reason));
        }
        let server = self.server.and_then(|index| guard.servers.get(index));
        let completion = Completion {
            record: "completion",
            time_ms: audit::millis(now),
            request_id: self.request_id.as_deref(),
            server: server.map(|s| s.name.as_str()),
            verdict: self.verdict.unwrap_or("none"),
            reason: self.reason,
            status: self.status,
            request_bytes: self.request_bytes,
            response_bytes: self.response_bytes,
            removed: self.removed,
            found: &self.found,
            content: self.found(server),
            output_schema: self.output_schema,
            answer: self.answer.as_deref(),
            work_us: u64::try_from(worked.as_micros()).unwrap_or(u64::MAX),
            took_ms: u64::try_from(now.since(self.began).as_millis()).unwrap_or(u64::MAX),
        };
        effects.extend(audit::line(&completion).map(Effect::RecordCompletion));
        effects
    }
}

// === impl Exchange ===

impl Exchange {
    /// Writes the decision record and counts it, once per exchange; later calls only change the final reason.
    pub(super) fn decided(
        &mut self,
        verdict: &'static str,
        reason: &'static str,
        detail: Option<&str>,
        world: &World<'_>,
    ) {
        let effects = self.facts.decide(verdict, reason, detail, world.guard, world.now);
        self.effects.extend(effects);
    }

    /// Whether no header of it ever came to us.
    pub fn is_unseen(&self) -> bool {
        matches!(self.phase, Phase::Fresh)
    }

    /// At the end of a request of which no header ever came to us: what the host tells of it. Nothing where one came.
    pub fn unseen(&mut self, told: Unseen, guard: &Guard, now: Timestamp) -> Vec<Effect> {
        if !self.is_unseen() {
            return Vec::new();
        }
        let facts = &mut self.facts;
        facts.verb = audit::word_of(&told.method);
        facts.path = audit::uri_of(&told.path);
        facts.source = told.source;
        facts.request_id = told.request_id.as_deref().map(audit::word_of);
        facts.status = told.status;
        if told.status == 0 {
            return Vec::new();
        }
        let details = told.details.as_deref().map(audit::word_of);
        facts.decide("deny", "answered_by_host", details.as_deref(), guard, now)
    }

    /// The host answers by itself.
    pub(super) fn answered_by_host(&mut self, head: &ResponseHead, world: &World<'_>) -> Control {
        self.decided("deny", "answered_by_host", None, world);
        self.facts.status = head.status;
        Control::Pass
    }

    /// Answers the client.
    pub(super) fn reply(&mut self, reply: Reply) -> Control {
        self.facts.status = reply.status;
        Control::Reply(reply)
    }

    /// The one way out for every denial: recorded, counted, answered. Where an answer cannot be given any more,
    /// because the upstream's has begun, the stream is cut.
    pub(super) fn refuse(&mut self, denial: &Denial, world: &World<'_>) -> Control {
        // What was to be done for the upstream or the client is void; what was counted or recorded stays.
        self.effects.retain(|e| {
            matches!(
                e,
                Effect::Count(_)
                    | Effect::CountToken { .. }
                    | Effect::CountFound { .. }
                    | Effect::CountShadow(_)
                    | Effect::CountContent { .. }
                    | Effect::CountInputSchema(_)
                    | Effect::CountOutputSchema(_)
                    | Effect::RecordDecision(_)
                    | Effect::TellSpan(..)
            )
        });
        let verdict = if denial.asks_for_scopes() { "challenge" } else { "deny" };
        self.decided(verdict, denial.reason(), denial.detail(), world);
        self.phase = Phase::Replied;
        if self.facts.status != 0 {
            return Control::Reset;
        }
        let reply = Reply::refuse(denial, &self.facts.asked(world.guard));
        self.facts.status = reply.status;
        Control::Reply(reply)
    }

    /// The same for an answer of which the head is gone, with this status, and the body whole: that becomes the error.
    pub(super) fn refuse_in_body(&mut self, denial: &Denial, status: u16, world: &World<'_>) -> Control {
        let Control::Reply(reply) = self.refuse(denial, world) else { return Control::Reset };
        self.facts.status = status;
        self.effects.push(Effect::ReplaceResponseBody(reply.body));
        Control::Pass
    }
}

/// What a record tells of the policy's answer.
fn said(ruling: &Ruling) -> Said<'_> {
    Said {
        verdict: ruling.verdict(),
        why: ruling.why,
        reasons: &ruling.reasons,
        log: &ruling.log,
        redact: &ruling.redact,
        limit: &ruling.limit,
    }
}
