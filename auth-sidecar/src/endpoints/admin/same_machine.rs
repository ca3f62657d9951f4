//! Who needs no token must come from this machine: but a page of elsewhere, in a browser that runs here, does so, too. What gives it
//! away is the name by which it asks (DNS rebinding), or what its browser says of it.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, header};

/// Whether nobody else can have caused a request to a listener on loopback, which is met by this scheme.
///
/// # Errors
/// The status that says so, and why: 421 where the name is not ours (RFC 9110 section 15.5.20), 403 for a page of elsewhere.
pub(super) fn admit(request: &Request, scheme: &str) -> Result<(), (StatusCode, &'static str)> {
    let headers = request.headers();
    let named = headers.get_all(header::HOST).iter().map(|host| host.to_str().unwrap_or("?"));
    let target = request.uri().authority().map(Authority::as_str);
    if !named.chain(target).all(is_loopback) {
        return Err((StatusCode::MISDIRECTED_REQUEST, "another host"));
    }
    match is_of_our_own(headers, scheme) {
        true => Ok(()),
        false => Err((StatusCode::FORBIDDEN, "a page of elsewhere")),
    }
}

/// `localhost`, or an address of this machine alone; with any port, because it may be forwarded.
fn is_loopback(authority: &str) -> bool {
    let Ok(authority) = authority.parse::<Authority>() else { return false };
    let host = authority.host();
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    let is_address = address.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
    is_address || host.eq_ignore_ascii_case("localhost")
}

/// Whether no browser says that a page of another origin asks. Programs say nothing of this.
fn is_of_our_own(headers: &HeaderMap, scheme: &str) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let ours = format!("{scheme}://{host}");
    let is_ours = |name: &str, allowed: &[&str]| {
        headers.get_all(name).iter().all(|value| allowed.iter().any(|allowed| value == allowed))
    };
    is_ours("origin", &[&ours]) && is_ours("sec-fetch-site", &["same-origin", "none"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_machine_are_known() {
        for (authority, wanted) in [
            ("127.0.0.1", true),
            ("127.0.0.1:9002", true),
            ("127.9.8.7:1", true),
            ("localhost", true),
            ("LOCALHOST:9002", true),
            ("[::1]:9002", true),
            ("[::1]", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("", false),
            ("0.0.0.0:9002", false),
            ("10.0.0.1:9002", false),
            ("[::]:9002", false),
            ("localhost.evil.example", false),
            ("evil.localhost", false),
            ("127.0.0.1.evil.example:9002", false),
            ("127.0.0.1@evil.example", false),
            ("2130706433", false),
            ("rebound.example:9002", false),
        ] {
            assert_eq!(is_loopback(authority), wanted, "{authority}");
        }
    }
}
