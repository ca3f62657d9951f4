//! What does a server get to know by whom it is asked, in place of the client's token? A secret that Envoy puts in, or what the
//! authorization server gives for the token: it is asked by `POST /v1/exchange` or `POST /v1/identity` of its internal API
//! (`auth-sidecar/openapi/internal-v1.yaml`).

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use super::credential::{Credential, MAX_TOKEN_BYTES, is_b64token};
use super::scope::is_scope;
use crate::callout::Destination;
use crate::denial::Denial;
use crate::json;
use crate::time::Timestamp;

/// Where it stands, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamCredential {
    /// Envoy puts a secret of its own into this header (lower case), whatever stands there.
    Static(String),
    /// The authorization server gives it for the token of the request.
    Given(Source),
}

/// What is asked for, and of whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What.
    pub kind: Kind,
    /// The header that it stands in, lower case.
    pub header: String,
    /// For whom it is: the `aud` of the token.
    pub audience: String,
    /// What it may allow at most; empty for all that the client's token allows there.
    pub scopes: Vec<String>,
    /// Where.
    pub at: Destination,
}

/// What is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An access token for the server's own audience (RFC 8693).
    Exchanged,
    /// A signed statement of who asks.
    SignedIdentity,
}

/// What is asked on behalf of one request. It holds the token: for the callout only.
#[derive(Clone, PartialEq, Eq)]
pub struct Question {
    /// The server's index in the configuration: it says where to ask.
    pub server: usize,
    /// The body, JSON.
    pub body: Vec<u8>,
}

/// The value of a header that is a secret. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct HeaderValue(String);

/// What was given, and until when it can be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The value of the header.
    pub value: HeaderValue,
    /// Then it is too old to be sent on its way.
    pub until: Timestamp,
}

/// The longest list of scopes that is taken into a challenge, bytes.
const LONGEST_SCOPES: usize = 2048;

/// What records and answers call it where it cannot be had.
const AWAY: Denial = Denial::Unavailable("the server's credential");

// === impl UpstreamCredential ===

impl UpstreamCredential {
    /// The header that it stands in, lower case.
    pub fn header(&self) -> &str {
        match self {
            Self::Static(header) => header,
            Self::Given(source) => &source.header,
        }
    }

    /// As records call it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Static(_) => "static",
            Self::Given(Source { kind: Kind::Exchanged, .. }) => "exchanged",
            Self::Given(Source { kind: Kind::SignedIdentity, .. }) => "signed_identity",
        }
    }

    /// Whether a field of a request would stand in its place, with hyphens or with underscores, which some servers read as these.
    pub fn is_feigned_by(&self, name: &str) -> bool {
        let alike = |(a, b): (u8, u8)| a.eq_ignore_ascii_case(&b) || (a == b'_' && b == b'-');
        let header = self.header();
        name.len() == header.len() && name.bytes().zip(header.bytes()).all(alike)
    }
}

// === impl Source ===

impl Source {
    /// The longest life that is believed, seconds.
    const LONGEST: u64 = 86_400;
    /// So long before its end nothing is sent any more: it must still hold where it arrives.
    const MARGIN: Duration = Duration::from_secs(5);

    /// What is asked for `credential`, which was accepted for `resource`, the server with this index.
    pub fn question(&self, server: usize, credential: &Credential, resource: &str) -> Question {
        let mut body = json!({"token": credential.token(), "resource": resource, "audience": self.audience});
        if let (false, Some(members)) = (self.scopes.is_empty(), body.as_object_mut()) {
            members.insert("scope".to_owned(), Value::String(self.scopes.join(" ")));
        }
        Question { server, body: serde_json::to_vec(&body).unwrap_or_default() }
    }

    /// What was given; `answer` is the body of an answer with status 200, `None` if nothing came.
    ///
    /// # Errors
    /// [`Denial::InvalidCredential`] where the token is good for nothing any more; [`Denial::UpstreamScope`] where it allows nothing at
    /// the server, with scopes that would; [`Denial::Unavailable`] for anything that is not an answer.
    pub fn read(&self, answer: Option<&[u8]>, now: Timestamp) -> Result<Given, Denial> {
        let members = json::object(answer.ok_or(AWAY)?).map_err(|()| AWAY)?;
        match members.get("active").and_then(Value::as_bool) {
            Some(true) => {}
            Some(false) => {
                return Err(Denial::InvalidCredential("nothing is given for it: it has ended"));
            }
            None => return Err(AWAY),
        }
        if let Some(error) = members.get("error") {
            return Err(needed(error, members.get("scope")).map_or(AWAY, Denial::UpstreamScope));
        }
        let text = members.get("credential").and_then(Value::as_str).ok_or(AWAY)?;
        // It becomes a line of a request.
        if text.len() > MAX_TOKEN_BYTES || !is_b64token(text) {
            return Err(AWAY);
        }
        let lives = members.get("expires_in").and_then(Value::as_u64);
        let lives = lives.filter(|seconds| (1..=Self::LONGEST).contains(seconds)).ok_or(AWAY)?;
        let lives = Duration::from_secs(lives).saturating_sub(Self::MARGIN);
        let scheme = if self.header == "authorization" { "Bearer " } else { "" };
        Ok(Given { value: HeaderValue(format!("{scheme}{text}")), until: now.plus(lives) })
    }
}

/// The scopes of which the token has none; `None` for what is no such answer. They become a part of a challenge.
fn needed(error: &Value, scope: Option<&Value>) -> Option<Vec<String>> {
    let text =
        scope?.as_str().filter(|text| *error == "insufficient_scope" && text.len() <= LONGEST_SCOPES)?;
    let scopes: Vec<String> = text.split(' ').map(str::to_owned).collect();
    scopes.iter().all(|scope| is_scope(scope)).then_some(scopes)
}

// === impl HeaderValue ===

impl HeaderValue {
    /// The value itself: for the request to the server only.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for HeaderValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HeaderValue({} bytes)", self.0.len())
    }
}

// === impl Question ===

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Question(of server {})", self.server)
    }
}

#[cfg(test)]
mod tests;
