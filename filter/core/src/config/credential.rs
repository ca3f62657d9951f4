//! What does a server get in place of the client's token? Judged for one server.

use super::destination::{self, Usual, Written, written};
use super::error::{Findings, Place};
use super::raw::{RawExchanged, RawServer, RawSignedIdentity, RawStatic};
use crate::callout::Destination;
use crate::identity::scope::is_scope;
use crate::identity::upstream_credential::{Kind, Source, UpstreamCredential};
use std::time::Duration;

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

/// The longest audience, bytes.
const LONGEST: usize = 512;
/// Longer no request may wait.
const MOST_PATIENCE: Duration = Duration::from_secs(5);

/// Compiles it; `open` tells whether rules mean callers without a token, `held` whether the host holds headers back. `None` where there
/// is none, or something was found.
pub(crate) fn compile(
    raw: &RawServer,
    (open, held): (bool, bool),
    place: &Place,
    found: &mut Findings,
) -> Option<UpstreamCredential> {
    let place = place.key("credential");
    let given = raw.credential.as_ref()?;
    let compiled = match (&given.r#static, &given.exchanged, &given.signed_identity) {
        (Some(one), None, None) => return Some(injected(one, &place.key("static"), found)),
        (None, Some(one), None) => exchanged(one, &raw.url, &place.key("exchanged"), found),
        (None, None, Some(one)) => signed_identity(one, &raw.url, &place.key("signed_identity"), found),
        (None, None, None) => {
            found.error(&place, "says nothing: add `static`, `exchanged` or `signed_identity`");
            return None;
        }
        _ => {
            found.error(
                &place,
                "a server gets one credential: leave one of `static`, `exchanged`, `signed_identity`",
            );
            return None;
        }
    };
    if open {
        found.error(&place, "a rule means `anonymous`, of whom the server could not be told anything");
    }
    if !held {
        found.error(&place, "needs `hold_headers: true`: else headers have gone on before it is there");
    }
    Some(UpstreamCredential::Given(compiled))
}

fn exchanged(raw: &RawExchanged, url: &str, place: &Place, found: &mut Findings) -> Source {
    let here = place.key("audience");
    if raw.audience == url {
        found.error(&here, "is this server itself, for which the client's token is meant already");
    }
    let scopes = raw.scopes.clone().unwrap_or_default();
    if raw.scopes.as_ref().is_some_and(Vec::is_empty) {
        found.error(&place.key("scopes"), "an empty list allows nothing; leave the key out");
    }
    for (at, scope) in scopes.iter().enumerate().filter(|(_, scope)| !is_scope(scope)) {
        let message = format!("`{scope}` is no scope: printable ASCII without spaces, `\"` and `\\`");
        found.error(&place.key("scopes").index(at), message);
    }
    Source {
        kind: Kind::Exchanged,
        header: "authorization".to_owned(),
        audience: audience(&raw.audience, &here, found),
        scopes,
        at: asked(&written!(raw), place, found),
    }
}

fn signed_identity(raw: &RawSignedIdentity, url: &str, place: &Place, found: &mut Findings) -> Source {
    let header = raw.header.as_deref().unwrap_or("x-wicketgate-identity");
    let ours = header.strip_prefix("x-wicketgate-").is_some_and(is_header);
    if !ours && header != "authorization" {
        // Nothing of a client that is called so ever goes on, not even behind a body.
        found.error(&place.key("header"), "is `authorization`, or begins with `x-wicketgate-`");
    }
    Source {
        kind: Kind::SignedIdentity,
        header: header.to_owned(),
        audience: audience(raw.audience.as_deref().unwrap_or(url), &place.key("audience"), found),
        scopes: Vec::new(),
        at: asked(&written!(raw), place, found),
    }
}

fn audience(text: &str, place: &Place, found: &mut Findings) -> String {
    if text.is_empty() || text.len() > LONGEST || !text.bytes().all(|b| b.is_ascii_graphic()) {
        found.error(place, format!("has 1 to {LONGEST} printable characters without spaces"));
    }
    text.to_owned()
}

/// Where it is asked for.
fn asked(raw: &Written<'_>, place: &Place, found: &mut Findings) -> Destination {
    let usual = Usual { authority: raw.cluster.to_owned(), timeout: "1s", most: MOST_PATIENCE };
    destination::compile(raw, usual, place, found)
}

/// The name of a header, in lower case.
fn is_header(name: &str) -> bool {
    let token = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=64).contains(&name.len()) && name.bytes().all(token)
}

fn injected(raw: &RawStatic, place: &Place, found: &mut Findings) -> UpstreamCredential {
    let header = raw.header.as_deref().unwrap_or("authorization");
    let here = place.key("header");
    if !is_header(header) {
        found.error(&here, "is the name of a header: at most 64 letters in lower case, digits and `-`");
    } else if TAKEN.contains(&header) || TAKEN_PREFIXES.iter().any(|prefix| header.starts_with(prefix)) {
        found.error(&here, format!("`{header}` has another meaning: no secret belongs there"));
    }
    UpstreamCredential::Static(header.to_owned())
}
