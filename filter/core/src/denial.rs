//! In how many ways can the gateway say no? One variant is one HTTP answer, one audit reason, one metric label.

use std::time::Duration;

/// Why an exchange was refused. Holds what the reply and the audit need, never a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    /// No credential where one is needed: 401 without an error code (RFC 6750 section 3.1).
    MissingCredential,
    /// A credential that does not hold: 401 `invalid_token`. The reason goes to the audit only.
    InvalidCredential(&'static str),
    /// A proof of possession that is missing or does not hold: 401 `invalid_dpop_proof` (RFC 9449 section 7.1). The reason
    /// goes to the audit only.
    InvalidProof(&'static str),
    /// 403 `insufficient_scope`; all scopes that the operation needs (RFC 6750 section 3.1).
    InsufficientScope(Vec<String>),
    /// The token is good here, and good for nothing at what the server needs a token of its own for: 403 `insufficient_scope`;
    /// scopes that would be.
    UpstreamScope(Vec<String>),
    /// The `Origin` of a browser is not allowed: 403.
    OriginRefused,
    /// The request comes from an address that may not ask: 403.
    AddressRefused,
    /// What the caller did before stands against it: 403. Which rule says so goes to the audit only.
    HistoryRefused(&'static str),
    /// No server of ours lives at this host and path: 404.
    UnknownServer,
    /// An HTTP verb that MCP does not use here: 405.
    MethodNotAllowed,
    /// The request body is not plain `application/json`: 415.
    UnsupportedMediaType,
    /// The client does not accept both answer types: 406.
    NotAcceptable,
    /// The body is not JSON as RFC 8259 has it: 400, -32700.
    ParseError(&'static str),
    /// JSON, but not one sound JSON-RPC message: 400, -32600.
    InvalidRequest(&'static str),
    /// A JSON-RPC message whose params do not fit its method: 400, -32602.
    InvalidParams(&'static str),
    /// A header and the body disagree, or a header is missing or malformed: 400, -32020. Holds the header's name.
    HeaderMismatch(&'static str),
    /// A protocol revision that this server does not speak: 400, -32022.
    UnsupportedVersion(String),
    /// The target may not be used, answered like one that does not exist: -32602 (resources before 2026-07-28: -32002).
    NotAllowed(Absent),
    /// The tool (its name) is not what it must be, answered like one that does not exist. Why goes to the audit only.
    Quarantined(String, &'static str),
    /// The tool may be called, but not with these arguments: -32602, with the argument's path and what it does not meet.
    ArgumentRefused(Refusal),
    /// The method may not be used or is unknown: -32601.
    UnknownMethod(String),
    /// The operator's policy could not be answered: for the client the same as the denial within. Why goes to the audit only.
    PolicyFailed(Box<Self>, &'static str),
    /// The session is not known or another's: 404, in the same words. Which of them goes to the audit only.
    UnknownSession(&'static str),
    /// The request is larger than allowed: 413. The limit in bytes.
    TooLarge(u64),
    /// Too many requests: 429, with the time after which one more is admitted. Which limit goes to the audit only.
    RateLimited(Duration, String),
    /// As many streams of the principal are open as there may be: 429. Holds that number.
    TooManyStreams(u32),
    /// The upstream's answer may not pass: 502.
    UnsafeResponse(&'static str),
    /// The same because of its contents. The content rule and what it found, never the value.
    UnsafeContent(String),
    /// The request holds what a content rule refuses: -32602. The rule and what it found, never the value.
    ContentRefused(String),
    /// The server did not answer in the time that it had: 504.
    TimedOut,
    /// A part that is needed cannot be reached: 503. Names the part.
    Unavailable(&'static str),
    /// Anything that should not happen: 500. Names the place.
    Internal(&'static str),
}

/// The thing that a denied request named, and which the answer calls unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Absent {
    /// A tool's name.
    Tool(String),
    /// A prompt's name.
    Prompt(String),
    /// A resource's URI as the client wrote it.
    Resource(String),
    /// A task's id.
    Task(String),
}

/// What of the arguments of a call is not as demanded. Never a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which argument, in the words of the rule or schema: `filter.limit`, `items[].url`; empty for all of them.
    pub path: String,
    /// The key of the rule or the keyword of the schema that it does not meet.
    pub constraint: &'static str,
    /// What the audit record says of it.
    detail: String,
}

// === impl Refusal ===

impl Refusal {
    /// By a rule, whose words the path is made of.
    pub fn new(path: &str, constraint: &'static str) -> Self {
        let detail = if path.is_empty() { constraint.to_owned() } else { format!("{path}: {constraint}") };
        Self { path: path.to_owned(), constraint, detail }
    }

    /// By the tool's own schema: the path holds words of the upstream and stays out of the record.
    pub fn by_schema(path: String, constraint: &'static str) -> Self {
        Self { path, constraint, detail: format!("input schema: {constraint}") }
    }
}

// === impl Denial ===

impl Denial {
    /// The stable slug shared by audit records, metrics and documents.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::MissingCredential => "missing_credential",
            Self::InvalidCredential(_) => "invalid_credential",
            Self::InvalidProof(_) => "invalid_proof",
            Self::InsufficientScope(_) => "insufficient_scope",
            Self::UpstreamScope(_) => "upstream_scope",
            Self::OriginRefused => "origin_refused",
            Self::AddressRefused => "address_refused",
            Self::HistoryRefused(_) => "history_refused",
            Self::UnknownServer => "unknown_server",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::NotAcceptable => "not_acceptable",
            Self::ParseError(_) => "parse_error",
            Self::InvalidRequest(_) => "invalid_request",
            Self::InvalidParams(_) => "invalid_params",
            Self::HeaderMismatch(_) => "header_mismatch",
            Self::UnsupportedVersion(_) => "unsupported_version",
            Self::NotAllowed(_) => "not_allowed",
            Self::Quarantined(..) => "quarantined",
            Self::ArgumentRefused(_) => "argument_refused",
            Self::UnknownMethod(_) => "unknown_method",
            Self::PolicyFailed(..) => "policy_failed",
            Self::UnknownSession(_) => "unknown_session",
            Self::TooLarge(_) => "too_large",
            Self::RateLimited(..) => "rate_limited",
            Self::TooManyStreams(_) => "too_many_streams",
            Self::UnsafeResponse(_) | Self::UnsafeContent(_) => "unsafe_response",
            Self::ContentRefused(_) => "content_refused",
            Self::TimedOut => "timed_out",
            Self::Unavailable(_) => "unavailable",
            Self::Internal(_) => "internal",
        }
    }

    /// Whether a token with more scopes would do.
    pub const fn asks_for_scopes(&self) -> bool {
        matches!(self, Self::InsufficientScope(_) | Self::UpstreamScope(_))
    }

    /// Every slug that [`Denial::reason`] can give, for metrics defined at configure and for the README's table.
    pub const REASONS: [&'static str; 31] = [
        "missing_credential",
        "invalid_credential",
        "invalid_proof",
        "insufficient_scope",
        "upstream_scope",
        "origin_refused",
        "address_refused",
        "history_refused",
        "unknown_server",
        "method_not_allowed",
        "unsupported_media_type",
        "not_acceptable",
        "parse_error",
        "invalid_request",
        "invalid_params",
        "header_mismatch",
        "unsupported_version",
        "not_allowed",
        "quarantined",
        "argument_refused",
        "unknown_method",
        "policy_failed",
        "unknown_session",
        "too_large",
        "rate_limited",
        "too_many_streams",
        "unsafe_response",
        "content_refused",
        "timed_out",
        "unavailable",
        "internal",
    ];

    /// More detail for the audit record: our own words and those of the configuration, never input.
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::RateLimited(_, what) | Self::UnsafeContent(what) | Self::ContentRefused(what) => Some(what),
            Self::ArgumentRefused(refusal) => Some(&refusal.detail),
            Self::InvalidCredential(what)
            | Self::InvalidProof(what)
            | Self::HistoryRefused(what)
            | Self::ParseError(what)
            | Self::InvalidRequest(what)
            | Self::InvalidParams(what)
            | Self::HeaderMismatch(what)
            | Self::Quarantined(_, what)
            | Self::PolicyFailed(_, what)
            | Self::UnknownSession(what)
            | Self::UnsafeResponse(what)
            | Self::Unavailable(what)
            | Self::Internal(what) => Some(what),
            _ => None,
        }
    }
}
