//! What does a policy say that lies elsewhere, in an Open Policy Agent which Envoy can reach? Asked by `POST` of its Data API,
//! about calls alone and after everything that can be decided here, with the input that a policy here would have.
//!
//! ```text
//! rules, Rego: Permit --> questions --> recall, or a callout --> answer --> Ruling --> Permit, challenge or denial
//! ```

mod input;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::answer::Reading;
use super::memo::Memo;
use super::ruling::{Outcome, Ruling};
use super::setting::{Labels, Obligable, ToolLabels};
use crate::callout::Destination;
use crate::identity::principal::Principal;
use crate::json;
use crate::mcp::operation::{Operation, Target};
use crate::policy::methods::{Class, class_of};
use crate::policy::resource_uri::ResourceUri;
use crate::policy::rule::RuleId;
use crate::time::Timestamp;

/// What records name where it decided.
pub const RULE: &str = "opa";
/// The most questions about one request: one for each thing that it names, and for each way to read that.
const MOST_QUESTIONS: usize = 16;
/// How many answers are remembered; twice as many at most.
const REMEMBERED: usize = 2048;

/// A policy that is asked over HTTP.
pub struct Opa {
    /// Where.
    pub place: Destination,
    /// What it is told, and what its answers may bring about.
    pub terms: Terms,
    verdicts: Mutex<Memo<[u8; 32], (Ruling, Timestamp)>>,
}

/// What it is told, and what its answers may bring about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The server's name.
    pub server: String,
    /// `input.server.labels`.
    pub labels: Labels,
    /// `input.tool.labels`.
    pub tools: Vec<ToolLabels>,
    /// The most bytes of arguments of a call that it may be told; `None`: it is told none.
    pub argument_bytes: Option<u64>,
    /// The headers that it is told, in lower case.
    pub headers: Vec<String>,
    /// Whether it is told the peer's address.
    pub source: bool,
    /// Whether it is told the time.
    pub time: bool,
    /// For how long an answer counts for the same question.
    pub remember: Duration,
    /// The texts of reasons and `log` that may be written down.
    pub words: BTreeSet<String>,
    /// What it may oblige a call to.
    pub obligable: Obligable,
}

/// What it may be told of a request besides who and what.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// The arguments as they came, a JSON object that was read strictly.
    pub arguments: Option<&'a [u8]>,
    /// The headers that it is told; `None` where they cannot be read in one way.
    pub headers: Option<&'a [(String, String)]>,
    /// The peer's address.
    pub source: Option<&'a str>,
    /// Now.
    pub now: Timestamp,
}

/// One question. Its `Debug` does not show what was sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Question {
    /// The body of the request.
    pub body: Vec<u8>,
}

// === impl Opa ===

impl Opa {
    /// One of which nothing is known yet.
    pub fn new(place: Destination, terms: Terms) -> Self {
        Self { place, terms, verdicts: Mutex::new(Memo::new(REMEMBERED)) }
    }

    /// What to ask about an operation, or why it cannot be asked. Nothing about what only begins, lists or ends.
    ///
    /// # Errors
    /// A ruling that denies.
    pub fn questions(
        &self,
        who: &Principal,
        operation: &Operation,
        around: &Circumstances<'_>,
    ) -> Result<Vec<Question>, Box<Ruling>> {
        let class = class_of(&operation.method);
        if class == Class::Housekeeping || (operation.targets.is_empty() && class != Class::Other) {
            return Ok(Vec::new());
        }
        let denied = |outcome, why| Err(Box::new(Ruling::of(outcome, why)));
        let failed = |why| denied(Outcome::Failed, why);
        if around.headers.is_none() {
            return failed("a header that stands twice or is no text");
        }
        let told = around.arguments.map_or(0, |arguments| arguments.len() as u64);
        if self.terms.argument_bytes.is_some_and(|most| told > most) {
            return failed("more arguments than the policy may be given");
        }
        let mut things: Vec<(Option<&Target>, String)> = Vec::new();
        for target in &operation.targets {
            let Some(names) = readings(target) else {
                return denied(Outcome::Deny, "no normal form");
            };
            things.extend(names.into_iter().map(|name| (Some(target), name)));
            if things.len() > MOST_QUESTIONS {
                return failed("too many things at once");
            }
        }
        if operation.targets.is_empty() {
            things.push((None, String::new()));
        }
        let one = |(target, name): &(Option<&Target>, String)| {
            let body = input::document(&self.terms, who, &operation.method, (*target, name), around);
            body.map(|body| Question { body })
        };
        let questions: Option<Vec<Question>> = things.iter().map(one).collect();
        questions.map_or_else(|| failed("an input that is no JSON"), Ok)
    }

    /// What it said a moment ago to the very same question, which names who asks.
    pub fn recall(&self, question: &Question, now: Timestamp) -> Option<Ruling> {
        if self.terms.remember.is_zero() {
            return None;
        }
        let mut verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        let (ruling, since) = verdicts.get(&question.key())?;
        // A clock that was set back says nothing about how long ago that was.
        let fresh = since <= now && now.since(since) < self.terms.remember;
        fresh.then_some(ruling)
    }

    /// What an answer to `question` means for `who`: the body of a response with status 200, `None` for anything else.
    pub fn read(
        &self,
        question: &Question,
        answer: Option<&[u8]>,
        who: &Principal,
        now: Timestamp,
    ) -> Ruling {
        let failed = |why| Ruling::of(Outcome::Failed, why);
        let Some(answer) = answer else { return failed("no answer from OPA") };
        let Ok(members) = json::object(answer) else { return failed("an answer from OPA that is none") };
        let granted = who.identity().map_or(&[][..], |identity| &identity.scopes);
        let reading = Reading { granted, words: &self.terms.words, obligable: Some(&self.terms.obligable) };
        let ruling = reading.read(members.get("result"));
        if ruling.outcome != Outcome::Failed && !self.terms.remember.is_zero() {
            let mut verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
            verdicts.put(question.key(), (ruling.clone(), now));
        }
        ruling
    }
}

/// All that a server may take a name for; `None` for a URI without a normal form.
fn readings(target: &Target) -> Option<Vec<String>> {
    match target {
        Target::Resource(uri) => Some(ResourceUri::parse(uri).ok()?.readings().map(str::to_owned).collect()),
        other => Some(vec![other.name().to_owned()]),
    }
}

/// The name of the rule that stands for it.
pub fn rule() -> RuleId {
    RuleId::new(RULE)
}

impl fmt::Debug for Opa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opa").field("place", &self.place).finish_non_exhaustive()
    }
}

impl PartialEq for Opa {
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place && self.terms == other.terms
    }
}

impl Eq for Opa {}

// === impl Question ===

impl Question {
    fn key(&self) -> [u8; 32] {
        Sha256::digest(&self.body).into()
    }
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question").field("bytes", &self.body.len()).finish()
    }
}

#[cfg(test)]
mod tests;
