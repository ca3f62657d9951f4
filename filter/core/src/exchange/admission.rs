//! May what the rules allow go on now? Asks in order whose the session is, what was done before, how many streams are
//! open, and the buckets; the first no ends it.

use std::collections::VecDeque;

use super::past::Past;
use super::step::{Consult, Control, Effect, Event, NoLease, StreamOf, Take};
use super::upstream_credential::Subject;
use super::{Exchange, Phase, World};
use crate::bindings::owner::{Binding, Handle, Kind, Owner};
use crate::bindings::table::{Finding, Question};
use crate::denial::{Absent, Denial};
use crate::guard::WhenAway;
use crate::identity::principal::Principal;
use crate::limits::lease::Grant;
use crate::limits::rate::Across;
use crate::limits::store::Outcome;
use crate::limits::streams;
use crate::limits::tag::Tag;
use crate::mcp::operation::{Operation, Target};
use crate::policy::permit::Permit;
use crate::policy::rego::opa;
use crate::server::{Limit, Overlays, Server, Unknown};

/// An allowed request on its way through what must still be asked.
#[derive(Debug)]
pub(super) struct Admission {
    permit: Permit,
    /// The first is being asked.
    asks: VecDeque<Ask>,
}

/// One thing to ask. Nothing is spent on what goes elsewhere, or on a session that is not the caller's.
#[derive(Clone, Debug)]
pub(super) enum Ask {
    /// Where Envoy sends it, now that headers which it may have chosen by are gone.
    Route,
    Session(Consult),
    Task(Consult, String),
    /// What the policy says that lies elsewhere.
    Policy(VecDeque<opa::Question>),
    /// What was done before.
    Past(Past),
    Stream(StreamOf),
    /// Which buckets there are to be asked, now that it is known to what the policies oblige.
    Limits,
    /// The buckets, and the limits that they are of.
    Buckets(Vec<Take>, Vec<String>),
    /// What the server gets for the token, last of all.
    Credential(Subject),
    /// Tokens of those that hold across a fleet, from the authorization server.
    Leases(Vec<Take>, Vec<String>),
}

// === impl Exchange ===

impl Exchange {
    /// Begins to ask for an operation that the rules allow.
    pub(super) fn admit(
        &mut self,
        permit: Permit,
        who: &Principal,
        operation: &Operation,
        questions: VecDeque<opa::Question>,
        world: &mut World<'_>,
    ) -> Result<Control, Denial> {
        let server = self.server(world.guard)?;
        let mut asks = VecDeque::new();
        asks.extend(self.dispatch(server, operation, world));
        let source = self.facts.source.as_deref();
        asks.extend(self.facts.session.as_deref().map(|id| {
            let binding = bound(Kind::Session, server, id, who, source);
            Ask::Session(Consult { binding, question: question(server.unknown) })
        }));
        for target in &operation.targets {
            if let Target::Task(id) = target {
                let binding = bound(Kind::Task, server, id, who, source);
                let question =
                    if self.is_notification() { Question::Check } else { question(server.unknown) };
                asks.push_back(Ask::Task(Consult { binding, question }, id.clone()));
            }
        }
        asks.extend((!questions.is_empty()).then_some(Ask::Policy(questions)));
        asks.extend(self.past(server, who, operation, world.salt)?.map(Ask::Past));
        if self.may_stream(operation) {
            asks.push_back(Ask::Stream(self.stream(server, who)?));
        }
        asks.push_back(Ask::Limits);
        asks.extend(self.credential_to_ask(server)?);
        self.ask(Box::new(Admission { permit, asks }), world)
    }

    /// What came of the first question.
    pub(super) fn answered(
        &mut self,
        mut admission: Box<Admission>,
        event: &Event<'_>,
        world: &mut World<'_>,
    ) -> Result<Control, Denial> {
        match (admission.asks.pop_front(), event) {
            (Some(Ask::Route), Event::Routed(route)) => {
                if !self.server(world.guard)?.is_routed_right(route.as_deref()) {
                    return Err(Denial::Internal("Envoy chose another route"));
                }
            }
            (Some(Ask::Session(_)), Event::Consulted(finding)) => own_session(*finding)?,
            // What a client says of a task may be of one of its own, which no server handed out.
            (Some(Ask::Task(..)), Event::Consulted(Some(Finding::Unknown))) if self.is_notification() => {}
            (Some(Ask::Task(_, id)), Event::Consulted(finding)) => own_task(*finding, id)?,
            (Some(Ask::Policy(questions)), Event::PolicyAnswered(answer)) => {
                self.policy_answered(&mut admission, questions, *answer, world)?;
            }
            (Some(Ask::Credential(subject)), Event::CredentialGiven(answer)) => {
                self.credential_given(&subject, *answer, world)?;
            }
            (Some(Ask::Past(past)), Event::Recalled(outcome)) => self.past_admits(&past, *outcome)?,
            (Some(Ask::Stream(stream)), Event::StreamCounted(outcome)) => {
                stream_admits(*outcome, stream.most)?;
            }
            (Some(Ask::Buckets(takes, limits)), Event::Taken(Some(Outcome::Unleased), _)) => {
                admission.asks.push_front(self.lease(takes, limits, world)?);
            }
            (Some(Ask::Leases(takes, limits)), Event::Leased(answer)) => {
                let takes = leased(takes, answer, world)?;
                admission.asks.push_front(Ask::Buckets(takes, limits));
            }
            (Some(Ask::Buckets(_, limits)), Event::Taken(outcome, at)) => {
                bucket_admits(*outcome, limits.get(*at).map_or("", String::as_str))?;
            }
            _ => return Err(Denial::Internal("an answer to another question")),
        }
        self.ask(admission, world)
    }

    fn ask(&mut self, mut admission: Box<Admission>, world: &mut World<'_>) -> Result<Control, Denial> {
        if let Some(Ask::Policy(questions)) = admission.asks.front_mut()
            && !self.ask_policy(questions, world)?
        {
            admission.asks.pop_front();
            return self.ask(admission, world);
        }
        if let Some(Ask::Credential(subject)) = admission.asks.front()
            && !self.ask_credential(subject, world)?
        {
            admission.asks.pop_front();
            return self.ask(admission, world);
        }
        if let Some(Ask::Limits) = admission.asks.front() {
            let (takes, limits) = self.takes(self.server(world.guard)?)?;
            admission.asks.pop_front();
            if !takes.is_empty() {
                admission.asks.push_front(Ask::Buckets(takes, limits));
            }
            return self.ask(admission, world);
        }
        let control = match admission.asks.front() {
            Some(Ask::Route) => Control::Route,
            Some(Ask::Session(consult) | Ask::Task(consult, _)) => Control::Consult(*consult),
            Some(Ask::Past(past)) => Control::Recall(past.recall.clone()),
            Some(Ask::Stream(stream)) => Control::CountStream(*stream),
            Some(Ask::Buckets(takes, _)) => Control::Take(takes.clone()),
            Some(Ask::Leases(..) | Ask::Policy(_) | Ask::Credential(_)) => Control::Hold,
            Some(Ask::Limits) => return Err(Denial::Internal("limits that are not known")),
            None => return self.forward(admission.permit, world),
        };
        self.phase = Phase::Admitting(admission);
        Ok(control)
    }

    /// What is asked next where too little is leased. Once: a grant that came too late to count is none.
    fn lease(&mut self, takes: Vec<Take>, limits: Vec<String>, world: &World<'_>) -> Result<Ask, Denial> {
        if takes.iter().any(|take| take.grant.is_some()) {
            return Ok(Ask::Buckets(without_lease(takes, world)?, limits));
        }
        let fleet = takes.iter().filter(|take| take.across == Across::Fleet);
        self.effects.push(Effect::Lease(fleet.map(|take| (take.tag, take.rate)).collect()));
        Ok(Ask::Leases(takes, limits))
    }

    /// The buckets that the allowed operation spends from, with the names of their limits.
    fn takes(&self, server: &Server) -> Result<(Vec<Take>, Vec<String>), Denial> {
        let who = self.facts.principal.as_ref().ok_or(Denial::Internal("a limit without a principal"))?;
        let operation = self.facts.operation.as_ref().ok_or(Denial::Internal("a limit of nothing"))?;
        let obliged = self.obliged(|ruling| &ruling.limit);
        Ok(takes(server, (who, &server.overlays(who)), self.facts.source.as_deref(), operation, &obliged))
    }

    fn is_notification(&self) -> bool {
        self.facts.operation.as_ref().is_some_and(|o| o.method.starts_with("notifications/"))
    }

    /// One more stream of `who`, within the bounds that hold for this exchange.
    pub(super) fn stream(&self, server: &Server, who: &Principal) -> Result<StreamOf, Denial> {
        let bounds = self.facts.bounds.ok_or(Denial::Internal("a stream without bounds"))?;
        let tag = Tag::streams(&server.name, who, self.facts.source.as_deref());
        Ok(StreamOf { tag, most: bounds.streams })
    }

    /// Whether the answer may be an event stream: that of GET, and that of every request that has an answer. What it will
    /// be is known too late to refuse it, so each counts from now to its end. What is brief counts if it is one after all.
    fn may_stream(&self, operation: &Operation) -> bool {
        !self.facts.unanswered && !operation.is_brief()
    }

    /// That what the server calls so is this exchange's principal's, or is to be.
    pub(super) fn binding(&self, kind: Kind, id: &str, server: &Server) -> Result<Binding, Denial> {
        let who = self.facts.principal.as_ref().ok_or(Denial::Internal("an owner without a principal"))?;
        Ok(bound(kind, server, id, who, self.facts.source.as_deref()))
    }
}

// === impl Admission ===

impl Admission {
    /// What is asked before all that is still to be asked.
    pub(super) fn put_first(&mut self, ask: Ask) {
        self.asks.push_front(ask);
    }
}

/// What the count of open streams said.
pub(super) fn stream_admits(outcome: Option<streams::Outcome>, most: u32) -> Result<(), Denial> {
    outcome.ok_or(Denial::Unavailable("stream store"))?.admitted(most)
}

/// What the bucket of a limit said.
pub(super) fn bucket_admits(outcome: Option<Outcome>, limit: &str) -> Result<(), Denial> {
    outcome.ok_or(Denial::Unavailable("rate limit store"))?.admitted(limit).map(drop)
}

/// The buckets, with what was granted of each that holds across the fleet.
fn leased(
    mut takes: Vec<Take>,
    answer: &Result<Vec<Grant>, NoLease>,
    world: &World<'_>,
) -> Result<Vec<Take>, Denial> {
    let grants = match answer {
        Ok(grants) => grants,
        Err(NoLease::Away) => return without_lease(takes, world),
        // Whoever asks much must not bring about what holds while the server is away.
        Err(NoLease::Busy) => return Err(Denial::Unavailable("room for questions about rate limits")),
    };
    for take in takes.iter_mut().filter(|take| take.across == Across::Fleet) {
        take.grant = grants.iter().find(|grant| grant.tag == take.tag).copied();
        if take.grant.is_none() {
            return Err(Denial::Internal("an answer to another question"));
        }
    }
    Ok(takes)
}

/// What holds where no lease can be had: nothing, or each bucket for this Envoy alone.
fn without_lease(mut takes: Vec<Take>, world: &World<'_>) -> Result<Vec<Take>, Denial> {
    match world.guard.leases.as_ref().map(|source| source.when_away) {
        Some(WhenAway::Local) => {
            for take in &mut takes {
                (take.across, take.grant) = (Across::Envoy, None);
            }
            Ok(takes)
        }
        Some(WhenAway::Refuse) | None => Err(Denial::Unavailable("a lease of a rate limit")),
    }
}

/// Only the caller's own session passes; another's reads like one that never was.
fn own_session(finding: Option<Finding>) -> Result<(), Denial> {
    match finding {
        Some(Finding::Own) => Ok(()),
        Some(Finding::Foreign) => Err(Denial::UnknownSession("the session of another principal")),
        Some(Finding::Unknown) => Err(Denial::UnknownSession("a session that was not begun here")),
        Some(Finding::Corrupt) => Err(Denial::Internal("session store")),
        None => Err(Denial::Unavailable("session store")),
    }
}

/// That what `server` calls `id` is somebody's.
pub(super) fn bound(kind: Kind, server: &Server, id: &str, who: &Principal, source: Option<&str>) -> Binding {
    Binding { kind, handle: Handle::of(&server.name, id), owner: Owner::of(who, source) }
}

/// Another's task reads like one that does not exist.
fn own_task(finding: Option<Finding>, id: String) -> Result<(), Denial> {
    match finding {
        Some(Finding::Own) => Ok(()),
        Some(Finding::Foreign | Finding::Unknown) => Err(Denial::NotAllowed(Absent::Task(id))),
        Some(Finding::Corrupt) => Err(Denial::Internal("task store")),
        None => Err(Denial::Unavailable("task store")),
    }
}

fn question(unknown: Unknown) -> Question {
    match unknown {
        Unknown::Refuse => Question::Check,
        Unknown::Adopt => Question::Claim,
    }
}

/// The buckets that an allowed operation spends from, with the names of their limits.
fn takes(
    server: &Server,
    (who, overlays): (&Principal, &Overlays<'_>),
    source: Option<&str>,
    operation: &Operation,
    obliged: &[String],
) -> (Vec<Take>, Vec<String>) {
    // A refusal would turn a modern client into a legacy one.
    let limited = operation.method != Operation::DISCOVER;
    let of_layers: Vec<&Limit> = overlays.0.iter().filter_map(|overlay| overlay.rate.as_ref()).collect();
    let of_policy = server.limits.obliged.iter().filter(|limit| obliged.contains(&limit.id));
    let all = server.limits.rates.iter().chain(of_layers).chain(of_policy.map(|limit| &limit.limit));
    let spends = all.filter(|limit| limited && limit.covers.holds(operation));
    // What a bucket of our own refuses needs no lease.
    let of = |across| spends.clone().filter(move |limit| limit.across == across);
    let spends = of(Across::Envoy).chain(of(Across::Fleet));
    let take = |limit: &Limit| {
        let tag = Tag::limit(&server.name, &limit.name, limit.per, who, source, limit.rate);
        let take = Take { across: limit.across, ..Take::here(tag, limit.rate) };
        (take, limit.name.clone())
    };
    spends.map(take).unzip()
}
