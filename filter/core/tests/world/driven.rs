//! One exchange under test: does with every step what the adapter in Envoy does, and keeps what came of it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use wicketgate_core::bindings::table;
use wicketgate_core::exchange::step::{
    Consult, Control, Effect, Event, Next, Owners, Pages, ResponseMode, Step, Tools,
};
use wicketgate_core::exchange::{Exchange, World};
use wicketgate_core::limits::lease;
use wicketgate_core::limits::streams;
use wicketgate_core::limits::tag::Tag;
use wicketgate_core::time::Timestamp;
use wicketgate_core::tools::table as tools;

use super::{Gate, SALT, response};

/// Status, headers and body of an answer of ours.
pub type Replied = (u16, Vec<(String, String)>, Vec<u8>);
/// Headers as tests write them.
pub type Fields<'a> = &'a [(&'a str, &'a str)];

/// One exchange with what came of it so far.
pub struct Driven {
    pub exchange: Exchange,
    /// Bytes that went to the upstream.
    pub upstream: Option<Vec<u8>>,
    pub replies: Vec<Replied>,
    pub resets: usize,
    pub decisions: Vec<Value>,
    /// What the host's span says.
    pub span: BTreeMap<&'static str, String>,
    pub completions: Vec<Value>,
    pub counts: Vec<&'static str>,
    /// What was done about what, and how often.
    pub found: Vec<(&'static str, &'static str, u64)>,
    /// Decisions by server: allowed or not.
    pub servers: Vec<(usize, bool)>,
    pub tokens_remembered: Vec<bool>,
    /// What content rules found, what became of it, how often.
    pub contents: Vec<(&'static str, &'static str, u64)>,
    /// How calls and answers stood to schemas.
    pub schemas: Vec<&'static str>,
    pub streams: Vec<Tag>,
    pub removed_request_headers: Vec<String>,
    pub removed_response_headers: Vec<&'static str>,
    pub set_response_headers: Vec<(&'static str, &'static str)>,
    pub wants_keys: Option<usize>,
    /// What issuers were asked about tokens.
    pub questions: Vec<Value>,
    /// What the authorization server was asked for of buckets that hold across a fleet.
    pub leases: Vec<Vec<lease::Ask>>,
    /// What the policy was asked that lies elsewhere.
    pub policy_questions: Vec<Value>,
    /// What was asked for to show to servers.
    pub credential_questions: Vec<Value>,
    /// What was put into the head of the request.
    pub set_request_headers: Vec<(String, String)>,
    /// What the client reads of the upstream's answer.
    pub downstream: Vec<u8>,
    pub(super) body: Vec<u8>,
}

// === impl Driven ===

impl Driven {
    /// One of which nothing has been seen, begun `now`.
    pub fn begun(now: Timestamp) -> Self {
        Self {
            exchange: Exchange::new(now),
            upstream: None,
            replies: Vec::new(),
            resets: 0,
            decisions: Vec::new(),
            span: BTreeMap::new(),
            completions: Vec::new(),
            counts: Vec::new(),
            found: Vec::new(),
            servers: Vec::new(),
            tokens_remembered: Vec::new(),
            contents: Vec::new(),
            schemas: Vec::new(),
            streams: Vec::new(),
            removed_request_headers: Vec::new(),
            removed_response_headers: Vec::new(),
            set_response_headers: Vec::new(),
            wants_keys: None,
            questions: Vec::new(),
            leases: Vec::new(),
            policy_questions: Vec::new(),
            credential_questions: Vec::new(),
            set_request_headers: Vec::new(),
            downstream: Vec::new(),
            body: Vec::new(),
        }
    }

    pub fn feed(&mut self, gate: &mut Gate, event: Event<'_>) {
        let chunk = match &event {
            Event::ResponseBody { bytes, .. } => Some(bytes.to_vec()),
            _ => None,
        };
        let mut step = self.on(gate, event);
        loop {
            let mut out = chunk.clone();
            let lost = gate.host_fails && matches!(step.control, Control::Forward(_));
            for effect in step.effects.into_iter().filter(|_| !lost) {
                if let Effect::Forget(binding) = &effect {
                    gate.change(&table::set_key(binding, SALT), |set| (table::forget(set, binding), ()));
                }
                if let Effect::GiveBack(take) = &effect {
                    let now = gate.now;
                    take.give_back(now, SALT, now, &mut |key, next| {
                        gate.change(key, |set| (next(set), ())).is_some()
                    });
                }
                if let Effect::Lease(buckets) = &effect {
                    self.leases.push(gate.ask_for_leases(buckets));
                }
                if let Effect::Remember(recall) = &effect {
                    gate.recall(recall);
                }
                self.perform(effect, &mut out);
            }
            match step.control {
                Control::Take(takes) => {
                    let (outcome, at) = gate.take(&takes);
                    step = self.on(gate, Event::Taken(outcome.filter(|_| !gate.buckets_fail), at));
                }
                Control::Consult(consult) => {
                    let now = gate.now;
                    let finding = gate.change(&table::set_key(&consult.binding, SALT), |set| {
                        let found = table::ask(set, &consult.binding, consult.question, now);
                        (found.bytes, found.finding)
                    });
                    step = self.on(gate, Event::Consulted(finding.filter(|_| !gate.owners_fail)));
                }
                Control::UseProof(proof) => {
                    let outcome = gate.use_proof(&proof).filter(|_| !gate.proofs_fail);
                    step = self.on(gate, Event::ProofUsed(outcome));
                }
                Control::Recall(recall) => {
                    let outcome = gate.recall(&recall).filter(|_| !gate.history_fails);
                    step = self.on(gate, Event::Recalled(outcome));
                }
                Control::Route => step = self.on(gate, Event::Routed(gate.route.clone())),
                Control::CountStream(wanted) => {
                    let outcome = gate.count_stream(&wanted);
                    self.streams.extend((outcome == Some(streams::Outcome::Admitted)).then_some(wanted.tag));
                    step = self.on(gate, Event::StreamCounted(outcome));
                }
                // A host that fails does nothing of it.
                Control::Forward(_) if gate.host_fails => return,
                Control::Forward(_) => {
                    self.exchange.on_its_way();
                    return self.upstream = Some(self.body.clone());
                }
                Control::Reply(r) => {
                    let headers = r.headers.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect();
                    return self.replies.push((r.status, headers, r.body));
                }
                Control::Reset => return self.resets += 1,
                Control::Pass => return self.downstream.extend(out.unwrap_or_default()),
                Control::Hold => return,
            }
        }
    }

    fn on(&mut self, gate: &mut Gate, event: Event<'_>) -> Step {
        // Answers ask while the rest of the gate is lent out.
        let shared = RefCell::new(std::mem::take(&mut gate.shared));
        let (now, fails) = (gate.now, gate.store_fails);
        let ask = |consult: &Consult| {
            let (key, mut shared) = (table::set_key(&consult.binding, SALT), shared.borrow_mut());
            let found =
                table::ask(shared.get(&key).map(Vec::as_slice), &consult.binding, consult.question, now);
            shared.extend(found.bytes.map(|bytes| (key, bytes)));
            (!fails).then_some(found.finding)
        };
        let recall = |tag| {
            let shared = shared.borrow();
            tools::recall(shared.get(&tools::set_key(tag, SALT)).map(Vec::as_slice), tag)
        };
        let learn = |tag, listed| {
            let (key, mut shared) = (tools::set_key(tag, SALT), shared.borrow_mut());
            let learnt = tools::learn(shared.get(&key).map(Vec::as_slice), tag, listed, now);
            shared.extend(learnt.unwrap().map(|bytes| (key, bytes)));
            !fails
        };
        let meanwhile = RefCell::new(gate.meanwhile.take());
        let page = |key: &str, next: &mut Next<'_>| {
            let mut shared = shared.borrow_mut();
            let bytes = next(shared.get(key).map(Vec::as_slice));
            shared.extend(bytes.map(|bytes| (key.to_owned(), bytes)));
            shared.extend(meanwhile.take().filter(|theirs| theirs.contains_key(key)).into_iter().flatten());
            !fails && !gate.pages_fail
        };
        let mut world = World {
            guard: &gate.guard,
            memory: &mut gate.memory,
            held: &gate.held,
            salt: (!fails && !gate.salt_fails).then_some(SALT),
            owners: Owners(&ask),
            tools: Tools { recall: &recall, learn: &learn },
            pages: Pages(&page),
            schemas: &mut gate.schemas,
            now,
        };
        let step = self.exchange.on(event, &mut world);
        gate.shared = shared.into_inner();
        gate.meanwhile = meanwhile.into_inner();
        step
    }

    fn perform(&mut self, effect: Effect, out: &mut Option<Vec<u8>>) {
        match effect {
            Effect::RemoveRequestHeader(name) => self.removed_request_headers.push(name),
            Effect::Dispatch(name, value) => self.set_request_headers.push((name.to_owned(), value)),
            Effect::RemoveResponseHeader(name) => self.removed_response_headers.push(name),
            Effect::SetResponseHeader(name, value) => self.set_response_headers.push((name, value)),
            Effect::ReplaceResponseBody(bytes) => *out = Some(bytes),
            Effect::ReplaceRequestBody(bytes) => self.body = bytes,
            Effect::CountInputSchema(outcome) | Effect::CountOutputSchema(outcome) => {
                self.schemas.push(outcome)
            }
            Effect::FetchKeys(issuer) => self.wants_keys = Some(issuer),
            Effect::SetRequestHeader { name, value } => {
                self.set_request_headers.push((name, value.text().to_owned()))
            }
            Effect::GiveCredential(question) => {
                self.credential_questions.push(serde_json::from_slice(&question.body).unwrap())
            }
            Effect::AskPolicy { question, .. } => {
                self.policy_questions.push(serde_json::from_slice(&question.body).unwrap())
            }
            Effect::Validate(question) => {
                self.questions.push(serde_json::from_slice(&question.body()).unwrap())
            }
            Effect::RecordDecision(line) => self.decisions.push(serde_json::from_str(&line).unwrap()),
            Effect::RecordCompletion(line) => self.completions.push(serde_json::from_str(&line).unwrap()),
            Effect::TellSpan(name, word) => drop(self.span.insert(name, word)),
            Effect::Count(reason) => self.counts.push(reason),
            Effect::CountToken { remembered } => self.tokens_remembered.push(remembered),
            Effect::CountFound { why, done, count } => self.found.push((done, why, count)),
            Effect::CountContent { found, action, count } => self.contents.push((found, action, count)),
            Effect::CountShadow(verdict) => self.counts.push(verdict),
            Effect::CountRemoved(_)
            | Effect::Forget(_)
            | Effect::GiveBack(_)
            | Effect::Lease(_)
            | Effect::Remember(_) => {}
            Effect::CountServer { server, allowed } => self.servers.push((server, allowed)),
        }
    }

    pub fn respond(&mut self, gate: &mut Gate, status: u16, headers: &[(&str, &str)], body: &[u8]) {
        self.feed(gate, Event::ResponseHead { head: response(status, headers), end: body.is_empty() });
        if body.is_empty() || !self.replies.is_empty() {
            return;
        }
        let (bytes, size) = match self.exchange.response_mode() {
            ResponseMode::Pass | ResponseMode::Whole | ResponseMode::Stream => (body, body.len()),
        };
        self.feed(gate, Event::ResponseBody { bytes, size, end: true });
    }

    pub fn finish(&mut self, gate: &mut Gate) {
        for tag in std::mem::take(&mut self.streams) {
            gate.release(tag);
        }
        for effect in self.exchange.finish(&gate.guard, gate.now, Duration::from_micros(7)) {
            self.perform(effect, &mut None);
        }
    }

    pub fn status(&self) -> Option<u16> {
        self.replies.first().map(|r| r.0)
    }

    pub fn reply_json(&self) -> Value {
        serde_json::from_slice(&self.replies[0].2).unwrap()
    }

    pub fn reply_header(&self, name: &str) -> Option<&str> {
        self.replies[0].1.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}
