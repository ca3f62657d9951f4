//! Which proofs of possession are for a server?

use std::time::Duration;

use crate::identity::dpop::BoundTokens;
use crate::policy::resource_uri::ResourceUri;

/// What becomes of tokens that are bound to a key, and how their proofs are judged (RFC 9449).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dpop {
    /// Which tokens count.
    pub tokens: BoundTokens,
    /// How old a proof may be.
    pub max_age: Duration,
    /// The server's public URL in normal form.
    target: String,
}

// === impl Dpop ===

impl Dpop {
    /// For the server of this public URL. `None` if that has no normal form.
    pub fn new(tokens: BoundTokens, max_age: Duration, url: &str) -> Option<Self> {
        normal(url).map(|target| Self { tokens, max_age, target })
    }

    /// Whether `htu` names the server: compared after normalization, without query and fragment (RFC 9449 section 4.3,
    /// RFC 3986 sections 6.2.2 and 6.2.3). The server's own URL is a constant, because who calls chooses the `Host`.
    pub fn is_target(&self, htu: &str) -> bool {
        normal(htu).is_some_and(|htu| htu == self.target)
    }
}

fn normal(uri: &str) -> Option<String> {
    let bare = uri.split(['?', '#']).next().unwrap_or_default();
    ResourceUri::parse(bare).ok().map(|uri| uri.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_is_compared_as_rfc_3986_has_it_and_nothing_else_is_the_same() {
        let of = |url| Dpop::new(BoundTokens::Accepted, Duration::from_secs(60), url).unwrap();
        let dpop = of("https://gate.example/mcp/a~b");
        for same in [
            "https://gate.example/mcp/a~b",
            "HTTPS://Gate.Example/mcp/a~b",
            "https://gate.example:443/mcp/a~b",
            "https://gate.example:/mcp/a~b",
            "https://gate.example/mcp/a%7Eb",
            "https://gate.example/mcp/./x/../a~b",
            "https://gate.example/mcp/a~b?x=1#y",
            "https://gate.example/mcp/a~b#?",
        ] {
            assert!(dpop.is_target(same), "{same}");
        }
        for other in [
            "",
            "/mcp/a~b",
            "http://gate.example/mcp/a~b",
            "https://gate.example:8443/mcp/a~b",
            "https://gate.example/mcp/a~b/",
            "https://gate.example/mcp/a~b/c",
            "https://gate.example/MCP/a~b",
            "https://gate.example/mcp",
            "https://gate.example/mcp%2Fa~b",
            "https://gate.example/../mcp/a~b",
            "https://user@gate.example/mcp/a~b",
            "https://gate.example.evil/mcp/a~b",
            "https://evil.example/?https://gate.example/mcp/a~b",
            " https://gate.example/mcp/a~b",
        ] {
            assert!(!dpop.is_target(other), "{other}");
        }
        assert!(of("https://gate.example").is_target("https://gate.example/"), "an empty path is the root");
        assert!(of("http://127.0.0.1:80/mcp").is_target("http://127.0.0.1/mcp"));
    }
}
