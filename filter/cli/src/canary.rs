//! Is the filter in the way? Asked of a running gateway, by requests that it must refuse.
//!
//! A 401 alone would prove nothing: many MCP servers answer so by themselves. The refusal of a page that no policy names
//! carries a code that only the filter uses, and comes before any credential is looked at.

mod ask;

use crate::args::Canary;
use crate::outcome::{Outcome, Unusable};
use ask::{Answer, Gateway};
use serde_json::{Value, json};
use wicketgate_core::denial::Denial;
use wicketgate_core::reply::{Asked, Reply};

/// The name is reserved (RFC 6761 section 6.4): no page has this origin.
const NO_PAGE: &str = "https://wicketgate-canary.invalid";

/// What the answers tell.
#[derive(Debug, PartialEq, Eq)]
enum Finding {
    /// Both are refused as they must be.
    Guarded,
    /// The filter refuses the page, and answers callers without a credential, which is meant.
    GuardedAndOpen,
    /// The filter refuses the page, but a caller without a credential got this status.
    LetsIn(u16),
    /// The filter refuses all that comes from here.
    AddressRefused,
    /// The filter is there, and knows no server at this URL.
    NoServer,
    /// Something else gave this status.
    NotThere(u16),
}

/// Sends both requests, and says what became of them.
pub(crate) fn run(arguments: &Canary) -> Result<Outcome, Unusable> {
    let gateway = Gateway::new(arguments)?;
    let page = gateway.ask(&[("origin", NO_PAGE)])?;
    let bare = gateway.ask(&[])?;
    let finding = Finding::of(&page, &bare, arguments.anonymous);
    let (good, says) = (finding.is_good(), finding.says());
    let json = json!({
        "ok": good, "url": arguments.url, "says": says,
        "foreign_page": page.status, "without_credential": bare.status,
    });
    Ok(Outcome::Said { text: format!("{}: {says}\n", arguments.url), json, good })
}

// === impl Finding ===

impl Finding {
    fn of(page: &Answer, bare: &Answer, open: bool) -> Self {
        if refused_as(page, &Denial::UnknownServer) {
            return Self::NoServer;
        }
        if refused_as(page, &Denial::AddressRefused) {
            return Self::AddressRefused;
        }
        if !refused_as(page, &Denial::OriginRefused) {
            return Self::NotThere(page.status);
        }
        match bare.status {
            401 => Self::Guarded,
            // That it is answered is the question, not how: a server may not know `ping`.
            _ if open => Self::GuardedAndOpen,
            status => Self::LetsIn(status),
        }
    }

    fn is_good(&self) -> bool {
        matches!(self, Self::Guarded | Self::GuardedAndOpen | Self::AddressRefused)
    }

    fn says(&self) -> String {
        match self {
            Self::Guarded => "the filter is in the way, and asks for a credential".to_owned(),
            Self::GuardedAndOpen => "the filter is in the way, and the server is open".to_owned(),
            Self::AddressRefused => {
                "the filter is in the way, and takes nothing from this address".to_owned()
            }
            Self::LetsIn(status) => format!(
                "the filter is in the way, but answered a caller without a credential with {status}, not 401; where that is \
                 meant, say --anonymous"
            ),
            Self::NoServer => "the filter is in the way, but knows no server at this URL".to_owned(),
            Self::NotThere(status) => format!(
                "THE FILTER IS NOT IN THE WAY: a request that it must refuse was answered with {status} by something else"
            ),
        }
    }
}

/// Whether the filter refused it for this reason: by status, and by the code in the body, which is ours alone.
fn refused_as(answer: &Answer, denial: &Denial) -> bool {
    let ours = Reply::refuse(denial, &Asked::default());
    let code = code_of(&ours.body);
    answer.status == ours.status && code.is_some() && code_of(&answer.body) == code
}

/// The code of a JSON-RPC error.
fn code_of(body: &[u8]) -> Option<i64> {
    let value: Value = serde_json::from_slice(body).ok()?;
    value.pointer("/error/code")?.as_i64()
}

#[cfg(test)]
mod tests;
