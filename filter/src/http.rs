//! The HTTP callbacks: feed the exchange, do what its step says. Nothing is decided here.

mod ending;

use std::rc::Rc;
use std::time::Duration;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;
use wicketgate_core::exchange::step::{Control, Event, NoLease, Owners, Pages, ResponseMode, Step, Tools};
use wicketgate_core::exchange::{Exchange, World};
use wicketgate_core::reply::Reply;
use wicketgate_core::server::Limits;

use crate::host::{self, Buffer, Half, Level};
use crate::root::{Active, Moment, clock, now};
use crate::sidecar::NotSent;
use crate::{deadlines, head, leases, question, roll, shared, sidecar, streams};

/// One HTTP exchange.
pub(crate) struct Http {
    /// `None` when this VM never accepted a configuration: everything is refused.
    pub(crate) open: Option<Open>,
    context: u32,
    body_fed: bool,
    replied: bool,
    /// How long the host has waited for this exchange of ours.
    worked: Duration,
    /// What an issuer was asked on behalf of this exchange.
    pub(crate) callout: Option<Callout>,
    /// That this exchange counts among the streams of its principal.
    pub(crate) stream: Option<streams::Stream>,
    /// That the root context ends it when its time has come.
    watched: Option<deadlines::Watched>,
    /// That it is known to be lost if this VM dies.
    pub(crate) under_way: Option<roll::UnderWay>,
    /// What is to be done at its end has been done.
    ended: bool,
}

/// A callout that is under way, or that the host would not even send.
pub(crate) enum Callout {
    Keys(Result<sidecar::Fetch, NotSent>),
    Token(Result<question::Asked, NotSent>),
    Leases(Result<leases::Asked, NoLease>),
    Policy(Result<question::Asked, NotSent>),
    Credential(Result<question::Asked, NotSent>),
}

pub(crate) struct Open {
    pub(crate) active: Rc<Active>,
    context: u32,
    pub(crate) exchange: Exchange,
}

// === impl Open ===

impl Open {
    /// Callouts are the root context's: of those of a stream whose client leaves the host forgets to tell, and the SDK would
    /// remember for good who waits for them. The SDK itself hands the answer to the stream, if that is still there.
    pub(crate) fn as_root<T>(&self, act: impl FnOnce(&Rc<Active>) -> T) -> T {
        let is_root = host::act_for(self.active.root).is_ok();
        let done = act(&self.active);
        if is_root && host::act_for(self.context).is_err() {
            host::log(Level::Error, "a stream cannot act for itself any more");
        }
        done
    }
}

// === impl Http ===

impl Http {
    pub(crate) fn new(active: Option<Rc<Active>>, context: u32) -> Self {
        let _moment = Moment::begin();
        let open =
            active.zip(now()).map(|(active, now)| Open { active, context, exchange: Exchange::new(now) });
        let under_way = open.is_some().then(roll::begin);
        Self {
            open,
            context,
            body_fed: false,
            replied: false,
            worked: Duration::ZERO,
            callout: None,
            stream: None,
            watched: None,
            under_way,
            ended: false,
        }
    }

    /// Feeds one event and acts on the step; `size` is how many body bytes the event stands for.
    fn feed(&mut self, event: Event<'_>, size: usize) -> Action {
        let _moment = Moment::begin();
        let action = self.act(event, size);
        if let (Some(began), Some(ended)) = (now(), clock()) {
            self.worked = self.worked.saturating_add(ended.since(began));
        }
        self.watch();
        if let Some((open, under_way)) = self.open.as_ref().zip(self.under_way.as_mut()) {
            under_way.streaming(open.exchange.is_streaming());
        }
        action
    }

    /// From the moment that it is known when this exchange must end, the root context knows it too.
    fn watch(&mut self) {
        let Some(open) = self.open.as_ref().filter(|_| !self.replied) else { return };
        let deadline = open.exchange.deadline(&open.active.guard);
        let footing = open.exchange.footing();
        let watched = self.watched.as_ref();
        if deadline == watched.map(deadlines::Watched::deadline)
            && footing.is_some() == watched.is_some_and(deadlines::Watched::rests)
        {
            return;
        }
        let rest = footing.map(|footing| (&open.active, footing));
        // First the old one goes, because there is one for each context.
        self.watched = None;
        self.watched = deadline.map(|deadline| deadlines::watch(self.context, deadline, rest));
    }

    fn act(&mut self, event: Event<'_>, size: usize) -> Action {
        let mut step = match self.on(event) {
            Some(step) => step,
            None => return self.fail("no configuration or no clock"),
        };
        loop {
            if let Err(what) = self.perform(step.effects, size) {
                return self.fail(what);
            }
            if let Some(event) = self.not_sent() {
                step = match self.on(event) {
                    Some(step) => step,
                    None => return self.fail("no clock"),
                };
                continue;
            }
            let event = match step.control {
                Control::Hold => return Action::Pause,
                Control::Forward(_permit) => {
                    self.open.iter_mut().for_each(|open| open.exchange.on_its_way());
                    return Action::Continue;
                }
                Control::Pass => return Action::Continue,
                Control::Reply(reply) => return self.answer(&reply),
                Control::Reset => return self.cut(),
                Control::Take(takes) => {
                    let (outcome, at) = self.take(&takes);
                    Event::Taken(outcome, at)
                }
                Control::Consult(consult) => {
                    Event::Consulted(now().and_then(|now| shared::consult(&consult, now)))
                }
                Control::UseProof(proof) => Event::ProofUsed(self.use_proof(&proof)),
                Control::Recall(recall) => Event::Recalled(self.recall(&recall)),
                Control::Route => Event::Routed(head::route()),
                Control::CountStream(stream) => Event::StreamCounted(self.count_stream(&stream)),
            };
            step = match self.on(event) {
                Some(step) => step,
                None => return self.fail("no clock"),
            };
        }
    }

    fn on(&mut self, event: Event<'_>) -> Option<Step> {
        let open = self.open.as_mut()?;
        let mut memory = open.active.memory.try_borrow_mut().ok()?;
        let mut schemas = open.active.schemas.try_borrow_mut().ok()?;
        let now = now()?;
        let mut world = World {
            guard: &open.active.guard,
            memory: &mut memory,
            held: &open.active.held,
            salt: shared::salt().ok(),
            owners: Owners(&|consult| shared::consult(consult, now)),
            tools: Tools {
                recall: &shared::recall_tool,
                learn: &|tag, listed| shared::learn_tool(tag, listed, now),
            },
            pages: Pages(&shared::page),
            schemas: &mut schemas,
            now,
        };
        Some(open.exchange.on(event, &mut world))
    }

    /// What a callout comes to that the host would not even send.
    fn not_sent(&mut self) -> Option<Event<'static>> {
        let event = match self.callout {
            Some(Callout::Keys(Err(_))) => Event::KeysFetched,
            Some(Callout::Leases(Err(why))) => Event::Leased(Err(why)),
            Some(Callout::Token(Err(why))) => why.told(Event::Validated(None)),
            Some(Callout::Policy(Err(why))) => why.told(Event::PolicyAnswered(None)),
            Some(Callout::Credential(Err(why))) => why.told(Event::CredentialGiven(None)),
            _ => return None,
        };
        self.callout = None;
        Some(event)
    }

    fn answer(&mut self, reply: &Reply) -> Action {
        let headers: Vec<(&str, &str)> = reply.headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
        self.replied = true;
        if host::reply(reply.status, &headers, &reply.body, "wicketgate").is_err() {
            return self.cut();
        }
        Action::Pause
    }

    /// The one place where a failure of the host becomes an action: it denies.
    fn fail(&mut self, what: &'static str) -> Action {
        host::log(Level::Error, &format!("denied, because {what}"));
        if let Some((open, at)) = self.open.as_mut().zip(now()) {
            let effects = open.exchange.give_up(what, &open.active.guard, at);
            let _ = self.perform(effects, 0);
        }
        if self.replied {
            return self.cut();
        }
        self.replied = true;
        let headers = [("content-type", "application/json"), ("cache-control", "no-store")];
        let body = br#"{"jsonrpc":"2.0","error":{"code":-32603,"message":"Internal error"}}"#;
        if host::reply(500, &headers, body, "wicketgate").is_err() { self.cut() } else { Action::Pause }
    }

    /// Whether a field would stand where the server looks for its own credential.
    fn is_feigned(&self, name: &str) -> bool {
        self.open.as_ref().is_some_and(|open| open.exchange.is_feigned(name, &open.active.guard))
    }

    fn limits(&self) -> Option<&Limits> {
        let open = self.open.as_ref()?;
        open.exchange.limits(&open.active.guard)
    }

    fn cut(&mut self) -> Action {
        self.replied = true;
        if host::close(Half::Response).is_err() {
            host::log(Level::Error, "a stream that must end could not be closed");
        }
        Action::Pause
    }

    fn whole_body(&mut self, size: usize) -> Action {
        self.body_fed = true;
        match host::get_buffer(Buffer::RequestBody, 0, size) {
            Ok(body) => self.feed(Event::RequestBody(&body), body.len()),
            Err(_) => self.fail("the request body could not be read"),
        }
    }

    /// Where the host cannot hold headers back, pausing at them would mean that the body never comes: the body is held
    /// instead. What was answered or cut stays so.
    fn at_headers(&self, action: Action, end: bool) -> Action {
        let holds = self.open.as_ref().is_none_or(|open| open.active.guard.hold_headers);
        if holds || end || self.replied { action } else { Action::Continue }
    }

    /// `size` bytes came, or fewer: at trailers nobody says how many are held.
    fn response_chunk(&mut self, size: usize, end: bool) -> Action {
        let mode = self.open.as_ref().map_or(ResponseMode::Pass, |open| open.exchange.response_mode());
        let (bytes, size) = match mode {
            ResponseMode::Pass => (Vec::new(), size),
            ResponseMode::Whole if !end => {
                let over = self.limits().is_none_or(|limits| size as u64 > limits.response_bytes);
                return if over { self.feed(Event::ResponseTooLarge, 0) } else { Action::Pause };
            }
            ResponseMode::Whole | ResponseMode::Stream => {
                match host::get_buffer(Buffer::ResponseBody, 0, size) {
                    Ok(bytes) => {
                        let size = bytes.len();
                        (bytes, size)
                    }
                    Err(_) => return self.fail("the response body could not be read"),
                }
            }
        };
        self.feed(Event::ResponseBody { bytes: &bytes, size, end }, size)
    }
}

impl Context for Http {
    fn on_http_call_response(
        &mut self,
        _token_id: u32,
        num_headers: usize,
        body_size: usize,
        _trailers: usize,
    ) {
        let Some(open) = &self.open else { return };
        let action = match (self.callout.take(), now()) {
            (Some(Callout::Keys(Ok(fetch))), Some(at)) => {
                open.as_root(|_| fetch.store(num_headers, body_size, at));
                self.feed(Event::KeysFetched, 0)
            }
            (Some(Callout::Token(Ok(asked))), Some(_)) => {
                let answer = open.as_root(|_| asked.read(num_headers, body_size));
                self.feed(Event::Validated(answer.as_deref()), 0)
            }
            (Some(Callout::Leases(Ok(asked))), Some(at)) => {
                let answer = open.as_root(|_| asked.read(num_headers, body_size, at));
                self.feed(Event::Leased(answer), 0)
            }
            (Some(Callout::Policy(Ok(asked))), Some(_)) => {
                let answer = open.as_root(|_| asked.read(num_headers, body_size));
                self.feed(Event::PolicyAnswered(answer.as_deref()), 0)
            }
            (Some(Callout::Credential(Ok(asked))), Some(_)) => {
                let answer = open.as_root(|_| asked.read(num_headers, body_size));
                self.feed(Event::CredentialGiven(answer.as_deref()), 0)
            }
            (Some(_), None) => self.fail("no clock"),
            _ => return,
        };
        let released = matches!(action, Action::Continue) && !self.replied;
        if released && host::resume(Half::Request).is_err() {
            self.fail("the request could not be resumed");
        }
    }
}

impl HttpContext for Http {
    fn on_http_request_headers(&mut self, _count: usize, end: bool) -> Action {
        if let Some(open) = &self.open {
            open.active.metrics.request();
        }
        let certificates = self.open.as_ref().is_some_and(|open| open.active.guard.looks_at_certificates());
        let head = head::request(certificates);
        #[cfg(feature = "drill")]
        let head = head.inspect(crate::drill::trap_if_asked);
        let action = match head {
            Ok(head) => self.feed(Event::RequestHead { head, end }, 0),
            Err(_) => self.fail("the request headers could not be read"),
        };
        // A buffer filter behind this one holds the headers then.
        self.at_headers(action, end)
    }

    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        if self.replied {
            return Action::Pause;
        }
        if end && !self.body_fed {
            return self.whole_body(size);
        }
        let over = self.limits().is_none_or(|limits| size as u64 > limits.request_bytes);
        self.feed(if over { Event::RequestTooLarge } else { Event::BodyBegins }, 0)
    }

    /// Trailers end a body too: without this, a request with trailers would never be decided.
    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        if self.replied {
            return Action::Pause;
        }
        if head::strip_trailers(|name| self.is_feigned(name)).is_err() {
            return self.fail("the request trailers could not be read or changed");
        }
        if self.body_fed { Action::Continue } else { self.whole_body(usize::MAX >> 1) }
    }

    fn on_http_response_headers(&mut self, _count: usize, end: bool) -> Action {
        let action = match head::response() {
            Ok(head) => self.feed(Event::ResponseHead { head, end }, 0),
            Err(_) => self.fail("the response headers could not be read"),
        };
        self.at_headers(action, end)
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        self.response_chunk(size, end)
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        let mode = self.open.as_mut().map_or(ResponseMode::Pass, |open| open.exchange.ends_by_trailers());
        match mode {
            ResponseMode::Whole => self.response_chunk(usize::MAX >> 1, true),
            _ if self.replied => Action::Pause,
            _ => Action::Continue,
        }
    }

    fn on_log(&mut self) {
        self.end();
    }
}
