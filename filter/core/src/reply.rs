//! What does the client read when the answer is ours? The only place where denials become HTTP and JSON-RPC.
//!
//! Shapes: RFC 6750 section 3 and RFC 9728 section 5.1 for challenges, JSON-RPC 2.0 for bodies, MCP basic/index.mdx
//! for codes. Text is fixed words of ours plus names that the client itself sent.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::denial::{Absent, Denial, Refusal};
use crate::identity::dpop::{self, BoundTokens};
use crate::mcp::versions::{Era, Revision};

/// A whole HTTP answer of our own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Header names (lower case) and values.
    pub headers: Vec<(&'static str, String)>,
    /// The body; empty for none.
    pub body: Vec<u8>,
}

/// What is known of the request when a reply to it is written.
#[derive(Clone, Debug, Default)]
pub struct Asked<'a> {
    /// The raw JSON text of the request's id, where it could be read.
    pub id: Option<&'a str>,
    /// Whether it was a message that gets no JSON-RPC answer (a notification or a response).
    pub unanswered: bool,
    /// The revision that the request speaks, where known.
    pub revision: Option<Revision>,
    /// Revisions that the server accepts, for `data.supported`.
    pub supported: &'a [Revision],
    /// The URL of the protected-resource metadata (RFC 9728), once the server is known.
    pub metadata_url: Option<&'a str>,
    /// Scopes to ask for at first, for the 401 challenge.
    pub scopes: &'a [String],
    /// Which tokens the server takes.
    pub bound_tokens: BoundTokens,
    /// Whether the token was one to be shown with a proof: then the scheme `DPoP` says what is wrong.
    pub with_proof: bool,
}

/// A JSON-RPC error object: code, message, data.
struct RpcError {
    code: i64,
    message: String,
    data: Option<Value>,
}

// === impl Reply ===

impl Reply {
    /// A JSON document of ours (metadata, status). Browsers may read it from any origin: it holds nothing personal.
    pub fn document(status: u16, body: Vec<u8>, max_age_secs: u32) -> Self {
        let cache =
            if max_age_secs == 0 { "no-store".into() } else { format!("public, max-age={max_age_secs}") };
        let headers = vec![
            ("content-type", "application/json".to_owned()),
            ("cache-control", cache),
            ("access-control-allow-origin", "*".to_owned()),
        ];
        Self { status, headers, body }
    }

    /// The answer to a CORS preflight for one of our public documents.
    pub fn preflight() -> Self {
        let headers = vec![
            ("access-control-allow-origin", "*".to_owned()),
            ("access-control-allow-methods", "GET, HEAD, OPTIONS".to_owned()),
            ("access-control-allow-headers", "mcp-protocol-version".to_owned()),
            ("access-control-max-age", "86400".to_owned()),
        ];
        Self { status: 204, headers, body: Vec::new() }
    }

    /// The answer to a refused request.
    pub fn refuse(denial: &Denial, asked: &Asked<'_>) -> Self {
        if let Denial::PolicyFailed(seen, _) = denial {
            return Self::refuse(seen, asked);
        }
        let mut headers = vec![("cache-control", "no-store".to_owned())];
        headers.extend(challenges(denial, asked).into_iter().map(|c| ("www-authenticate", c)));
        match denial {
            Denial::RateLimited(after, _) => {
                let secs = after.as_secs() + u64::from(after.subsec_nanos() > 0);
                headers.push(("retry-after", secs.max(1).to_string()));
                headers.push(("ratelimit", format!("\"wicketgate\";r=0;t={}", secs.max(1))));
            }
            Denial::Unavailable(_) => headers.push(("retry-after", "1".to_owned())),
            Denial::MethodNotAllowed => headers.push(("allow", "POST, GET, DELETE".to_owned())),
            _ => {}
        }
        headers.push(("content-type", "application/json".to_owned()));
        Self { status: status(denial, asked), headers, body: body(denial, asked) }
    }
}

/// The HTTP status of a denial; notifications have no JSON-RPC answer, so theirs is always an error status
/// (basic/transports/streamable-http.mdx of 2026-07-28, "Sending Messages").
fn status(denial: &Denial, asked: &Asked<'_>) -> u16 {
    match denial {
        Denial::MissingCredential | Denial::InvalidCredential(_) | Denial::InvalidProof(_) => 401,
        Denial::InsufficientScope(_)
        | Denial::UpstreamScope(_)
        | Denial::OriginRefused
        | Denial::AddressRefused
        | Denial::HistoryRefused(_) => 403,
        Denial::UnknownServer | Denial::UnknownSession(_) => 404,
        Denial::MethodNotAllowed => 405,
        Denial::NotAcceptable => 406,
        Denial::TooLarge(_) => 413,
        Denial::UnsupportedMediaType => 415,
        Denial::RateLimited(..) | Denial::TooManyStreams(_) => 429,
        Denial::ParseError(_)
        | Denial::InvalidRequest(_)
        | Denial::InvalidParams(_)
        | Denial::HeaderMismatch(_)
        | Denial::UnsupportedVersion(_) => 400,
        Denial::NotAllowed(_)
        | Denial::ArgumentRefused(_)
        | Denial::Quarantined(..)
        | Denial::UnknownMethod(_)
        | Denial::ContentRefused(_)
            if asked.unanswered =>
        {
            403
        }
        Denial::UnknownMethod(_) if asked.revision.is_some_and(|r| r.era() == Era::Modern) => 404,
        Denial::NotAllowed(_)
        | Denial::ArgumentRefused(_)
        | Denial::Quarantined(..)
        | Denial::UnknownMethod(_)
        | Denial::ContentRefused(_) => 200,
        Denial::UnsafeResponse(_) | Denial::UnsafeContent(_) => 502,
        Denial::Unavailable(_) => 503,
        Denial::TimedOut => 504,
        Denial::PolicyFailed(..) | Denial::Internal(_) => 500,
    }
}

/// The `WWW-Authenticate` values. Clients read them by regular expression, so Bearer stands first and alone, and every value is
/// a plain quoted string. The scheme by which the client came says what is wrong (RFC 9449 section 7.1).
fn challenges(denial: &Denial, asked: &Asked<'_>) -> Vec<String> {
    let Some(mut parts) = challenge(denial, asked) else { return Vec::new() };
    let algorithms = format!("algs=\"{}\"", dpop::ALGORITHMS);
    match asked.bound_tokens {
        BoundTokens::Refused => vec![by("Bearer", &parts)],
        BoundTokens::Accepted if !asked.with_proof && !matches!(denial, Denial::InvalidProof(_)) => {
            vec![by("Bearer", &parts), by("DPoP", &[algorithms])]
        }
        BoundTokens::Accepted | BoundTokens::Required => {
            parts.push(algorithms);
            vec![by("DPoP", &parts)]
        }
    }
}

fn by(scheme: &str, parts: &[String]) -> String {
    let space = if parts.is_empty() { "" } else { " " };
    [scheme, space, &parts.join(", ")].concat()
}

/// The parameters of the challenge, whatever its scheme.
fn challenge(denial: &Denial, asked: &Asked<'_>) -> Option<Vec<String>> {
    let mut parts: Vec<String> = Vec::new();
    let scopes = match denial {
        Denial::MissingCredential => asked.scopes,
        Denial::InvalidCredential(_) => {
            parts.push("error=\"invalid_token\"".into());
            parts.push("error_description=\"The access token is missing a valid claim, expired or not for this resource\"".into());
            asked.scopes
        }
        Denial::InvalidProof(_) => {
            parts.push("error=\"invalid_dpop_proof\"".into());
            parts
                .push("error_description=\"The DPoP proof is missing, used or not for this request\"".into());
            asked.scopes
        }
        Denial::InsufficientScope(scopes) | Denial::UpstreamScope(scopes) => {
            parts.push("error=\"insufficient_scope\"".into());
            parts.push("error_description=\"The operation needs more scopes\"".into());
            scopes.as_slice()
        }
        _ => return None,
    };
    if let Some(url) = asked.metadata_url {
        parts.push(format!("resource_metadata=\"{url}\""));
    }
    if !scopes.is_empty() {
        parts.push(format!("scope=\"{}\"", scopes.join(" ")));
    }
    Some(parts)
}

fn body(denial: &Denial, asked: &Asked<'_>) -> Vec<u8> {
    let error = match denial {
        Denial::MissingCredential => {
            return br#"{"error":"unauthorized","error_description":"A bearer token is needed"}"#.to_vec();
        }
        Denial::InvalidCredential(_) => return br#"{"error":"invalid_token"}"#.to_vec(),
        Denial::InvalidProof(_) => return br#"{"error":"invalid_dpop_proof"}"#.to_vec(),
        other => rpc_error(other, asked),
    };
    let mut object = Map::new();
    object.insert("code".into(), error.code.into());
    object.insert("message".into(), error.message.into());
    if let Some(data) = error.data {
        object.insert("data".into(), data);
    }
    // The id is the client's own bytes, so that it reads what it sent; without one the member is left out, because
    // the schemas allow only strings and integers there.
    let mut text = String::from(r#"{"jsonrpc":"2.0""#);
    if let Some(id) = asked.id.filter(|_| !asked.unanswered) {
        let _ = write!(text, r#","id":{id}"#);
    }
    let _ = write!(text, r#","error":{}}}"#, Value::Object(object));
    text.into_bytes()
}

/// Codes of our own lie outside -32768..-32000, which JSON-RPC and MCP reserve.
fn rpc_error(denial: &Denial, asked: &Asked<'_>) -> RpcError {
    let plain = |code: i64, message: &str| RpcError { code, message: message.to_owned(), data: None };
    match denial {
        Denial::ParseError(what) => plain(-32700, &format!("Parse error: {what}")),
        Denial::InvalidRequest(what) => plain(-32600, &format!("Invalid request: {what}")),
        Denial::InvalidParams(what) => plain(-32602, &format!("Invalid params: {what}")),
        Denial::HeaderMismatch(header) => plain(-32020, &format!("Header mismatch: {header}")),
        Denial::UnsupportedVersion(requested) => RpcError {
            code: -32022,
            message: "Unsupported protocol version".into(),
            data: Some(json!({
                "supported": supported(asked.supported),
                "requested": requested,
            })),
        },
        Denial::NotAllowed(absent) => not_found(absent, asked.revision),
        Denial::Quarantined(tool, _) => not_found(&Absent::Tool(tool.clone()), asked.revision),
        Denial::ArgumentRefused(refusal) => argument_refused(refusal),
        Denial::UnknownMethod(_) => plain(-32601, "Method not found"),
        Denial::InsufficientScope(scopes) | Denial::UpstreamScope(scopes) => RpcError {
            code: -31003,
            message: "Insufficient scope".into(),
            data: Some(json!({ "required_scopes": scopes })),
        },
        Denial::RateLimited(after, _) => RpcError {
            code: -31029,
            message: "Too many requests".into(),
            data: Some(json!({ "retry_after_ms": u64::try_from(after.as_millis()).unwrap_or(u64::MAX) })),
        },
        Denial::TooManyStreams(limit) => RpcError {
            code: -31030,
            message: "Too many open streams".into(),
            data: Some(json!({ "limit_streams": limit })),
        },
        Denial::TooLarge(limit) => RpcError {
            code: -31013,
            message: "Message too large".into(),
            data: Some(json!({ "limit_bytes": limit })),
        },
        Denial::OriginRefused => plain(-31004, "Origin not allowed"),
        Denial::AddressRefused => plain(-31010, "Address not allowed"),
        Denial::HistoryRefused(_) => plain(-31011, "Not after what was done before"),
        Denial::UnknownServer => plain(-31005, "Not found"),
        Denial::UnknownSession(_) => plain(-31006, "Session not found"),
        Denial::MethodNotAllowed => plain(-31007, "Method not allowed"),
        Denial::UnsupportedMediaType => {
            plain(-31008, "Content-Type must be application/json, without Content-Encoding")
        }
        Denial::NotAcceptable => {
            plain(-31009, "Accept must allow both application/json and text/event-stream")
        }
        Denial::UnsafeResponse(_) | Denial::UnsafeContent(_) => {
            plain(-32603, "The server's answer was withheld")
        }
        Denial::ContentRefused(_) => plain(-32602, "The request holds what may not be sent"),
        Denial::TimedOut => plain(-31012, "The server did not answer in time"),
        Denial::Unavailable(_) => plain(-32603, "Temporarily unavailable"),
        Denial::Internal(_)
        | Denial::MissingCredential
        | Denial::InvalidCredential(_)
        | Denial::InvalidProof(_)
        | Denial::PolicyFailed(..) => plain(-32603, "Internal error"),
    }
}

/// Says which argument and what it does not meet, so that a model can mend its call; never what it was.
fn argument_refused(refusal: &Refusal) -> RpcError {
    let Refusal { path, constraint, .. } = refusal;
    let message = if path.is_empty() {
        format!("Arguments not allowed: {constraint}")
    } else {
        format!("Argument not allowed: {path} ({constraint})")
    };
    RpcError { code: -32602, message, data: Some(json!({ "argument": path, "constraint": constraint })) }
}

/// Revisions that a client may ask for in a header: the modern ones, because legacy ones are agreed on by `initialize`
/// (basic/versioning.mdx); those where the server speaks no modern one.
fn supported(all: &[Revision]) -> Vec<&'static str> {
    let modern = all.iter().any(|r| r.era() == Era::Modern);
    all.iter().filter(|r| !modern || r.era() == Era::Modern).map(|r| r.as_str()).collect()
}

/// The words of the reference servers for a name that does not exist, so that hidden and missing read alike.
fn not_found(absent: &Absent, revision: Option<Revision>) -> RpcError {
    let (code, message, data) = match absent {
        Absent::Tool(name) => (-32602, format!("Unknown tool: {name}"), None),
        Absent::Prompt(name) => (-32602, format!("Unknown prompt: {name}"), None),
        Absent::Task(_) => (-32602, "Unknown task".to_owned(), None),
        Absent::Resource(uri) => {
            let code = if revision.is_some_and(|r| r.era() == Era::Modern) { -32602 } else { -32002 };
            (code, format!("Resource not found: {uri}"), Some(json!({ "uri": uri })))
        }
    };
    RpcError { code, message, data }
}

#[cfg(test)]
mod tests;
