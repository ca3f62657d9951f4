//! A whole gateway in memory: a compiled configuration, a signing key, a bucket store, and a driver that does what the
//! adapter in Envoy does with every step. Shared by the integration tests of the core.
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    missing_docs,
    reason = "shared by test files, each of which uses its own part"
)]

mod messages;
mod shared;
mod signing;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use jwt_simple::prelude::*;
use serde_json::{Value, json};
use wicketgate_core::bindings::table;
use wicketgate_core::config;
use wicketgate_core::exchange::step::{
    Consult, Control, Effect, Event, Next, Owners, Pages, Recall, ResponseMode, StreamOf, Take, Tools,
};
use wicketgate_core::exchange::{Exchange, World};
use wicketgate_core::guard::Guard;
use wicketgate_core::head::RequestHead;
use wicketgate_core::history::table as history;
use wicketgate_core::identity::jwks::KeySet;
use wicketgate_core::identity::memory::Memory;
use wicketgate_core::limits::held::Held;
use wicketgate_core::limits::lease;
use wicketgate_core::limits::streams::{self, Holder};
use wicketgate_core::limits::tag::Tag;
use wicketgate_core::salt::Salt;
use wicketgate_core::time::Timestamp;
use wicketgate_core::tools::schemas::SchemaMemory;
use wicketgate_core::tools::table as tools;

pub use messages::{call, list, request, response};
pub use shared::granted;
pub use signing::{b64, jwk, signed};

pub const NOW: u64 = 1_900_000_000;
pub const ISSUER: &str = "https://auth.example";
const VM: Holder = Holder(1);
const SALT: Salt = Salt::new([5; 16]);
pub const RESOURCE: &str = "https://gate.example/mcp";

/// The configuration of one server with these rules.
pub fn configuration(rules: &Value) -> Value {
    json!({
        "version": 1,
        "hold_headers": true,
        "issuers": [{"issuer": ISSUER, "algorithms": ["ES256"], "jwks": {"cluster": "auth", "path": "/v1/jwks"}}],
        "servers": [{"name": "demo", "url": RESOURCE, "scopes": ["mcp:read"], "rules": rules}],
    })
}

/// Everything around the exchanges of one VM.
pub struct Gate {
    pub guard: Guard,
    pub memory: Memory,
    pub held: Held,
    pub schemas: SchemaMemory,
    pub key: ES256KeyPair,
    pub now: Timestamp,
    /// Shared data: buckets, owners, streams.
    pub shared: BTreeMap<String, Vec<u8>>,
    /// Streams that count in this VM.
    pub streams: BTreeMap<Tag, u32>,
    pub store_fails: bool,
    /// The same for the question whose a session or a task is, and for nothing before it.
    pub owners_fail: bool,
    /// The same for the buckets alone.
    pub buckets_fail: bool,
    /// The same for the salt alone.
    pub salt_fails: bool,
    /// The same for used proofs alone.
    pub proofs_fail: bool,
    /// What another worker writes after this one has read a page, once.
    pub meanwhile: Option<BTreeMap<String, Vec<u8>>>,
    /// The same for what was done before.
    pub history_fails: bool,
    /// The peer's address.
    pub source: Option<&'static str>,
    /// The route that Envoy takes.
    pub route: Option<String>,
}

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
    pub wants_keys: Option<usize>,
    /// What issuers were asked about tokens.
    pub questions: Vec<Value>,
    /// What the authorization server was asked for of buckets that hold across a fleet.
    pub leases: Vec<Vec<lease::Ask>>,
    /// What the policy was asked that lies elsewhere.
    pub policy_questions: Vec<Value>,
    /// What the client reads of the upstream's answer.
    pub downstream: Vec<u8>,
    body: Vec<u8>,
}

// === impl Gate ===

impl Gate {
    pub fn new(configuration: &Value) -> Self {
        let compiled =
            config::compile(configuration.to_string().as_bytes()).expect("the test's configuration compiles");
        let key = ES256KeyPair::generate().with_key_id("k1");
        let mut gate = Self {
            memory: Memory::new(&compiled.guard.issuers),
            held: Held::new(compiled.guard.held_bytes),
            schemas: SchemaMemory::default(),
            guard: compiled.guard,
            key,
            now: Timestamp::from_secs(NOW),
            shared: BTreeMap::new(),
            streams: BTreeMap::new(),
            store_fails: false,
            owners_fail: false,
            buckets_fail: false,
            salt_fails: false,
            proofs_fail: false,
            meanwhile: None,
            history_fails: false,
            source: None,
            route: None,
        };
        let keys = gate.keys();
        gate.memory.replace_keys(0, keys, gate.now);
        gate
    }

    /// A VM that has just started.
    pub fn forget_keys(&mut self) {
        self.memory = Memory::new(&self.guard.issuers);
    }

    pub fn with_rules(rules: &Value) -> Self {
        Self::new(&configuration(rules))
    }

    /// The key set as the sidecar would serve it.
    pub fn keys(&self) -> KeySet {
        let mut key = jwk(&self.key);
        for (name, value) in [("kid", "k1"), ("alg", "ES256"), ("use", "sig")] {
            key[name] = json!(value);
        }
        let document = json!({"keys": [key]});
        KeySet::parse(document.to_string().as_bytes()).expect("a sound key set")
    }

    /// A signed access token (RFC 9068) with these extra claims.
    pub fn token(&self, extra: &Value) -> String {
        let mut claims = json!({
            "iss": ISSUER, "sub": "alice", "aud": RESOURCE, "client_id": "c1", "jti": "j1", "grant_id": "g1",
            "iat": NOW - 1, "exp": NOW + 600, "scope": "mcp:read",
        });
        for (name, value) in extra.as_object().unwrap() {
            claims[name] = value.clone();
        }
        self.jws("at+jwt", &claims)
    }

    /// What the issuer signs, of this type.
    pub fn jws(&self, typ: &str, claims: &Value) -> String {
        signed(&self.key, &json!({"alg": "ES256", "typ": typ, "kid": "k1"}), claims)
    }

    pub fn begin(&self) -> Driven {
        Driven {
            exchange: Exchange::new(self.now),
            upstream: None,
            replies: Vec::new(),
            resets: 0,
            decisions: Vec::new(),
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
            wants_keys: None,
            questions: Vec::new(),
            leases: Vec::new(),
            policy_questions: Vec::new(),
            downstream: Vec::new(),
            body: Vec::new(),
        }
    }

    /// A whole POST with a token of these claims.
    pub fn post(&mut self, claims: &Value, message: &Value) -> Driven {
        let token = self.token(claims);
        self.post_raw(&[("authorization", &format!("Bearer {token}"))], message.to_string().as_bytes())
    }

    /// A whole POST with these headers besides the usual ones.
    pub fn post_raw(&mut self, headers: &[(&str, &str)], body: &[u8]) -> Driven {
        let mut driven = self.begin();
        let mut all =
            vec![("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
        all.extend_from_slice(headers);
        let head = RequestHead { source: self.source.map(str::to_owned), ..request("POST", "/mcp", &all) };
        driven.feed(self, Event::RequestHead { head, end: false });
        if driven.replies.is_empty() {
            driven.body = body.to_vec();
            driven.feed(self, Event::RequestBody(body));
        }
        driven
    }
}

// === impl Driven ===

impl Driven {
    pub fn feed(&mut self, gate: &mut Gate, event: Event<'_>) {
        let chunk = match &event {
            Event::ResponseBody { bytes, .. } => Some(bytes.to_vec()),
            _ => None,
        };
        let mut step = self.on(gate, event);
        loop {
            let mut out = chunk.clone();
            for effect in step.effects {
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
                Control::Forward(_) => return self.upstream = Some(self.body.clone()),
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

    fn on(&mut self, gate: &mut Gate, event: Event<'_>) -> wicketgate_core::exchange::step::Step {
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
            !fails
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
            Effect::RemoveResponseHeader(name) => self.removed_response_headers.push(name),
            Effect::ReplaceResponseBody(bytes) => *out = Some(bytes),
            Effect::ReplaceRequestBody(bytes) => self.body = bytes,
            Effect::CountInputSchema(outcome) | Effect::CountOutputSchema(outcome) => {
                self.schemas.push(outcome)
            }
            Effect::FetchKeys(issuer) => self.wants_keys = Some(issuer),
            Effect::AskPolicy { question, .. } => {
                self.policy_questions.push(serde_json::from_slice(&question.body).unwrap())
            }
            Effect::Validate(question) => {
                self.questions.push(serde_json::from_slice(&question.body()).unwrap())
            }
            Effect::RecordDecision(line) => self.decisions.push(serde_json::from_str(&line).unwrap()),
            Effect::RecordCompletion(line) => self.completions.push(serde_json::from_str(&line).unwrap()),
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
