//! From the host's header maps to the core's heads.

use wicketgate_core::exchange::step::Unseen;
use wicketgate_core::head::{Headers, RequestHead, ResponseHead, passing};

use crate::host::{self, Fault, Map};

/// Reads the request's headers and the facts that Envoy knows about its peer and route.
pub(crate) fn request() -> Result<RequestHead, Fault> {
    let (pseudo, headers) = split(host::headers(Map::Request)?);
    let headers = Headers::new(headers);
    let request_id = headers.one("x-request-id").ok().flatten().map(str::to_owned);
    Ok(RequestHead {
        method: value(&pseudo, ":method"),
        authority: value(&pseudo, ":authority"),
        path: value(&pseudo, ":path"),
        headers,
        source: text(&["source", "address"]).map(without_port),
        request_id,
        route: text(&["xds", "route_name"]),
    })
}

/// What Envoy knows at the end of a request that it answered by itself, before any of it came here.
pub(crate) fn unseen() -> Unseen {
    let number = |bytes: Vec<u8>| bytes.try_into().ok().map(i64::from_le_bytes);
    let status = host::property(&["response", "code"]).and_then(number);
    Unseen {
        method: text(&["request", "method"]).unwrap_or_default(),
        path: text(&["request", "path"]).unwrap_or_default(),
        source: text(&["source", "address"]).map(without_port),
        request_id: text(&["request", "id"]),
        status: status.and_then(|status| u16::try_from(status).ok()).unwrap_or_default(),
        details: text(&["response", "code_details"]),
    }
}

/// Reads the response's headers.
pub(crate) fn response() -> Result<ResponseHead, Fault> {
    let (pseudo, headers) = split(host::headers(Map::Response)?);
    Ok(ResponseHead {
        status: value(&pseudo, ":status").parse().unwrap_or(0),
        by_host: text(&["response", "code_details"]).is_some_and(|details| details != "via_upstream"),
        headers: Headers::new(headers),
    })
}

/// What the client may not send on as a header, it may not as a trailer.
pub(crate) fn strip_trailers() -> Result<(), Fault> {
    let mut names: Vec<_> = host::headers(Map::RequestTrailers)?.into_iter().map(|(name, _)| name).collect();
    names.retain(|name| passing::is_removed_from_trailers(name));
    names.sort_unstable();
    names.dedup();
    names.iter().try_for_each(|name| host::remove_header(Map::RequestTrailers, name))
}

type Pairs = Vec<(String, Vec<u8>)>;

fn split(pairs: Pairs) -> (Pairs, Pairs) {
    pairs.into_iter().partition(|(name, _)| name.starts_with(':'))
}

/// A pseudo header's value; unreadable ones become empty, which no route and no verb equals.
fn value(pseudo: &Pairs, name: &str) -> String {
    let found = pseudo.iter().find(|(n, _)| n == name);
    found.and_then(|(_, v)| String::from_utf8(v.clone()).ok()).unwrap_or_default()
}

fn text(path: &[&str]) -> Option<String> {
    host::property(path).and_then(|bytes| String::from_utf8(bytes).ok()).filter(|t| !t.is_empty())
}

fn without_port(address: String) -> String {
    match address.rsplit_once(':') {
        Some((host, _)) if !host.is_empty() => host.trim_matches(['[', ']']).to_owned(),
        _ => address,
    }
}
