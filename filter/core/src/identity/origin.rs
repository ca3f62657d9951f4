//! May a page of this origin speak to us? The `Origin` check (MCP transports: "MUST validate the Origin header"; against DNS
//! rebinding).

use std::fmt;
use std::net::Ipv6Addr;

use crate::denial::Denial;
use crate::head::RequestHead;

/// A web origin (RFC 6454 section 4): scheme, host and port, each in one normal form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    scheme: String,
    host: String,
    /// `None` only for schemes without a default port.
    port: Option<u16>,
}

/// Lets a request pass whose `Origin` is absent (not a browser) or one of `allowed`, and says which.
///
/// # Errors
/// [`Denial::OriginRefused`] for another origin, `null`, a repeated or unreadable header.
pub fn admit(head: &RequestHead, allowed: &[Origin]) -> Result<Option<Origin>, Denial> {
    let Some(value) = head.headers.one("origin").map_err(|_| Denial::OriginRefused)? else {
        return Ok(None);
    };
    let origin = Origin::parse(value).map_err(|_| Denial::OriginRefused)?;
    if allowed.contains(&origin) { Ok(Some(origin)) } else { Err(Denial::OriginRefused) }
}

// === impl Origin ===

impl Origin {
    /// An origin as configured or received: `scheme://host` or `scheme://host:port`, nothing behind.
    ///
    /// # Errors
    /// What is wrong, in words for the author of a configuration.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text == "*" {
            return Err("any origin may not be allowed: list each, as scheme://host:port");
        }
        if text.eq_ignore_ascii_case("null") {
            return Err("null stands for any sandboxed page and may not be allowed");
        }
        let (scheme, authority) =
            text.split_once("://").ok_or("not an origin: scheme://host or scheme://host:port")?;
        let starts_well = scheme.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
        if !starts_well || !scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)) {
            return Err("not a scheme");
        }
        if authority.contains(['/', '?', '#']) {
            return Err("an origin has no path, not even a trailing slash");
        }
        if authority.contains('@') {
            return Err("an origin has no user");
        }
        let scheme = scheme.to_ascii_lowercase();
        let (host, port) = split_port(authority)?;
        Ok(Self { host: normal_host(host)?, port: port.or_else(|| default_port(&scheme)), scheme })
    }
}

impl fmt::Display for Origin {
    /// As browsers write it (RFC 6454 section 6.2): without the port that the scheme has anyway.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        match self.port.filter(|port| default_port(&self.scheme) != Some(*port)) {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

/// Host and port; the brackets of an IPv6 address stay with the host.
fn split_port(authority: &str) -> Result<(&str, Option<u16>), &'static str> {
    let after_bracket = authority.rfind(']').map_or(0, |at| at + 1);
    let colon = authority.get(after_bracket..).and_then(|rest| rest.find(':')).map(|at| at + after_bracket);
    let Some(colon) = colon else { return Ok((authority, None)) };
    let (host, port) = authority.split_at_checked(colon).ok_or("not a port")?;
    let digits = port.trim_start_matches(':');
    if port.len() != digits.len() + 1 || digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err("not a port");
    }
    Ok((host, Some(digits.parse().map_err(|_| "not a port")?)))
}

fn normal_host(host: &str) -> Result<String, &'static str> {
    if let Some(inner) = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        let address: Ipv6Addr = inner.parse().map_err(|_| "not an IPv6 address")?;
        return Ok(format!("[{address}]"));
    }
    if host.is_empty() {
        return Err("an origin needs a host");
    }
    if host.contains('*') {
        return Err("origins have no wildcards: list each");
    }
    if !host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)) {
        return Err("not a host name (write international names in their xn-- form)");
    }
    Ok(host.to_ascii_lowercase())
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
