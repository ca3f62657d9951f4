//! A host for the core, as Envoy with the adapter is one: it keeps what stores keep, does what steps say, and demands after
//! every event what must hold whatever came before. Shared by the targets that run whole exchanges.
#![allow(dead_code, reason = "each target uses its own part")]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use wicketgate_core::bindings::table;
use wicketgate_core::config::compile;
use wicketgate_core::exchange::step::{
    Consult, Control, Effect, Event, Next, Owners, Pages, Recall, StreamOf, Take, Tools,
};
use wicketgate_core::exchange::{Exchange, World};
use wicketgate_core::guard::Guard;
use wicketgate_core::history::table as history;
use wicketgate_core::identity::memory::Memory;
use wicketgate_core::limits::held::Held;
use wicketgate_core::limits::lease::{self, Ask, Need};
use wicketgate_core::limits::rate::Rate;
use wicketgate_core::limits::store::Outcome;
use wicketgate_core::limits::streams::{self, Holder};
use wicketgate_core::limits::tag::Tag;
use wicketgate_core::limits::{taking, used_proofs};
use wicketgate_core::salt::Salt;
use wicketgate_core::time::Timestamp;
use wicketgate_core::tools::listed::{Listed, ToolTag};
use wicketgate_core::tools::schemas::SchemaMemory;
use wicketgate_core::tools::table as tools;

/// What all streams may hold together here: little, so that it is reached.
pub const HELD: u64 = 96;
pub const NOW: u64 = 1_900_000_000;
pub const ISSUER: &str = "https://a.example";
pub const RESOURCE: &str = "https://b.example/mcp";

/// One VM, and what it shares with others.
pub struct Vm<'g> {
    pub guard: &'g Guard,
    pub memory: RefCell<Memory>,
    pub held: Held,
    pub schemas: RefCell<SchemaMemory>,
    pub now: Timestamp,
    pub shared: RefCell<BTreeMap<String, Vec<u8>>>,
    pub streams: BTreeMap<Tag, u32>,
    /// Whether the stores can be read and written.
    pub broken: bool,
}

/// One exchange, and what came of it so far.
pub struct Driven {
    pub exchange: Exchange,
    /// What the host holds of the request's body.
    pub body: Vec<u8>,
    pub forwarded: Option<Vec<u8>>,
    pub replied: Option<u16>,
    pub reset: bool,
    pub decisions: Vec<Value>,
    pub completions: Vec<Value>,
    pub streams: Vec<Tag>,
    pub removed: Vec<String>,
    pub removed_from_answer: Vec<&'static str>,
    /// Whether its session has ended with it.
    pub forgot: bool,
    /// What was asked of an issuer and is not answered.
    pub asked: Option<Asked>,
    /// What the authorization server was asked for of buckets that hold across a fleet.
    pub leases: Vec<Ask>,
    pub downstream: Vec<u8>,
}

const SALT: Salt = Salt::new([5; 16]);

/// A callout under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Keys(usize),
    Token,
    Leases,
    Policy,
    Credential,
}

pub fn guard(document: &Value) -> Guard {
    compile(document.to_string().as_bytes()).expect("sound").guard
}

// === impl Vm ===

impl<'g> Vm<'g> {
    pub fn new(guard: &'g Guard) -> Self {
        Self {
            guard,
            memory: RefCell::new(Memory::new(&guard.issuers)),
            held: Held::new(HELD),
            schemas: RefCell::default(),
            now: Timestamp::from_secs(NOW),
            shared: RefCell::default(),
            streams: BTreeMap::new(),
            broken: false,
        }
    }

    fn change<T>(&self, key: &str, next: impl FnOnce(Option<&[u8]>) -> (Option<Vec<u8>>, T)) -> Option<T> {
        let mut shared = self.shared.borrow_mut();
        let (bytes, outcome) = next(shared.get(key).map(Vec::as_slice));
        shared.extend(bytes.map(|bytes| (key.to_owned(), bytes)));
        (!self.broken).then_some(outcome)
    }

    fn take(&self, takes: &[Take]) -> (Option<Outcome>, usize) {
        let taken = taking::take(takes, SALT, self.now, &mut |key, next| {
            self.change(key, |set| (next(set), ())).is_some()
        });
        (taken.outcome, taken.at)
    }

    fn ask_for_leases(&self, buckets: &[(Tag, Rate)]) -> Vec<Ask> {
        let asks = buckets.iter().map(|bucket| {
            self.change(&lease::set_key(bucket.0, SALT), |set| {
                let (ask, bytes) = lease::want(set, *bucket, Need::Now, lease::MOST_PATIENCE, self.now);
                (bytes, ask)
            })
        });
        asks.filter_map(Option::flatten).collect()
    }

    fn count_stream(&mut self, wanted: &StreamOf) -> Option<streams::Outcome> {
        let held = self.streams.get(&wanted.tag).copied().unwrap_or_default();
        let outcome = self.change(&streams::set_key(wanted.tag, SALT), |set| {
            let got = streams::acquire(set, wanted.tag, Holder(1), held, wanted.most, self.now);
            (got.bytes, got.outcome)
        });
        if outcome == Some(streams::Outcome::Admitted) {
            assert!(held < wanted.most, "more streams than there may be");
            self.streams.insert(wanted.tag, held + 1);
        }
        outcome
    }

    fn release(&mut self, tag: Tag) {
        let left = self.streams.get(&tag).copied().expect("it counts") - 1;
        self.streams.insert(tag, left);
        self.change(&streams::set_key(tag, SALT), |set| {
            (streams::hold(set, tag, Holder(1), left, self.now), ())
        });
    }

    fn page(&self, key: &str, next: &mut Next<'_>) -> bool {
        self.change(key, |page| (next(page), ())).is_some()
    }

    fn consult(&self, consult: &Consult) -> Option<table::Finding> {
        self.change(&table::set_key(&consult.binding, SALT), |set| {
            let found = table::ask(set, &consult.binding, consult.question, self.now);
            (found.bytes, found.finding)
        })
    }

    fn recall(&self, recall: &Recall) -> Option<history::Outcome> {
        self.change(&history::set_key(recall.slots, SALT), |set| {
            let noted = history::ask(set, &recall.asks, self.now);
            (noted.bytes, noted.outcome)
        })
    }

    fn recall_tool(&self, tag: ToolTag) -> Option<Listed> {
        self.change(&tools::set_key(tag, SALT), |set| (None, tools::recall(set, tag))).flatten()
    }

    fn learn_tool(&self, tag: ToolTag, listed: Listed) -> bool {
        let learnt = self.change(&tools::set_key(tag, SALT), |set| {
            (tools::learn(set, tag, listed, self.now).expect("a set of ours"), ())
        });
        learnt.is_some()
    }
}

// === impl Driven ===

impl Driven {
    pub fn new(now: Timestamp) -> Self {
        Self {
            exchange: Exchange::new(now),
            body: Vec::new(),
            forwarded: None,
            replied: None,
            reset: false,
            decisions: Vec::new(),
            completions: Vec::new(),
            streams: Vec::new(),
            removed: Vec::new(),
            removed_from_answer: Vec::new(),
            forgot: false,
            asked: None,
            leases: Vec::new(),
            downstream: Vec::new(),
        }
    }

    /// Whether we have answered or cut it.
    pub fn is_over(&self) -> bool {
        self.replied.is_some() || self.reset
    }

    /// Feeds an event and does what follows; whether this half goes on.
    pub fn feed(&mut self, vm: &mut Vm<'_>, event: Event<'_>) -> bool {
        let chunk = match &event {
            Event::ResponseBody { bytes, .. } => bytes.to_vec(),
            _ => Vec::new(),
        };
        let mut next = Some(event);
        while let Some(event) = next.take() {
            let over = self.is_over();
            let step = self.step(vm, event);
            assert!(vm.held.bytes() <= HELD, "more is held than may be");
            let mut out = chunk.clone();
            for effect in step.effects {
                self.perform(vm, effect, over, &mut out);
            }
            assert!(self.decisions.len() <= 1, "{:?}", self.decisions);
            match step.control {
                Control::Take(takes) => {
                    let (outcome, at) = vm.take(&takes);
                    next = Some(Event::Taken(outcome, at));
                }
                Control::UseProof(proof) => {
                    let now = vm.now;
                    let outcome = vm.change(&used_proofs::set_key(&proof, SALT), |set| {
                        let noted = used_proofs::note(set, &proof, now);
                        (noted.bytes, noted.outcome)
                    });
                    next = Some(Event::ProofUsed(outcome));
                }
                Control::Consult(consult) => next = Some(Event::Consulted(vm.consult(&consult))),
                Control::Recall(recall) => next = Some(Event::Recalled(vm.recall(&recall))),
                Control::Route => next = Some(Event::Routed(None)),
                Control::CountStream(wanted) => {
                    let outcome = vm.count_stream(&wanted);
                    self.streams.extend((outcome == Some(streams::Outcome::Admitted)).then_some(wanted.tag));
                    next = Some(Event::StreamCounted(outcome));
                }
                Control::Forward(_) => {
                    assert!(!self.is_over() && self.forwarded.is_none(), "forwarded after an ending");
                    assert_eq!(self.decisions[0]["verdict"], "allow");
                    self.forwarded = Some(self.body.clone());
                    return true;
                }
                Control::Reply(reply) => {
                    assert!(!self.is_over(), "a second ending");
                    self.replied = Some(reply.status);
                }
                Control::Reset => self.reset = true,
                Control::Pass => {
                    if !over {
                        self.downstream.extend(out);
                    }
                    return true;
                }
                Control::Hold => {}
            }
        }
        false
    }

    fn step(&mut self, vm: &Vm<'_>, event: Event<'_>) -> wicketgate_core::exchange::step::Step {
        let ask = |consult: &Consult| vm.consult(consult);
        let page = |key: &str, next: &mut Next<'_>| vm.page(key, next);
        let mut world = World {
            guard: vm.guard,
            memory: &mut vm.memory.borrow_mut(),
            held: &vm.held,
            salt: Some(SALT),
            owners: Owners(&ask),
            tools: Tools {
                recall: &|tag| vm.recall_tool(tag),
                learn: &|tag, listed| vm.learn_tool(tag, listed),
            },
            pages: Pages(&page),
            schemas: &mut vm.schemas.borrow_mut(),
            now: vm.now,
        };
        self.exchange.on(event, &mut world)
    }

    fn perform(&mut self, vm: &Vm<'_>, effect: Effect, over: bool, out: &mut Vec<u8>) {
        let counted =
            matches!(effect, Effect::Count(_) | Effect::RecordDecision(_) | Effect::RecordCompletion(_));
        assert!(!over || counted, "{effect:?} after the ending");
        match effect {
            Effect::RemoveRequestHeader(name) => self.removed.push(name),
            Effect::SetRequestHeader { .. } | Effect::Dispatch(..) | Effect::SetResponseHeader(..) => {}
            Effect::RemoveResponseHeader(name) => self.removed_from_answer.push(name),
            Effect::ReplaceResponseBody(bytes) => *out = bytes,
            Effect::FetchKeys(issuer) => self.ask(Asked::Keys(issuer)),
            Effect::Validate(_) => self.ask(Asked::Token),
            Effect::AskPolicy { .. } => self.ask(Asked::Policy),
            Effect::GiveCredential(_) => self.ask(Asked::Credential),
            Effect::Lease(buckets) => {
                self.leases = vm.ask_for_leases(&buckets);
                self.ask(Asked::Leases);
            }
            Effect::Forget(binding) => {
                self.forgot = true;
                vm.change(&table::set_key(&binding, SALT), |set| (table::forget(set, &binding), ()));
            }
            Effect::RecordDecision(line) => self.decisions.push(record(&line)),
            Effect::RecordCompletion(line) => self.completions.push(record(&line)),
            Effect::GiveBack(take) => {
                take.give_back(vm.now, SALT, vm.now, &mut |key, next| {
                    vm.change(key, |set| (next(set), ())).is_some()
                });
            }
            Effect::ReplaceRequestBody(bytes) => self.body = bytes,
            Effect::Remember(recall) => drop(vm.recall(&recall)),
            Effect::Count(_)
            | Effect::CountServer { .. }
            | Effect::CountShadow(_)
            | Effect::CountToken { .. }
            | Effect::CountContent { .. }
            | Effect::CountFound { .. }
            | Effect::CountInputSchema(_)
            | Effect::CountOutputSchema(_)
            | Effect::CountRemoved(_)
            | Effect::TellSpan(..) => {}
        }
    }

    /// The adapter has room for one.
    fn ask(&mut self, asked: Asked) {
        assert_eq!(self.asked.replace(asked), None, "two callouts of one exchange");
    }

    /// The end, however it came.
    pub fn finish(mut self, vm: &mut Vm<'_>) {
        for tag in std::mem::take(&mut self.streams) {
            vm.release(tag);
        }
        let over = self.is_over();
        for effect in self.exchange.finish(vm.guard, vm.now, Duration::ZERO) {
            self.perform(vm, effect, over, &mut Vec::new());
        }
        assert_eq!((self.decisions.len(), self.completions.len()), (1, 1), "invariant 2");
    }
}

fn record(line: &str) -> Value {
    assert!(!line.contains('\n'), "one line: {line}");
    serde_json::from_str(line).expect("a record is JSON")
}

/// Nothing is left of exchanges that are over.
pub fn all_is_given_back(vm: &Vm<'_>) {
    assert_eq!(vm.held.bytes(), 0, "held bytes");
    assert!(vm.streams.values().all(|count| *count == 0), "streams that count");
}

/// Names that stand more than once, whatever their letters' case.
pub fn repeated<'a>(names: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    let (mut once, mut twice) = (BTreeSet::new(), BTreeSet::new());
    for name in names.map(str::to_ascii_lowercase) {
        if !once.insert(name.clone()) {
            twice.insert(name);
        }
    }
    twice
}
