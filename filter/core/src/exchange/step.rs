//! What goes in and what comes out of an exchange? Events are what the host saw, steps are what it must do.

use crate::bindings::owner::Binding;
use crate::bindings::table::{Finding, Question};
use crate::head::{RequestHead, ResponseHead};
use crate::history::rule::Slots;
use crate::history::table as history;
use crate::identity::upstream_credential::{self, HeaderValue};
use crate::identity::validation;
use crate::limits::lease;
pub use crate::limits::places::Crowded;
use crate::limits::rate::Rate;
use crate::limits::store::Outcome;
use crate::limits::streams;
use crate::limits::tag::Tag;
pub use crate::limits::taking::Take;
use crate::limits::used_proofs;
use crate::policy::permit::Permit;
use crate::policy::rego::opa;
use crate::reply::Reply;
use crate::tools::listed::{Listed, ToolTag};

/// Something happened on the wire, or an answer came to what a step asked for.
#[derive(Debug)]
pub enum Event<'a> {
    /// The request's headers; `end` when no body follows.
    RequestHead {
        /// As the host gave them.
        head: RequestHead,
        /// Whether the request ends here.
        end: bool,
    },
    /// The first part of a request body came, which is not all of it.
    BodyBegins,
    /// The whole request body, read once at its end or at the trailers.
    RequestBody(&'a [u8]),
    /// The request ended with more bytes than may be buffered.
    RequestTooLarge,
    /// An asked-for fetch of keys has ended, well or not; the memory already holds what came of it.
    KeysFetched,
    /// The body of the answer to a [`Effect::Validate`] with status 200; `None` for anything else.
    Validated(Option<&'a [u8]>),
    /// What the first bucket of [`Control::Take`] said that did not admit, or the last one, and which it was; `None` when the
    /// store could not be read or written.
    Taken(Option<Outcome>, usize),
    /// Whose it is that [`Control::Consult`] asked for; `None` when the store could not be read or written.
    Consulted(Option<Finding>),
    /// What became of [`Control::UseProof`]; `None` when the store could not be read or written.
    ProofUsed(Option<used_proofs::Outcome>),
    /// What a step had to be asked for was not, because too much is under way already.
    Crowded(Crowded),
    /// The body of the answer to an [`Effect::AskPolicy`] with status 200; `None` for anything else.
    PolicyAnswered(Option<&'a [u8]>),
    /// The body of the answer to an [`Effect::GiveCredential`] with status 200; `None` for anything else.
    CredentialGiven(Option<&'a [u8]>),
    /// What an [`Effect::Lease`] brought.
    Leased(Result<Vec<lease::Grant>, NoLease>),
    /// What became of [`Control::CountStream`]; `None` when the store could not be read or written.
    StreamCounted(Option<streams::Outcome>),
    /// What became of [`Control::Recall`]; `None` when the store could not be read or written.
    Recalled(Option<history::Outcome>),
    /// The host's route (`xds.route_name`) that [`Control::Route`] asked for; `None` when the host gives none.
    Routed(Option<String>),
    /// The time that [`super::Exchange::deadline`] names has come.
    Expired,
    /// What [`super::Exchange::footing`] names does not hold any more.
    Withdrawn,
    /// The response's headers; `end` when no body follows.
    ResponseHead {
        /// As the host gave them.
        head: ResponseHead,
        /// Whether the response ends here.
        end: bool,
    },
    /// Part of a response body. In mode [`ResponseMode::Whole`] the whole of it, once; in [`ResponseMode::Pass`]
    /// the bytes need not be read from the host (`bytes` may then be empty and `size` tells).
    ResponseBody {
        /// The bytes, where the mode asks for them.
        bytes: &'a [u8],
        /// How many bytes came.
        size: usize,
        /// Whether the response ends here.
        end: bool,
    },
    /// More of a response held whole came than may be buffered.
    ResponseTooLarge,
}

/// What the adapter must do now, before anything else.
#[derive(Debug)]
pub struct Step {
    /// Where the exchange stands.
    pub control: Control,
    /// What to do on the way, in order, before `control`.
    pub effects: Vec<Effect>,
}

/// Where the exchange stands after an event.
#[derive(Debug)]
pub enum Control {
    /// Hold this half back until another event decides.
    Hold,
    /// Let the request go to the upstream. Only the policy can make the permit.
    Forward(Permit),
    /// Let this part of the response go on.
    Pass,
    /// Take one token from each bucket or from none, and feed [`Event::Taken`] at once.
    Take(Vec<Take>),
    /// Use up a proof of possession, and feed [`Event::ProofUsed`] at once.
    UseProof(used_proofs::Use),
    /// Ask whose something is, and feed [`Event::Consulted`] at once.
    Consult(Consult),
    /// Ask what was done before and mark what is done now, and feed [`Event::Recalled`] at once.
    Recall(Recall),
    /// Say which route the host would take now, after all changes to the headers, and feed [`Event::Routed`] at once.
    Route,
    /// Count one more stream until the exchange ends, however it does, and feed [`Event::StreamCounted`] at once.
    CountStream(StreamOf),
    /// Answer the client; nothing (more) goes to the upstream.
    Reply(Reply),
    /// End the stream: too late for an answer.
    Reset,
}

/// Whose is it, and whose shall it be?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consult {
    /// What, and who asks.
    pub binding: Binding,
    /// What is asked.
    pub question: Question,
}

/// Whose something is, told at once; `None` when the store could not be read or written. Answers ask so and requests by
/// [`Control::Consult`]: one answer may name many things, some in each event.
pub struct Owners<'a>(pub &'a dyn Fn(&Consult) -> Option<Finding>);

/// New bytes for those that stand there; `None` to leave them.
pub type Next<'a> = dyn FnMut(Option<&[u8]>) -> Option<Vec<u8>> + 'a;

/// What all workers know of the tools of servers: swaps the bytes under a key ([`crate::tools::book::Book::key`]) for those
/// that `Next` makes of them, asking again where another thread was faster. `false` when the store could not be read or
/// written.
pub struct Pages<'a>(pub &'a dyn Fn(&str, &mut Next<'_>) -> bool);
/// Why no lease came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoLease {
    /// The authorization server was not reached, or gave no answer in time, or one that is none.
    Away,
    /// It was not asked, because this VM asks too much already.
    Busy,
}

/// One more stream of a principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamOf {
    /// Whose streams.
    pub tag: Tag,
    /// How many there may be.
    pub most: u32,
}

/// What was done before, and what is done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recall {
    /// Whose past.
    pub slots: Slots,
    /// What is asked and marked, all or nothing.
    pub asks: Vec<history::Ask>,
}

/// How tools were last listed, and how they are now. In a function each, because one answer may list many.
pub struct Tools<'a> {
    /// What is known of a tool.
    pub recall: &'a dyn Fn(ToolTag) -> Option<Listed>,
    /// Keeps it for all workers; whether it could be kept.
    pub learn: &'a dyn Fn(ToolTag, Listed) -> bool,
}

/// Something to do besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Remove a request header before the upstream sees it.
    RemoveRequestHeader(String),
    /// Set a request header before the upstream sees it, over whatever stands there.
    SetRequestHeader {
        /// Its name, lower case.
        name: String,
        /// A secret.
        value: HeaderValue,
    },
    /// Set a request header of ours, or of Envoy, by which it chooses the route, in the place of any other of its name; heads are held
    /// then.
    Dispatch(&'static str, String),
    /// Remove a response header before the client sees it.
    RemoveResponseHeader(&'static str),
    /// Set a response header before the client sees it, over whatever stands there.
    SetResponseHeader(&'static str, &'static str),
    /// Put these bytes where the event's body bytes are.
    ReplaceResponseBody(Vec<u8>),
    /// The same for the whole body of the request, whose head is still held: if that announces a length, this one.
    ReplaceRequestBody(Vec<u8>),
    /// Fetch the keys of the issuer with this index, then feed [`Event::KeysFetched`].
    FetchKeys(usize),
    /// Ask an issuer about a token, then feed [`Event::Validated`].
    Validate(validation::Question),
    /// Ask for tokens of these buckets, which hold across a fleet, then feed [`Event::Leased`].
    Lease(Vec<(Tag, Rate)>),
    /// Ask the authorization server for what a server gets in place of the client's token, then feed
    /// [`Event::CredentialGiven`].
    GiveCredential(upstream_credential::Question),
    /// Ask the policy of a server that lies elsewhere, then feed [`Event::PolicyAnswered`].
    AskPolicy {
        /// The server's index.
        server: usize,
        /// The question.
        question: opa::Question,
    },
    /// Count one decision for a server (its index).
    CountServer {
        /// Which.
        server: usize,
        /// Whether the request may go on.
        allowed: bool,
    },
    /// Give back a token that was taken for what cost nothing after all; where that fails one too few is left.
    GiveBack(Take),
    /// Forget that something is somebody's: it has ended. Where that fails it stays his.
    Forget(Binding),
    /// Mark what was done; where that fails it counts as not done.
    Remember(Recall),
    /// Count what rules that only tell would have decided otherwise: `would_allow`, `would_challenge` or `would_deny`.
    CountShadow(&'static str),
    /// One decision record, as one line of JSON.
    RecordDecision(String),
    /// One completion record, as one line of JSON.
    RecordCompletion(String),
    /// Have the host's span of the request say this of it: the filter state that holds it
    /// ([`ATTRIBUTES`](crate::head::trace::ATTRIBUTES)), and the word.
    TellSpan(&'static str, String),
    /// Count one decision by its reason (`allowed` or a [`crate::denial::Denial::reason`]).
    Count(&'static str),
    /// Count an accepted token: whether it was remembered, or verified now.
    CountToken {
        /// It was remembered.
        remembered: bool,
    },
    /// Count what content rules found.
    CountContent {
        /// What was found.
        found: &'static str,
        /// What became of it.
        action: &'static str,
        /// How often.
        count: u64,
    },
    /// Count how the arguments of a call stood to the input schema of its tool.
    CountInputSchema(&'static str),
    /// Count how an answer stood to the output schema of its tool.
    CountOutputSchema(&'static str),
    /// Count list entries that were removed.
    CountRemoved(u64),
    /// Count tools of a list, or things that a server asked for, of which something was found.
    CountFound {
        /// What: a word of [`crate::tools::pins::Why`] or of [`crate::sanitize::server_asks::Ask`].
        why: &'static str,
        /// What was done: a word of [`crate::audit::Found::DONE`].
        done: &'static str,
        /// How many.
        count: u64,
    },
}

/// A request that the host answered before any of it came to us, as the host tells of it at its end.
#[derive(Clone, Debug, Default)]
pub struct Unseen {
    /// The HTTP verb; empty where not even that was read.
    pub method: String,
    /// The request target; empty likewise.
    pub path: String,
    /// The peer's address.
    pub source: Option<String>,
    /// `x-request-id`.
    pub request_id: Option<String>,
    /// The status that the host gave; 0 where the client left before.
    pub status: u16,
    /// Why, in the host's own words (Envoy's response code details).
    pub details: Option<String>,
}

/// How the response body is to be fed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseMode {
    /// As it comes; only sizes matter.
    Pass,
    /// Held back and fed once, whole.
    Whole,
    /// As it comes, with its bytes.
    Stream,
}

impl std::fmt::Debug for Pages<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pages")
    }
}

impl std::fmt::Debug for Owners<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Owners")
    }
}

impl std::fmt::Debug for Tools<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tools")
    }
}
