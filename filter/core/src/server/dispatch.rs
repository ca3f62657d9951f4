//! How do allowed requests of some tools or methods go on? How long the server may take, and which of its branches gets them. What is
//! said of that to Envoy stands in header fields, which only we may set.

use std::time::Duration;

use super::{Covers, Server};
use crate::mcp::operation::Operation;

/// Says which branch gets a request; a route of Envoy depends on it, and takes it out.
pub const BRANCH: &str = "x-wicketgate-branch";
/// Envoy's router gives up an answer that has not begun by then (milliseconds), and answers 504.
pub const BEGINS: &str = "x-envoy-upstream-rq-per-try-timeout-ms";
/// And one that has not ended.
pub const ENDS: &str = "x-envoy-upstream-rq-timeout-ms";

/// When Envoy's router asks once more: no answer has begun.
pub const RETRY_ON: (&str, &str) = ("x-envoy-retry-on", "connect-failure,refused-stream,reset");
/// How often it does.
pub const RETRIES: &str = "x-envoy-max-retries";

/// Methods that only read, so that asking twice does no harm.
pub const READING: [&str; 6] = [
    "initialize",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
    "server/discover",
    "tools/list",
];

/// What holds for some requests. The first entry that covers a request counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispatch {
    /// Which.
    pub covers: Covers,
    /// Until when the answer must have begun.
    pub begins: Option<Duration>,
    /// Until when it must have ended, streams too.
    pub ends: Option<Duration>,
    /// Where it goes instead of the server's own place.
    pub branch: Option<String>,
    /// How often it is asked once more when no answer has begun, where that does no harm.
    pub retries: u32,
}

// === impl Server ===

impl Server {
    /// What holds for an operation.
    pub fn dispatched(&self, operation: &Operation) -> Option<&Dispatch> {
        self.dispatch.iter().find(|entry| entry.covers.holds(operation))
    }

    /// Whether calls of some tools may be asked once more, if what is known of these tools allows it.
    pub(crate) fn repeats_calls(&self) -> bool {
        let mut entries = self.dispatch.iter();
        entries.any(|entry| entry.retries > 0 && matches!(entry.covers, Covers::Tools(_)))
    }

    /// Whether Envoy may choose among several routes by what we say.
    pub(crate) fn has_branches(&self) -> bool {
        self.dispatch.iter().any(|entry| entry.branch.is_some())
    }

    /// The name of Envoy's route to the server itself, or to one of its branches.
    pub fn route(&self, branch: Option<&str>) -> String {
        let named = self.place.routes.as_ref().and_then(|names| names.first());
        let own = named.cloned().unwrap_or_else(|| format!("mcp_{}", self.name));
        branch.map_or(own.clone(), |branch| format!("{own}.{branch}"))
    }

    /// Whether Envoy's choice is ours. It chooses once more when a branch is named, and tells no filter; so its first choice is
    /// judged, which must be one of the server's own routes: the branches of one server stand under one policy.
    pub(crate) fn is_routed_right(&self, route: Option<&str>) -> bool {
        if !self.has_branches() {
            return self.place.is_behind(route);
        }
        let own = self.place.routes.is_some() && self.place.is_behind(route);
        let mut branches = self.dispatch.iter().filter_map(|entry| entry.branch.as_deref());
        let is = |named: String| route.is_some_and(|route| route == named);
        own || is(self.route(None)) || branches.any(|branch| is(self.route(Some(branch))))
    }
}
