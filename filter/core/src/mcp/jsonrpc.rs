//! What does a request body ask? From its bytes to one [`Message`], or to a denial that still knows the id.

mod parts;
mod targets;

use std::fmt;
use std::ops::Range;

use super::method::{Method, Place};
use super::operation::Operation;
use super::strict::{Kind, Value};
use super::versions::Revision;
use crate::denial::Denial;
use crate::head::trace;
use parts::{Found, Parts};

/// One JSON-RPC 2.0 message that a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Which of the three forms it has.
    pub kind: MessageKind,
    /// The id: always there for a request, never for a notification, and missing from an answer only when that answers
    /// with an error what could not be read.
    pub id: Option<RequestId>,
    /// The method and what it names.
    pub operation: Operation,
    /// `params._meta["io.modelcontextprotocol/protocolVersion"]`: the version that a modern request declares.
    pub meta_version: Option<String>,
    /// The id of the trace that `params._meta.traceparent` names (W3C Trace Context); `None` for what is none.
    pub trace: Option<String>,
    /// `params.protocolVersion` of an `initialize`: the version that a legacy client asks for.
    pub requested_version: Option<String>,
    /// Where `params.arguments` stands in the body; `None` if absent or null. For `tools/call` and `prompts/get` it is
    /// an object.
    pub arguments: Option<Range<usize>>,
    /// Where a member may be put in behind another one of `params`, where `params.arguments` is absent altogether.
    pub place_for_arguments: Option<usize>,
    /// Whether the request declares the tasks extension, so that its answer may be a task (2026-07-28).
    pub takes_tasks: bool,
}

/// The three forms of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// A method and an id: an answer is due.
    Request,
    /// A method without an id.
    Notification,
    /// A result or an error: the client's answer to a server's request (legacy eras only).
    Response,
}

/// The id of a request: a JSON string or integer, kept as written so that it can be echoed byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(String);

/// A message that may not pass, and the id to put into the reply, if there was a sound one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub denial: Denial,
    /// The id of the request; `None` for notifications, and where the id could not be read.
    pub id: Option<RequestId>,
}

/// The longest id, as written with its quotes, in bytes.
pub const MAX_ID_BYTES: usize = 256;
/// The longest method name, in bytes.
pub const MAX_METHOD_BYTES: usize = 256;
/// The longest name or URI of a target, in bytes.
pub const MAX_TARGET_BYTES: usize = 8192;
/// The most URIs that one `subscriptions/listen` may name.
pub const MAX_SUBSCRIPTIONS: usize = 1024;

// === impl RequestId ===

impl RequestId {
    /// The id as JSON text, quotes included.
    pub fn as_json(&self) -> &str {
        &self.0
    }

    /// From a scanned value of `body`.
    fn from_value(value: &Value<'_>, body: &[u8]) -> Result<Self, Denial> {
        let sound = match value.kind {
            Kind::Text(_) => value.span.len() <= MAX_ID_BYTES,
            // The range of a 64-bit integer; JSON writes it without fraction and exponent, which `parse` refuses.
            Kind::Number(number) => number.parse::<i64>().is_ok() && number != "-0",
            _ => false,
        };
        let raw = body.get(value.span.clone()).and_then(|bytes| std::str::from_utf8(bytes).ok());
        match raw {
            Some(raw) if sound => Ok(Self(raw.to_owned())),
            _ => Err(Denial::InvalidRequest("the id must be a short string or an integer")),
        }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads a request body: one JSON text, strict at every level ([`super::strict`]), that holds one JSON-RPC message.
///
/// `revision` is the one that the request's header names; with it, a method that this revision does not have may lack its
/// targets, because the upstream's "unknown method" is the right answer to it then. Targets that can be read are given in
/// any case: a header must not hide them from a rule.
///
/// # Errors
/// `ParseError`: not JSON. `InvalidRequest`: JSON, but ambiguous, too deep, a batch, or no sound JSON-RPC message.
/// `InvalidParams`: the params lack what the method must name, or hold it in another type.
pub fn read(body: &[u8], revision: Option<Revision>) -> Result<Message, Refused> {
    let mut parts = Parts::default();
    let scanned = parts.scan(body);
    let id = parts.single_id().map(|value| RequestId::from_value(value, body)).transpose();
    let read_id = id.clone().unwrap_or_default();
    match scanned.map_err(Denial::from).and_then(|found| message(&found, &parts, id?, revision)) {
        Ok(message) => Ok(message),
        // JSON-RPC 2.0 section 5: what is not JSON has no id.
        Err(denial @ Denial::ParseError(_)) => Err(Refused { denial, id: None }),
        Err(denial) => Err(Refused { denial, id: read_id }),
    }
}

fn message(
    found: &Found,
    parts: &Parts<'_>,
    id: Option<RequestId>,
    revision: Option<Revision>,
) -> Result<Message, Denial> {
    match found {
        Found::Object => {}
        Found::Array => return Err(Denial::InvalidRequest("a batch")),
        Found::Other => return Err(Denial::InvalidRequest("not an object")),
    }
    match &parts.jsonrpc {
        Some(Value { kind: Kind::Text(text), .. }) if text.says("2.0") => {}
        _ => return Err(Denial::InvalidRequest("jsonrpc must be \"2.0\"")),
    }
    let Some(method) = &parts.method else { return answer(parts, id) };
    if parts.has_result || parts.has_error {
        return Err(Denial::InvalidRequest("both a method and a result or error"));
    }
    let Kind::Text(method) = method.kind else {
        return Err(Denial::InvalidRequest("the method must be a string"));
    };
    let method = method.decode();
    if method.len() > MAX_METHOD_BYTES {
        return Err(Denial::InvalidRequest("the method's name is too long"));
    }
    if method.chars().any(char::is_control) {
        return Err(Denial::InvalidRequest("a control character in the method's name"));
    }
    call(&method, parts, id, revision)
}

fn call(
    name: &str,
    parts: &Parts<'_>,
    id: Option<RequestId>,
    revision: Option<Revision>,
) -> Result<Message, Denial> {
    if Operation::WITHOUT_METHOD.contains(&name) {
        // Rules and records take these for a verb or an answer, which the upstream would not.
        return Err(Denial::InvalidRequest("a method by a name of the gateway's own"));
    }
    if id.is_some() && name.starts_with("notifications/") {
        // Rules take it for a notification; an upstream may take it for a request.
        return Err(Denial::InvalidRequest("a notification with an id"));
    }
    let params = parts.sound_params()?;
    let method = Method::find(name);
    let targets = match method {
        Some(method) => targets::of(method, params, revision)?,
        None => Vec::new(),
    };
    let arguments = params.arguments.as_ref().filter(|value| value.kind != Kind::Null);
    let takes_object = method.is_some_and(|m| matches!(m.place, Place::Tool | Place::Prompt));
    if takes_object && arguments.is_some_and(|value| value.kind != Kind::Object) {
        return Err(Denial::InvalidParams("params.arguments must be an object"));
    }
    let requested = if name == "initialize" { params.version.as_ref() } else { None };
    Ok(Message {
        kind: if id.is_some() { MessageKind::Request } else { MessageKind::Notification },
        id,
        operation: Operation { method: name.to_owned(), targets },
        meta_version: targets::text(
            params.meta_version.as_ref(),
            "the version in params._meta must be a string",
        )?,
        trace: trace(params.trace.as_ref()),
        requested_version: targets::text(requested, "params.protocolVersion must be a string")?,
        arguments: arguments.map(|value| value.span.clone()),
        place_for_arguments: match &params.arguments {
            None => params.name.as_ref().map(|name| name.span.end),
            Some(_) => None,
        },
        takes_tasks: params.takes_tasks,
    })
}

fn trace(given: Option<&Value<'_>>) -> Option<String> {
    match given?.kind {
        Kind::Text(text) => trace::id_of(&text.decode()).map(str::to_owned),
        _ => None,
    }
}

fn answer(parts: &Parts<'_>, id: Option<RequestId>) -> Result<Message, Denial> {
    match (parts.has_result, parts.has_error) {
        (true, true) => return Err(Denial::InvalidRequest("both a result and an error")),
        (false, false) => return Err(Denial::InvalidRequest("neither a method nor a result nor an error")),
        (true, false) if id.is_none() => return Err(Denial::InvalidRequest("a result without an id")),
        _ => {}
    }
    Ok(Message {
        kind: MessageKind::Response,
        id,
        operation: Operation::bare(Operation::ANSWER),
        meta_version: None,
        trace: None,
        requested_version: None,
        arguments: None,
        place_for_arguments: None,
        takes_tasks: false,
    })
}

#[cfg(test)]
mod tests;
