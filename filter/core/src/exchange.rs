//! START HERE. How does one HTTP exchange become a decision?
//!
//! ```text
//! request head   arrive        which server? address? Origin? which revision? declared size? which credential?
//!                greet         is the token remembered? Else the flood guard: one token of the source's bucket
//!                authenticate  verified token -> Principal                  (may wait for keys, or for the issuer)
//!                              one token of the principal's bucket, before anything is judged
//!                              a token that is bound to a key -> the proof of this request, used once
//! request body   read          strict JSON -> one message; header and body agree
//!                              absent arguments filled in (exchange/arguments.rs)
//!                decide        rules -> Permit or Denial                     (needs principal and message)
//!                              is the tool what it was?                      (exchange/judging.rs)
//!                              arguments as the tool's schema says           (exchange/arguments.rs)
//!                              content rules about requests                  (exchange/contents.rs)
//!                              a policy that lies elsewhere (may wait for it) (exchange/opa.rs)
//!                admit         whose session? what before? how many streams? one token of each bucket (exchange/admission.rs)
//!                              (may wait for leases, then for what the server gets for the token)
//!                forward       the bytes that were judged, unchanged
//! response       answering     lists filtered by the same rules, contents by rules of their own, sizes bounded   (exchange/response.rs)
//! end            finish        completion record
//! ```
//!
//! Sans-I/O: [`Exchange::on`] takes what happened and says what to do ([`Step`]). Every way to fail is a [`Denial`],
//! and every denial leaves through [`Exchange::refuse`]. An event that cannot come in a phase denies.

mod admission;
mod arguments;
mod authentication;
mod contents;
mod dispatch;
mod document;
mod events;
pub mod expiry;
mod failing;
mod handing;
mod inert;
mod judging;
mod narrowing;
mod opa;
mod past;
mod record;
mod response;
pub mod step;
mod upstream_credential;
mod viewing;
mod waiting;

use std::time::Duration;

use crate::denial::Denial;
use crate::guard::Guard;
use crate::head::{RequestHead, passing};
use crate::identity::credential;
use crate::identity::memory::Memory;
use crate::identity::network::address_of;
use crate::identity::origin;
use crate::limits::held::Held;
use crate::limits::size;
use crate::mcp::jsonrpc;
use crate::mcp::operation::Operation;
use crate::mcp::versions::Era;
use crate::mcp::{headers, session};
use crate::order;
use crate::policy::arguments::Arguments;
use crate::policy::authorize::authorize;
use crate::policy::caller::Caller;
use crate::policy::permit::Permit;
use crate::salt::Salt;
use crate::sanitize::capture::Capture;
use crate::server::{Limits, Server};
use crate::time::Timestamp;
use crate::tools::schemas::SchemaMemory;

use admission::{Admission, bucket_admits};
use handing::Handing;
use record::Facts;
use response::Answering;
use step::{Control, Effect, Event, Owners, Pages, ResponseMode, Step, Tools};
use viewing::known_read_only;
use waiting::{Asked, Waiting};

/// One HTTP request and its response, from the first header to the end.
#[derive(Debug)]
pub struct Exchange {
    phase: Phase,
    facts: Facts,
    effects: Vec<Effect>,
    /// A denial that waits for the request's id.
    late: Option<Denial>,
}

/// GET and DELETE carry none in MCP; one that nobody reads would be a way around the rules.
const NO_BODY_HERE: Denial = Denial::InvalidRequest("a body where none belongs");

/// What an event is judged against: the configuration with which the exchange began, what this VM remembers, the time.
#[derive(Debug)]
pub struct World<'a> {
    /// The compiled configuration.
    pub guard: &'a Guard,
    /// Keys and verified tokens of this VM.
    pub memory: &'a mut Memory,
    /// What the streams of this VM hold.
    pub held: &'a Held,
    /// What this Envoy drew at its start; `None` while the store of all workers cannot be read.
    pub salt: Option<Salt>,
    /// Whose tasks are.
    pub owners: Owners<'a>,
    /// How tools were listed last.
    pub tools: Tools<'a>,
    /// The definitions of tools that were pinned.
    pub pages: Pages<'a>,
    /// The schemas of tools that this VM has seen.
    pub schemas: &'a mut SchemaMemory,
    /// Now.
    pub now: Timestamp,
}

#[derive(Debug)]
enum Phase {
    /// Nothing seen yet.
    Fresh,
    /// The head is read; keys, the body, or both are awaited.
    Waiting(Box<Waiting>),
    /// The flood guard is being asked.
    Guarding(Box<Waiting>),
    /// The same for who it is that asks.
    Pacing(Box<Waiting>),
    /// The proof of possession is being used up.
    Proving(Box<Waiting>),
    /// Whether this address may have one more token looked at that is not remembered.
    Asking(Box<Waiting>),
    /// The rules allow it; what else must hold is being asked.
    Admitting(Box<Admission>),
    /// The request is on its way; the answer is awaited or passing.
    Forwarded(Box<Answering>),
    /// The answer hands out a session, or is a stream that does not count yet; its head waits until that is done.
    Binding(Box<Handing>),
    /// Our own answer was given; it now passes through our response callbacks.
    Replied,
    /// It was ended in the middle of an answer. Nothing more passes, should the host not have heeded that.
    Cut,
}

// === impl Exchange ===

impl Exchange {
    /// An exchange of which nothing has been seen, begun `now`.
    pub fn new(now: Timestamp) -> Self {
        Self { phase: Phase::Fresh, facts: Facts::begun(now), effects: Vec::new(), late: None }
    }

    /// Takes one event and says what to do. Any error denies.
    pub fn on(&mut self, event: Event<'_>, world: &mut World<'_>) -> Step {
        let result = match (std::mem::replace(&mut self.phase, Phase::Replied), event) {
            (Phase::Fresh, Event::RequestHead { head, end }) => self.arrive(head, end, world),
            (Phase::Waiting(waiting), Event::RequestBody(body)) => self.read(waiting, body, world),
            (Phase::Waiting(_), Event::RequestTooLarge) => {
                Err(Denial::TooLarge(self.limits(world.guard).map_or(0, |l| l.request_bytes)))
            }
            (Phase::Waiting(waiting), Event::KeysFetched)
                if waiting.keys_asked && waiting.principal.is_none() =>
            {
                self.prove(waiting, world)
            }
            (Phase::Waiting(waiting), Event::Validated(answer)) if waiting.issuer_asked => {
                self.answered_by_issuer(waiting, answer, world)
            }
            (Phase::Asking(waiting), Event::Taken(outcome, _)) => {
                bucket_admits(outcome, "unknown tokens of a source").and_then(|()| self.prove(waiting, world))
            }
            (Phase::Guarding(waiting), Event::Taken(outcome, _)) => {
                bucket_admits(outcome, "flood of a source").and_then(|()| self.authenticate(waiting, world))
            }
            (Phase::Pacing(waiting), Event::Taken(outcome, at)) => {
                bucket_admits(outcome, waiting.paced_by(at)).and_then(|()| self.paced(waiting, world))
            }
            (Phase::Proving(waiting), Event::ProofUsed(outcome)) => self.proof_used(waiting, outcome, world),
            (
                Phase::Admitting(admission),
                event @ (Event::Taken(..)
                | Event::Consulted(_)
                | Event::StreamCounted(_)
                | Event::Recalled(_)
                | Event::Routed(_)
                | Event::PolicyAnswered(_)
                | Event::CredentialGiven(_)
                | Event::Leased(_)),
            ) => self.answered(admission, &event, world),
            (Phase::Forwarded(answering), Event::ResponseHead { head, end }) => {
                self.answer_begins(answering, head, end, world)
            }
            (Phase::Forwarded(answering), event @ (Event::ResponseBody { .. } | Event::ResponseTooLarge)) => {
                self.answer(answering, event, world)
            }
            (Phase::Waiting(waiting), Event::BodyBegins) => Ok(self.body_begins(waiting)),
            (Phase::Waiting(_) | Phase::Forwarded(_), Event::Expired) => Ok(self.expire(world)),
            (Phase::Forwarded(_), Event::Withdrawn) => Ok(self.withdraw(world)),
            (Phase::Binding(handing), Event::Consulted(finding)) => self.handed_out(*handing, finding, world),
            (Phase::Binding(handing), Event::StreamCounted(outcome)) => {
                self.stream_counted(*handing, outcome, world)
            }
            // Our own answer on its way out, or what was under way when it was given.
            (Phase::Replied, Event::ResponseHead { .. } | Event::ResponseBody { .. }) => Ok(Control::Pass),
            (Phase::Replied, _) => Ok(Control::Hold),
            (Phase::Cut, _) => {
                self.phase = Phase::Cut;
                Ok(Control::Hold)
            }
            // The host answers by itself (431, 413, 408): nothing went to the upstream.
            (_, Event::ResponseHead { head, .. }) if head.by_host && head.status >= 400 => {
                Ok(self.answered_by_host(&head, world))
            }
            // An upstream did, error or not, which saw the head of a request whose body is held: nobody has allowed that yet.
            (_, Event::ResponseHead { .. }) => Err(Denial::UnsafeResponse("before the verdict")),
            (_, Event::Crowded(why)) => Err(Denial::Unavailable(why.word())),
            _ => Err(Denial::Internal("event out of order")),
        };
        let control = result.unwrap_or_else(|denial| self.refuse(&denial, world));
        if matches!(control, Control::Reset) {
            self.phase = Phase::Cut;
        }
        Step { control, effects: std::mem::take(&mut self.effects) }
    }

    /// How response bodies are to be fed.
    pub fn response_mode(&self) -> ResponseMode {
        match &self.phase {
            Phase::Forwarded(answering) => answering.mode(),
            _ => ResponseMode::Pass,
        }
    }

    /// The sizes that bound this exchange, once its server is known.
    pub fn limits<'g>(&self, guard: &'g Guard) -> Option<&'g Limits> {
        self.server(guard).ok().map(|server| &server.limits)
    }

    /// The end, however it came: the completion record, and a decision record if none was written. `worked`: in the host's calls into us.
    pub fn finish(&mut self, guard: &Guard, now: Timestamp, worked: Duration) -> Vec<Effect> {
        self.facts.finish(guard, now, worked)
    }

    fn arrive(&mut self, head: RequestHead, end: bool, world: &mut World<'_>) -> Result<Control, Denial> {
        self.facts.arrived(&head, world.guard);
        if let Some(document) = document::public(&head, world) {
            self.decided("allow", "public_document", None, world);
            return Ok(self.reply(document));
        }
        let Some(server) = world.guard.route(&head.authority, &head.path) else {
            return Err(Denial::UnknownServer);
        };
        self.facts.server = world.guard.servers.iter().position(|s| std::ptr::eq(s, server));
        server.addresses.admit(head.source.as_deref())?;
        self.facts.origin = origin::admit(&head, &server.origins)?;
        self.strip(&head, server);
        let asked = self.asked_by_head(&head, end, server)?;
        let presented = credential::present(&head)?;
        self.facts.with_proof = presented.as_ref().is_some_and(|presented| presented.proof.is_some());
        let mut waiting = Waiting::new(&head, presented, asked, world.held)?;
        waiting.keep_headers(server, &head.headers)?;
        self.greet(Box::new(waiting), world)
    }

    /// Only what is there is removed, each name once.
    fn strip(&mut self, head: &RequestHead, server: &Server) {
        let mut names: Vec<&str> = head.headers.iter().map(|(name, _)| name).collect();
        names.retain(|name| passing::is_removed(name) || server.is_feigned_by(name));
        order::each_once(&mut names);
        self.effects.extend(names.into_iter().map(|name| Effect::RemoveRequestHeader(name.to_owned())));
    }

    /// What the head alone tells of the operation, and whether the rest of it is in order.
    fn asked_by_head(&mut self, head: &RequestHead, end: bool, server: &Server) -> Result<Asked, Denial> {
        headers::one_host(head)?;
        headers::unrepeated(&head.headers)?;
        let revision = headers::revision_of(head, &server.versions, server.newer);
        self.facts.newer = headers::newer_than_known(head);
        let modern = matches!(revision, Ok(Some(r)) if r.era() == Era::Modern);
        if !modern {
            self.facts.session = session::id_of(&head.headers)?.map(str::to_owned);
        } else if head.headers.has(session::HEADER) {
            // There are none any more; an upstream that speaks both eras shall not find one.
            self.effects.push(Effect::RemoveRequestHeader(session::HEADER.to_owned()));
        }
        if head.headers.has(headers::LAST_EVENT) && (modern || head.method != "GET") {
            self.effects.push(Effect::RemoveRequestHeader(headers::LAST_EVENT.to_owned()));
        } else if head.headers.has(headers::LAST_EVENT) && self.facts.session.is_none() {
            // Whose the events were that an upstream would replay, nobody knows.
            return Err(Denial::InvalidRequest("a stream to resume, without a session"));
        }
        let bare = match head.method.as_str() {
            "POST" => None,
            "GET" if !modern => Some(Operation::STREAM),
            "DELETE" if !modern => Some(Operation::END_SESSION),
            _ => return Err(Denial::MethodNotAllowed),
        };
        headers::acceptable(head)?;
        if let Some(method) = bare {
            self.facts.revision = revision?;
            headers::unnamed_revision(self.facts.revision, None, &server.versions)?;
            let empty = end && size::declared(head, 0).is_ok();
            return if empty { Ok(Asked::Known(Operation::bare(method))) } else { Err(NO_BODY_HERE) };
        }
        headers::media_type(head)?;
        size::declared(head, server.limits.request_bytes)?;
        match revision {
            Ok(revision) => self.facts.revision = revision,
            // The answer to a POST names its id, which stands in the body.
            Err(denial) => self.late = Some(denial),
        }
        if end { Err(Denial::ParseError("no body")) } else { Ok(Asked::Unread) }
    }

    fn read(
        &mut self,
        mut waiting: Box<Waiting>,
        body: &[u8],
        world: &mut World<'_>,
    ) -> Result<Control, Denial> {
        let server = self.server(world.guard)?;
        self.facts.request_bytes = body.len() as u64;
        if body.len() as u64 > server.limits.request_bytes {
            return Err(Denial::TooLarge(server.limits.request_bytes));
        }
        if !matches!(waiting.asked, Asked::Unread) {
            return Err(NO_BODY_HERE);
        }
        let message = jsonrpc::read(body, self.facts.revision).map_err(|refused| {
            self.facts.id = refused.id;
            refused.denial
        })?;
        self.facts.read(&message);
        if let Some(denial) = self.late.take() {
            return Err(denial);
        }
        if message.operation.method != "initialize" || server.versions.iter().all(|r| r.era() == Era::Modern)
        {
            let requested = message.requested_version.as_deref();
            headers::unnamed_revision(self.facts.revision, requested, &server.versions)?;
        }
        headers::agree(&waiting.mirrors, self.facts.revision, &message)?;
        let message = self.keep_request(&mut waiting, server, body, message)?;
        waiting.asked = Asked::Known(message.operation);
        self.proceed(waiting, world)
    }

    /// Decides as soon as both who and what are known; holds until then.
    fn proceed(&mut self, waiting: Box<Waiting>, world: &mut World<'_>) -> Result<Control, Denial> {
        let (Some(principal), Asked::Known(operation)) = (&waiting.principal, &waiting.asked) else {
            return self.wait(waiting);
        };
        let server = self.server(world.guard)?;
        self.facts.operation.get_or_insert_with(|| operation.clone());
        let overlays = server.overlays(principal);
        self.facts.bounds = Some(server.bounds(&overlays));
        overlays.admit(self.facts.origin.as_ref(), self.facts.request_bytes).map_err(|(denial, key)| {
            self.facts.rule = Some(key);
            denial
        })?;
        let known = |tool: &str| known_read_only(server, tool, world);
        let address = address_of(self.facts.source.as_deref());
        let who = Caller { principal, address, read_only: Some(&known) };
        let arguments = waiting.arguments.as_deref().map_or(Arguments::NONE, Arguments::Given);
        self.facts.shadow = server.rules.shadow(who, operation, arguments);
        let permit = authorize(&server.rules, who, operation, arguments).map_err(|(denial, rule)| {
            self.facts.rule = rule;
            denial
        })?;
        self.facts.rule = Some(permit.rule().clone());
        self.tools_hold(server, operation, world)?;
        let permit = self.narrowed(permit, server, (principal, operation), &waiting, world)?;
        self.meets_schema(server, operation, arguments, world)?;
        self.judge_contents(server, principal, operation)?;
        let questions = self.questions(server, (principal, operation), &waiting, world)?;
        self.admit(permit, principal, operation, questions, world)
    }

    fn forward(&mut self, permit: Permit, world: &mut World<'_>) -> Result<Control, Denial> {
        let server = self.server(world.guard)?;
        let bounds = self.facts.bounds.ok_or(Denial::Internal("a permit without a principal"))?;
        let answering = Answering::to(
            self.facts.operation.as_ref(),
            self.facts.revision,
            self.facts.newer.is_some(),
            self.facts.takes_tasks || bounds.sandbox || !server.asks.is_open(),
            bounds.response_bytes,
            self.answer_plan(server, world)?,
        )
        .held_against(self.structured(server, world))
        .captured_by(server.captures.contains(permit.rule()).then(|| Capture::of(&server.content)));
        self.decided("allow", "allowed", None, world);
        self.phase = Phase::Forwarded(Box::new(answering));
        Ok(Control::Forward(permit))
    }

    fn server<'g>(&self, guard: &'g Guard) -> Result<&'g Server, Denial> {
        let server = self.facts.server.and_then(|index| guard.servers.get(index));
        server.ok_or(Denial::Internal("no server"))
    }
}
