//! Which headers of a client go no further?

/// The client's credential is for us alone (MCP authorization: "MUST NOT pass the client's token upstream"). `cookie` goes
/// too: MCP has no use for cookies, and where the authorization server shares our origin a browser would send its session
/// cookie along, which an upstream must not see.
const CREDENTIALS: [&str; 4] = ["authorization", "proxy-authorization", "dpop", "cookie"];

/// Headers that only we may set, whatever follows.
const OURS: &str = "x-wicketgate-";

/// Commands to Envoy's router (retries, time limits, hedging) begin so. An edge Envoy drops those of outsiders, but only
/// where it was told who is one.
const ENVOYS: &str = "x-envoy-";

/// Facts that Envoy itself adds, and that upstreams may want.
const ENVOYS_FACTS: [&str; 7] = [
    "x-envoy-external-address",
    "x-envoy-internal",
    "x-envoy-original-path",
    "x-envoy-original-host",
    "x-envoy-decorator-operation",
    "x-envoy-peer-metadata",
    "x-envoy-peer-metadata-id",
];

/// Orders to a framework: another verb, host or path than the ones that were judged.
const ORDERS: [&str; 9] = [
    "x-http-host-override",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-method",
    "x-original-uri",
    "x-original-url",
    "x-override-url",
    "x-rewrite-url",
];

/// Fields that are judged or set here. With underscores instead of hyphens they are other names to us and to Envoy, and the
/// same to every server behind CGI, WSGI or Rack; the reference configuration refuses such names, a mesh need not.
const JUDGED: [&str; 9] = [
    "accept",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "last-event-id",
    "origin",
    "transfer-encoding",
    "x-request-id",
];

/// An answer that comes compressed could not be read.
const ENCODINGS: &str = "accept-encoding";

/// Fields that RFC 9110 section 6.5.1 keeps out of trailers (framing, routing, content), which an upstream might merge
/// into the head all the same.
const NEVER_TRAILERS: [&str; 14] = [
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "origin",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Whether the request header `name` is removed before the request goes upstream.
pub fn is_removed(name: &str) -> bool {
    if name.contains('_') {
        let meant = name.replace('_', "-");
        let judged = JUDGED.iter().any(|judged| judged.eq_ignore_ascii_case(&meant));
        return judged || is_removed_from_trailers(&meant);
    }
    let is = |other: &&str| other.eq_ignore_ascii_case(name);
    begins(name, OURS)
        || CREDENTIALS.iter().any(is)
        || ORDERS.iter().any(is)
        || name.eq_ignore_ascii_case(ENCODINGS)
        || (begins(name, ENVOYS) && !ENVOYS_FACTS.iter().any(is))
}

/// Whether the request trailer `name` is removed: what may not stand in the head, what may not be a trailer, and what was
/// judged in the head already (`mcp-*`, `x-forwarded-*`).
pub fn is_removed_from_trailers(name: &str) -> bool {
    is_removed(name)
        || ["mcp-", "x-forwarded-"].iter().any(|prefix| begins(name, prefix))
        || NEVER_TRAILERS.iter().any(|other| other.eq_ignore_ascii_case(name))
}

/// Whether only the gateway may set the header `name`, or one that some servers take for it.
pub fn is_ours(name: &str) -> bool {
    begins(&name.replace('_', "-"), OURS)
}

fn begins(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|p| p.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_and_commands_stay_here() {
        for name in [
            "authorization",
            "Authorization",
            "proxy-authorization",
            "DPoP",
            "cookie",
            "x-wicketgate-principal",
            "X-Wicketgate-",
            "accept-encoding",
            "x-envoy-retry-on",
            "X-Envoy-Upstream-Rq-Timeout-Ms",
            "x-envoy-anything-new",
            "X-HTTP-Method-Override",
            "x-original-url",
        ] {
            assert!(is_removed(name) && is_removed_from_trailers(name), "{name}");
        }
        for name in [
            "mcp_session_id",
            "Mcp_Name",
            "x_http_method_override",
            "x_forwarded_for",
            "content_type",
            "host",
        ] {
            assert!(is_removed(name) == name.contains('_') && is_removed_from_trailers(name), "{name}");
        }
        for name in [
            "accept",
            "x_custom",
            "mcp-session-id",
            "x-wicketgate",
            "authorization-x",
            "é-wicketgate-x",
            "x-envoy-external-address",
        ] {
            assert!(!is_removed(name), "{name}");
        }
    }

    #[test]
    fn what_only_the_gateway_sets_is_known_in_any_spelling() {
        for name in ["x-wicketgate-branch", "X-WicketGate-", "x_wicketgate_branch"] {
            assert!(is_ours(name) && is_removed(name), "{name}");
        }
        for name in ["x-wicketgate", "x-wicketgates-a", "authorization"] {
            assert!(!is_ours(name), "{name}");
        }
    }

    #[test]
    fn a_trailer_says_nothing_that_a_head_decides() {
        for name in
            ["Content-Length", "host", "transfer-encoding", "mcp-name", "MCP-Session-Id", "x-forwarded-for"]
        {
            assert!(is_removed_from_trailers(name), "{name}");
        }
        for name in ["digest", "server-timing", "mcp", "x-after"] {
            assert!(!is_removed_from_trailers(name), "{name}");
        }
    }
}
