//! What the Rego policy of a server says, where the rules let it.

use std::fmt::Write as _;

use serde_json::{Value, json};
use wicketgate_core::denial::Denial;
use wicketgate_core::identity::principal::Principal;
use wicketgate_core::mcp::operation::Operation;
use wicketgate_core::policy::permit::Permit;
use wicketgate_core::policy::rego::narrow::{Circumstances, narrow};
use wicketgate_core::policy::rego::ruling::Ruling;
use wicketgate_core::server::Server;
use wicketgate_core::time::Timestamp;

use crate::outcome::Unusable;
use crate::request::{Around, Request};

/// What the policy said, and what the client reads where that is no.
pub(super) struct Narrowed {
    ruling: Ruling,
    pub(super) denial: Option<Denial>,
}

/// Asks the policy of `server` what it makes of the permit; `None` where there is no policy.
pub(super) fn narrowed(
    server: &Server,
    permit: Permit,
    who: &Principal,
    operation: &Operation,
    request: &Request,
    around: &Around,
) -> Result<Option<Narrowed>, Unusable> {
    let Some(rego) = &server.rego else { return Ok(None) };
    let source = around.address.as_deref();
    let arguments = request.arguments()?;
    let picked = rego.pick(arguments.as_bytes(), Some(0..arguments.len()));
    let (headers, now) = (headers_of(request), now_of(request)?);
    let circumstances = Circumstances { picked: &picked, headers: Some(&headers), source, now };
    let (ruling, result) = narrow(permit, rego, &server.rules, who, operation, &circumstances);
    Ok(Some(Narrowed { ruling, denial: result.err() }))
}

/// The headers of a request, their names as policies see them.
pub(super) fn headers_of(request: &Request) -> Vec<(String, String)> {
    request.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect()
}

/// When it is made: when it says so, else now.
pub(super) fn now_of(request: &Request) -> Result<Timestamp, Unusable> {
    request.time.map_or_else(now, |seconds| Ok(Timestamp::from_secs(seconds)))
}

fn now() -> Result<Timestamp, Unusable> {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since
        .map(|span| Timestamp::from_secs(span.as_secs()))
        .map_err(|_| Unusable("the clock is before 1970".to_owned()))
}

// === impl Narrowed ===

impl Narrowed {
    /// The content rules to which it obliges the answer.
    pub(super) fn redact(&self) -> &[String] {
        &self.ruling.redact
    }

    pub(super) fn json(&self) -> Value {
        let said = &self.ruling;
        json!({"verdict": said.verdict(), "why": said.why, "reasons": said.reasons, "log": said.log,
            "redact": said.redact, "limit": said.limit})
    }

    /// The same in words, a line each.
    pub(super) fn told(&self) -> String {
        let mark = if self.denial.is_some() { "->" } else { "  " };
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{mark} Rego policy: {}, {}", self.ruling.verdict(), self.ruling.why);
        for reason in &self.ruling.reasons {
            let _ = writeln!(text, "     reason: {reason}");
        }
        for limit in &self.ruling.limit {
            let _ = writeln!(text, "     takes a token of: {limit}");
        }
        text
    }
}
