//! How are issuers asked, for their keys and about tokens? By callouts through an Envoy cluster, each VM for itself: trust
//! roots and verdicts are never put where another plugin could write them.

use std::rc::Rc;
use std::time::Duration;

use proxy_wasm::hostcalls;
use wicketgate_core::callout::Destination;
use wicketgate_core::exchange::step::Event;
use wicketgate_core::guard::Guard;
use wicketgate_core::identity::jwks::KeySet;
use wicketgate_core::identity::validation::Question;
use wicketgate_core::limits::places::Crowded;
use wicketgate_core::limits::tag::Tag;
use wicketgate_core::time::Timestamp;

use crate::callouts::Callouts;
use crate::deadlines;
use crate::host::{self, Buffer, Level, Map};
use crate::metrics::Metrics;
use crate::places::Questions;
use crate::question::{self, Asked, Kind, Whose};
use crate::root::Active;

/// The largest key set document that is read, bytes.
const MAX_DOCUMENT: usize = 256 << 10;
/// Callouts for the keys of one issuer that exchanges of one VM may have under way together, half of them for one caller; more would
/// only ask the same again.
const MAX_UNDER_WAY: usize = 16;
/// The same while there are no keys at all, so that everybody waits.
pub(crate) const MAX_FIRST: usize = 128;
/// Questions about tokens.
const TOKENS: Kind = Kind {
    under_way: |active, issuer| active.questions.get(issuer),
    failed: Metrics::question_failed,
    failure: "an issuer did not answer about a token",
};

/// One callout on its way, begun by an exchange that needs the keys now. When the client leaves, nobody hears the answer:
/// then it counts on until the root context, in its stead, has fetched the keys. Else clients that leave at once could have
/// them fetched without end.
pub(crate) struct Fetch {
    active: Rc<Active>,
    issuer: usize,
    asker: Option<Tag>,
    sent: Timestamp,
    answered: bool,
}

/// Why nothing was asked.
#[derive(Clone, Copy)]
pub(crate) enum NotSent {
    /// The host refused the callout at once: the cluster is not there.
    Away,
    /// Too much is under way.
    Crowded(Crowded),
}

/// The callouts of the root context, by token.
#[derive(Default)]
pub(crate) struct Fetching {
    /// Whose keys, and since when.
    under_way: Callouts<(usize, Timestamp)>,
    /// Questions about the tokens of streams.
    questions: Callouts<(Question, Asked)>,
}

/// Asks for the keys of one issuer on behalf of an exchange. A refusal is remembered like a fetch that failed.
pub(crate) fn fetch(
    active: &Rc<Active>,
    issuer: usize,
    now: Option<Timestamp>,
    (asker, trace): Whose<'_>,
) -> Result<Fetch, NotSent> {
    let none =
        active.memory.try_borrow().is_ok_and(|m| now.is_some_and(|now| m.keys.keys(issuer, now).is_none()));
    let most = if none { MAX_FIRST } else { MAX_UNDER_WAY };
    let fetches = active.fetches.get(issuer).ok_or(NotSent::Away)?;
    fetches.place(|places| places.take_among(most, asker))?;
    if dispatch(&active.guard, issuer, trace).is_some() {
        // Where nobody knows when it began, what it brings takes the place of nothing.
        let sent = now.unwrap_or_default();
        return Ok(Fetch { active: Rc::clone(active), issuer, asker, sent, answered: false });
    }
    fetches.give_back(asker);
    if let (Ok(mut memory), Some(now)) = (active.memory.try_borrow_mut(), now) {
        memory.keys.failed(issuer, now);
    }
    Err(NotSent::Away)
}

/// Asks an issuer about a token.
pub(crate) fn ask(active: &Rc<Active>, question: &Question, whose: Whose<'_>) -> Result<Asked, NotSent> {
    send_question(active, question, whose).map(|(_, asked)| asked)
}

fn send_question(
    active: &Rc<Active>,
    question: &Question,
    whose: Whose<'_>,
) -> Result<(u32, Asked), NotSent> {
    let source = active.guard.issuers.get(question.issuer).and_then(|issuer| issuer.validate.as_ref());
    let source = source.ok_or(NotSent::Away)?;
    let sent = question::ask(active, (&TOKENS, question.issuer), &source.at, &question.body(), whose)?;
    active.metrics.question();
    Ok(sent)
}

fn dispatch(guard: &Guard, issuer: usize, trace: Option<&str>) -> Option<u32> {
    let source = &guard.issuers.get(issuer)?.jwks;
    send(&source.at, None, trace)
}

/// Sends a POST of JSON where there is a body, else a GET; the callout's token, or `None` when the host refuses. `trace` is the
/// `traceparent` of the request on whose behalf it is.
pub(crate) fn send(to: &Destination, body: Option<&[u8]>, trace: Option<&str>) -> Option<u32> {
    let mut headers = vec![
        (":method", if body.is_some() { "POST" } else { "GET" }),
        (":path", to.path.as_str()),
        (":authority", to.authority.as_str()),
        ("accept", "application/json"),
    ];
    headers.extend(body.map(|_| ("content-type", "application/json")));
    headers.extend(trace.map(|trace| ("traceparent", trace)));
    let timeout = to.timeout.max(Duration::from_millis(1));
    // The SDK must know the token, else its dispatcher panics at the answer.
    match hostcalls::dispatch_http_call(&to.cluster, headers, body, vec![], timeout) {
        Ok(token) => Some(token),
        Err(status) => {
            let text = format!("cluster {} cannot be asked for {} ({status:?})", to.cluster, to.path);
            host::log(Level::Warn, &text);
            None
        }
    }
}

// === impl NotSent ===

impl NotSent {
    /// What a request is told that waits: `away` where nobody can be asked.
    pub(crate) fn told(self, away: Event<'static>) -> Event<'static> {
        match self {
            Self::Away => away,
            Self::Crowded(why) => Event::Crowded(why),
        }
    }
}

// === impl Fetch ===

impl Fetch {
    /// Puts what came into the memory: new keys, or the fact that none came.
    pub(crate) fn store(mut self, headers: usize, body: usize, now: Timestamp) {
        self.answered = true;
        store(&self.active, (self.issuer, self.sent), (headers, body), now);
    }
}

impl Drop for Fetch {
    fn drop(&mut self) {
        if self.answered {
            self.active.fetched(self.issuer, self.asker);
        } else if let Ok(mut abandoned) = self.active.abandoned.try_borrow_mut() {
            abandoned.push((self.issuer, self.asker));
        }
    }
}

// === impl Fetching ===

impl Fetching {
    /// Begins a fetch for every issuer whose keys are due and which has none under way.
    pub(crate) fn fetch_due(&mut self, active: &Active, now: Timestamp) {
        for issuer in 0..active.guard.issuers.len() {
            let due = active.memory.try_borrow().is_ok_and(|memory| memory.keys.is_due(issuer, now));
            let wanted =
                active.abandoned.try_borrow().is_ok_and(|all| all.iter().any(|(of, _)| *of == issuer));
            if !(due || wanted) || self.under_way.any(|(of, _)| *of == issuer) {
                continue;
            }
            if let Some(token) = dispatch(&active.guard, issuer, None) {
                self.under_way.begin(token, (issuer, now));
            } else {
                active.fetched_for_the_abandoned(issuer);
                if let Ok(mut memory) = active.memory.try_borrow_mut() {
                    memory.keys.failed(issuer, now);
                }
            }
        }
    }

    /// Asks about the tokens of streams that rest on an issuer's word.
    pub(crate) fn ask_due(&mut self, now: Timestamp) {
        let questions = &mut self.questions;
        deadlines::ask_due(now, |active, question| {
            // Half of the room is left to those who come.
            if active.questions.get(question.issuer).is_none_or(Questions::are_many) {
                return false;
            }
            let sent = send_question(active, question, (None, None)).map(|(token, asked)| {
                questions.begin(token, (question.clone(), asked));
            });
            sent.is_ok()
        });
    }

    /// The answer to a callout of the root context about a token.
    pub(crate) fn answered_about_token(&mut self, token: u32, headers: usize, body: usize, now: Timestamp) {
        if let Some((question, asked)) = self.questions.end(token) {
            let active = Rc::clone(asked.active());
            deadlines::answered(&active, &question, asked.read(headers, body).as_deref(), now);
        }
    }

    /// The answer to a callout of the root context.
    pub(crate) fn answered(
        &mut self,
        active: &Active,
        token: u32,
        headers: usize,
        body: usize,
        now: Timestamp,
    ) {
        if let Some(fetch) = self.under_way.end(token) {
            store(active, fetch, (headers, body), now);
        }
    }
}

/// What a fetch has brought that began at `sent`.
fn store(
    active: &Active,
    (issuer, sent): (usize, Timestamp),
    (headers, body): (usize, usize),
    now: Timestamp,
) {
    let keys = document(headers, body, MAX_DOCUMENT).and_then(|b| KeySet::parse(&b).map_err(str::to_owned));
    active.metrics.key_fetch(keys.is_ok());
    active.fetched_for_the_abandoned(issuer);
    let Ok(mut memory) = active.memory.try_borrow_mut() else { return };
    match keys {
        Ok(keys) => memory.replace_keys(issuer, keys, sent, now),
        Err(why) => {
            memory.keys.failed(issuer, now);
            let name = active.guard.issuers.get(issuer).map_or("", |i| i.issuer.as_str());
            host::log(Level::Warn, &format!("keys of {name} not refreshed: {why}"));
        }
    }
}

/// A broken connection calls back with no headers at all; the header map must not be read then.
pub(crate) fn document(headers: usize, body: usize, most: usize) -> Result<Vec<u8>, String> {
    if headers == 0 {
        return Err("the connection broke".into());
    }
    let head = host::headers(Map::CalloutHeaders).map_err(|f| format!("host status {}", f.0))?;
    let status = head.pseudo(":status");
    if status != "200" {
        return Err(format!("status {status}"));
    }
    if body > most {
        return Err(format!("{body} bytes are too many"));
    }
    host::get_buffer(Buffer::CalloutBody, 0, body).map_err(|f| format!("host status {}", f.0))
}
