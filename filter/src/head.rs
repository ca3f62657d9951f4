//! From the host's header maps to the core's heads.

use wicketgate_core::exchange::step::Unseen;
use wicketgate_core::head::{PeerCertificate, RequestHead, ResponseHead, passing};
use wicketgate_core::order;

use crate::host::{self, Fault, Map};

/// The route that Envoy takes with the headers as they are now.
pub(crate) fn route() -> Option<String> {
    text(&["xds", "route_name"])
}

/// Reads the request's headers and the facts that Envoy knows about its peer, `certificate` too where anybody looks at that.
pub(crate) fn request(certificate: bool) -> Result<RequestHead, Fault> {
    let headers = host::headers(Map::Request)?;
    Ok(RequestHead {
        method: headers.pseudo(":method"),
        authority: headers.pseudo(":authority"),
        path: headers.pseudo(":path"),
        source: text(&["source", "address"]).map(without_port),
        certificate: certificate.then(peer_certificate).flatten(),
        request_id: headers.one("x-request-id").ok().flatten().map(str::to_owned),
        headers: headers.without_pseudo(),
    })
}

/// The certificate of the peer, as Envoy has checked it. Whatever Envoy does not tell is not there.
fn peer_certificate() -> Option<PeerCertificate> {
    const SHOWN: &[u8] = &[1];
    if host::property(&["connection", "mtls"]).as_deref() != Some(SHOWN) {
        return None;
    }
    let name = |which| text(&["connection", which]);
    PeerCertificate::new(
        name("uri_san_peer_certificate"),
        name("dns_san_peer_certificate"),
        name("subject_peer_certificate"),
    )
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
    let headers = host::headers(Map::Response)?;
    let status = headers.pseudo(":status").parse().unwrap_or(0);
    // Of an error or a redirect alone it matters who made it.
    let by_host =
        status >= 300 && text(&["response", "code_details"]).is_some_and(|details| details != "via_upstream");
    Ok(ResponseHead { status, by_host, headers: headers.without_pseudo() })
}

/// Says how long the body is that goes on, where the request says so at all: the host does not.
pub(crate) fn announce_length(length: usize) -> Result<(), Fault> {
    const LENGTH: &str = "content-length";
    if host::headers(Map::Request)?.has(LENGTH) {
        host::set_header(Map::Request, LENGTH, &length.to_string())?;
    }
    Ok(())
}

/// What the client may not send on as a header, it may not as a trailer.
pub(crate) fn strip_trailers(more: impl Fn(&str) -> bool) -> Result<(), Fault> {
    let trailers = host::headers(Map::RequestTrailers)?;
    let mut names: Vec<_> = trailers.iter().map(|(name, _)| name).collect();
    names.retain(|name| passing::is_removed_from_trailers(name) || more(name));
    order::each_once(&mut names);
    names.iter().try_for_each(|name| host::remove_header(Map::RequestTrailers, name))
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
