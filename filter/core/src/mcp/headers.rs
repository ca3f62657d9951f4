//! Do the headers of a request fit MCP, and do they say what the body says?
//!
//! The body is the source of truth; headers are only ever checked against it (2026-07-28,
//! basic/transports/streamable-http, "Server Validation"). What only a server can judge is left to it, so that its own
//! answers pass: `_meta` members that are missing, `Mcp-Param-*` values, methods that a revision lacks.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::jsonrpc::{Message, MessageKind};
use super::method::Method;
use super::versions::{Era, Newer, Revision};
use crate::denial::Denial;
use crate::head::{Headers, RequestHead};

const VERSION: &str = "MCP-Protocol-Version";
const METHOD: &str = "Mcp-Method";
const NAME: &str = "Mcp-Name";
/// How the names of all fields begin that are MCP's, known or to come.
const PREFIX: &str = "mcp-";
/// Headers of which a second one could be the one that the upstream reads.
const AT_MOST_ONCE: [&str; 7] =
    [VERSION, METHOD, NAME, "Mcp-Session-Id", "Last-Event-ID", "Content-Type", "Content-Length"];

/// What a stream is resumed after: GET alone knows it, in a session alone.
pub const LAST_EVENT: &str = "last-event-id";

/// Which revision does the head name? `None` without the header: `initialize`, and clients of 2025-03-26.
///
/// A reply to a POST needs the request's id, so keep the denial until the body is read.
///
/// # Errors
/// `UnsupportedVersion` for any revision that is not in `allowed`; `HeaderMismatch` if the header is repeated or unreadable.
/// Where `newer` ones are inspected, they are read as the newest, which must be allowed too.
pub fn revision_of(
    head: &RequestHead,
    allowed: &[Revision],
    newer: Newer,
) -> Result<Option<Revision>, Denial> {
    let Some(text) = one(&head.headers, VERSION)? else { return Ok(None) };
    match Revision::parse(text) {
        Some(revision) if allowed.contains(&revision) => Ok(Some(revision)),
        None if newer.inspects(text) && allowed.contains(&Revision::NEWEST) => Ok(Some(Revision::NEWEST)),
        _ => Err(Denial::UnsupportedVersion(text.to_owned())),
    }
}

/// May the head name no revision? It is then `initialize`, which names the `requested` one in its body, or of a client of
/// 2025-03-26, which had no such header (2025-11-25, basic/transports, "Protocol Version Header").
///
/// # Errors
/// `UnsupportedVersion` where 2025-03-26 is not in `allowed`.
pub fn unnamed_revision(
    named: Option<Revision>,
    requested: Option<&str>,
    allowed: &[Revision],
) -> Result<(), Denial> {
    if named.is_some() || allowed.contains(&Revision::R20250326) {
        return Ok(());
    }
    let requested = requested.unwrap_or(Revision::R20250326.as_str());
    Err(Denial::UnsupportedVersion(requested.to_owned()))
}

/// The revision that the head names, where it is newer than all known ones.
pub fn newer_than_known(head: &RequestHead) -> Option<String> {
    let text = one(&head.headers, VERSION).ok().flatten()?;
    Newer::Inspect.inspects(text).then(|| text.to_owned())
}

/// No header that is read here or upstream stands twice.
///
/// # Errors
/// `HeaderMismatch` with its name.
pub fn unrepeated(headers: &Headers) -> Result<(), Denial> {
    if let Some(name) = AT_MOST_ONCE.into_iter().find(|name| headers.all(name).nth(1).is_some()) {
        return Err(Denial::HeaderMismatch(name));
    }
    let is_ours =
        |name: &str| name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX));
    if headers.iter().any(|(name, _)| is_ours(name) && headers.all(name).nth(1).is_some()) {
        return Err(Denial::HeaderMismatch("Mcp-*"));
    }
    Ok(())
}

/// The request is for one host: a `Host` beside the authority by which it was routed names the same.
///
/// # Errors
/// `HeaderMismatch`.
pub fn one_host(head: &RequestHead) -> Result<(), Denial> {
    match one(&head.headers, "Host")? {
        Some(host) if !host.eq_ignore_ascii_case(&head.authority) => Err(Denial::HeaderMismatch("Host")),
        _ => Ok(()),
    }
}

/// The mirrored headers say what the body says: `Mcp-Method`, `Mcp-Name`, and the version in `_meta`. A modern request must
/// carry them; where a legacy one does, they must be right too.
///
/// # Errors
/// `HeaderMismatch` with the header's name; `InvalidRequest` for an answer posted in the modern era, which has none.
pub fn agree(mirrors: &Headers, revision: Option<Revision>, message: &Message) -> Result<(), Denial> {
    let modern = revision.is_some_and(|r| r.era() == Era::Modern);
    if modern && message.kind == MessageKind::Response {
        return Err(Denial::InvalidRequest("an answer, in a revision without requests to answer"));
    }
    if message.meta_version.is_some() && message.meta_version.as_deref() != one(mirrors, VERSION)? {
        return Err(Denial::HeaderMismatch(VERSION));
    }
    match one(mirrors, METHOD)? {
        Some(text) if text == message.operation.method => {}
        None if !modern => {}
        _ => return Err(Denial::HeaderMismatch(METHOD)),
    }
    name_agrees(mirrors, modern, message)
}

/// A POST holds plain JSON: `application/json`, with no parameter but `charset=utf-8`, uncompressed.
///
/// # Errors
/// `UnsupportedMediaType`.
pub fn media_type(head: &RequestHead) -> Result<(), Denial> {
    let refused = Denial::UnsupportedMediaType;
    let Ok(Some(text)) = head.headers.one("content-type") else { return Err(refused) };
    let mut parts = text.split(';').map(trim);
    let is_json = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("application/json"));
    let plain = parts.all(|parameter| {
        let Some((name, value)) = parameter.split_once('=') else { return parameter.is_empty() };
        name.eq_ignore_ascii_case("charset") && value.trim_matches('"').eq_ignore_ascii_case("utf-8")
    });
    let uncompressed = head.headers.all("content-encoding").all(|v| v.eq_ignore_ascii_case(b"identity"));
    if is_json && plain && uncompressed { Ok(()) } else { Err(refused) }
}

/// The client can read some answer: to a POST JSON or an event stream, to a GET an event stream. A client that does not
/// say is taken to read all (RFC 9110 section 12.5.1); a server that wants both types on a POST says so itself.
///
/// # Errors
/// `NotAcceptable`.
pub fn acceptable(head: &RequestHead) -> Result<(), Denial> {
    let needed: &[&str] = match head.method.as_str() {
        "POST" => &["application/json", "text/event-stream"],
        "GET" => &["text/event-stream"],
        _ => return Ok(()),
    };
    if !head.headers.has("accept") {
        return Ok(());
    }
    let ranges =
        head.headers.all("accept").filter_map(|v| std::str::from_utf8(v).ok()).flat_map(|v| v.split(','));
    let found = ranges.into_iter().any(|range| needed.iter().any(|media| admits(range, media)));
    if found { Ok(()) } else { Err(Denial::NotAcceptable) }
}

fn name_agrees(headers: &Headers, modern: bool, message: &Message) -> Result<(), Denial> {
    let mismatch = Err(Denial::HeaderMismatch(NAME));
    let method = Method::find(&message.operation.method);
    let Some(value) = one(headers, NAME)? else {
        let needed = modern && method.is_some_and(|m| m.named_in_header);
        return if needed { mismatch } else { Ok(()) };
    };
    let Some(name) = unwrap_sentinel(value) else { return mismatch };
    match (message.operation.targets.as_slice(), method) {
        ([target], _) if target.name() == name => Ok(()),
        // Of a method that is not known it is not known either what the header mirrors: the upstream compares.
        ([], None) => Ok(()),
        _ => mismatch,
    }
}

/// The value that a header means: `=?base64?…?=` holds text in Base64 (RFC 4648 section 4, padded), anything else is
/// literal. `None` if what it holds is not Base64 of UTF-8.
fn unwrap_sentinel(value: &str) -> Option<Cow<'_, str>> {
    let Some(inner) = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) else {
        return Some(Cow::Borrowed(value));
    };
    String::from_utf8(STANDARD.decode(inner).ok()?).ok().map(Cow::Owned)
}

fn one<'a>(headers: &'a Headers, name: &'static str) -> Result<Option<&'a str>, Denial> {
    headers.one(name).map_err(|_| Denial::HeaderMismatch(name))
}

/// Whether an `Accept` range lets `media` through: named or by wildcard, and not with `q=0`.
fn admits(range: &str, media: &str) -> bool {
    let mut parts = range.split(';').map(trim);
    let name = parts.next().unwrap_or_default();
    let refused = parts.any(|parameter| {
        let weight = parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q="));
        weight.is_some_and(|weight| !weight.bytes().any(|b| matches!(b, b'1'..=b'9')))
    });
    let whole_type = |kind: &str| media.split('/').next().is_some_and(|own| own.eq_ignore_ascii_case(kind));
    let named =
        name.eq_ignore_ascii_case(media) || name == "*/*" || name.strip_suffix("/*").is_some_and(whole_type);
    named && !refused
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

#[cfg(test)]
mod tests;
