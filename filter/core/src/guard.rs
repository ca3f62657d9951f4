//! Which server is a request for? The whole compiled configuration, immutable, shared by all exchanges of a VM.

use crate::callout::Destination;
use crate::identity::certificate::ClientCertificates;
use crate::identity::issuer::Issuer;
use crate::limits::rate::Rate;
use crate::server::{Authority, Server};

/// The compiled configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// The protected servers, in the order of the configuration.
    pub servers: Vec<Server>,
    /// Whose tokens are accepted; servers refer to them by index.
    pub issuers: Vec<Issuer>,
    /// Whether the host holds request headers back until the body is decided (`allow_on_headers_stop_iteration`).
    pub hold_headers: bool,
    /// How many bytes of unfinished events the streams of one VM may hold together.
    pub held_bytes: u64,
    /// Per source address, tokens that are looked at because they are not remembered.
    pub unknown_tokens: Rate,
    /// Where leases of limits come from that hold across a fleet; there is one where any limit does.
    pub leases: Option<LeaseSource>,
    /// Whether Envoy says which trace a request belongs to ([`crate::head::trace::FIELD`]).
    pub traced: bool,
    /// SHA-256 of the canonical configuration, lower-case hexadecimal: the policy's version in status and audit.
    pub digest: String,
}

/// Where tokens of buckets are leased: the `leases` call of the authorization server's internal API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseSource {
    /// Where.
    pub at: Destination,
    /// What holds where it cannot be had.
    pub when_away: WhenAway,
}

/// What becomes of requests whose limits hold across a fleet while no lease can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenAway {
    /// They are refused with 503.
    Refuse,
    /// Each Envoy applies the limit for itself.
    Local,
}

/// Where protected-resource metadata begins (RFC 9728 section 3).
pub const METADATA_ROOT: &str = "/.well-known/oauth-protected-resource";

// === impl Guard ===

impl Guard {
    /// The server that `authority` and `path` (with or without a query) belong to: the one with the longest path.
    /// `None` for any path that is not in normal form, because the upstream may read it differently; for the same reason where it is
    /// that of a server further below but for the case of letters.
    pub fn route(&self, authority: &str, path: &str) -> Option<&Server> {
        let path = normal_path(path)?;
        let authority = Authority::parse(authority)?;
        let holding = self.servers.iter().filter(|s| s.place.holds(&authority, path));
        let server = holding.max_by_key(|s| s.place.path.len())?;
        let mut below = self.servers.iter().filter(|s| s.place.path.len() > server.place.path.len());
        let another = below.any(|s| s.place.may_hold(&authority, path));
        (!another).then_some(server)
    }

    /// The server whose metadata document lives at `path` on `authority`. The bare [`METADATA_ROOT`] is answered for a
    /// gateway with one server, too (mcp.md 3, D2).
    pub fn metadata_for(&self, authority: &str, path: &str) -> Option<&Server> {
        let path = normal_path(path)?;
        let authority = Authority::parse(authority)?;
        let at_host = |s: &&Server| s.place.hosts.iter().any(|h| h.is(&authority));
        let exact = self.servers.iter().filter(at_host).find(|s| s.metadata_path == path);
        exact.or_else(|| match self.servers.as_slice() {
            [only] if path == METADATA_ROOT => Some(only).filter(at_host),
            _ => None,
        })
    }

    /// The server of that name.
    pub fn server(&self, name: &str) -> Option<&Server> {
        self.servers.iter().find(|s| s.name == name)
    }

    /// Whether any server looks at the certificates of clients.
    pub fn looks_at_certificates(&self) -> bool {
        self.servers.iter().any(|server| server.certificates != ClientCertificates::Ignored)
    }

    /// The issuers that `server` accepts.
    pub fn issuers_of<'a>(&'a self, server: &'a Server) -> impl Iterator<Item = &'a Issuer> {
        server.issuers.iter().filter_map(|at| self.issuers.get(*at))
    }
}

/// `path` without its query, if it can be read in one way only: no dot or empty segments, no path parameters, no
/// backslash, no encoded separator, dot, percent sign or control character, and nothing encoded that needs no encoding
/// (RFC 3986 section 2.3), or a path below another's could be written so that it is not seen to be.
pub fn normal_path(path: &str) -> Option<&str> {
    let path = path.split('?').next()?;
    let body = path.strip_prefix('/')?;
    let sound = body.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'\\' | b';' | b'#'));
    let last = body.split('/').count() - 1;
    let segments =
        body.split('/').enumerate().all(|(at, s)| !matches!(s, "." | "..") && (at == last || !s.is_empty()));
    let mut encodings = body.split('%').skip(1);
    let harmless = encodings.all(|e| {
        e.get(..2)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok())
            .is_some_and(|b| b > 0x20 && !matches!(b, b'/' | b'\\' | b'%' | b';' | 0x7f) && !is_unreserved(b))
    });
    (sound && segments && harmless).then_some(path)
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests;
