//! What does a server get in place of the client's token? Judged for one server.

use super::error::{Findings, Place};
use super::raw::{RawCredential, RawStatic};
use crate::identity::upstream_credential::UpstreamCredential;

/// Fields that mean something to the way of a request, or that are judged here: a secret in one would change what was judged.
const TAKEN: [&str; 20] = [
    "accept",
    "connection",
    "cookie",
    "date",
    "dpop",
    "expect",
    "host",
    "keep-alive",
    "last-event-id",
    "origin",
    "proxy-connection",
    "referer",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "x-request-id",
    "forwarded",
];
/// The same of all that begin so.
const TAKEN_PREFIXES: [&str; 5] = ["accept-", "content-", "mcp-", "x-envoy-", "x-forwarded-"];

/// Compiles it. `None` where there is none, or something was found.
pub(crate) fn compile(
    raw: Option<&RawCredential>,
    place: &Place,
    found: &mut Findings,
) -> Option<UpstreamCredential> {
    let raw = raw?;
    let Some(given) = &raw.r#static else {
        found.error(place, "says nothing: add `static`");
        return None;
    };
    Some(injected(given, &place.key("static"), found))
}

fn injected(raw: &RawStatic, place: &Place, found: &mut Findings) -> UpstreamCredential {
    let header = raw.header.as_deref().unwrap_or("authorization");
    let token = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let here = place.key("header");
    if header.is_empty() || header.len() > 64 || !header.bytes().all(token) {
        found.error(&here, "is the name of a header: at most 64 letters in lower case, digits and `-`");
    } else if TAKEN.contains(&header) || TAKEN_PREFIXES.iter().any(|prefix| header.starts_with(prefix)) {
        found.error(&here, format!("`{header}` has another meaning: no secret belongs there"));
    }
    UpstreamCredential::Static(header.to_owned())
}
