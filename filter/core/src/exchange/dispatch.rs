//! What is Envoy told of a request that is allowed? How long its answer may take, and where it goes, where the configuration says so.

use std::time::Duration;

use super::admission::Ask;
use super::step::{Effect, ResponseMode};
use super::viewing::known_repeatable;
use super::{Exchange, World};
use crate::denial::Denial;
use crate::head::ResponseHead;
use crate::mcp::operation::{Operation, Target};
use crate::server::Server;
use crate::server::dispatch::{BEGINS, BRANCH, ENDS, READING, RETRIES, RETRY_ON};
use crate::time::Timestamp;

/// Envoy's clock and ours are not one, and its timers may fire a little early.
const EARLY: Duration = Duration::from_millis(100);

/// What of it is remembered.
#[derive(Debug, Default)]
pub(super) struct Dispatched {
    /// When the answer must have ended.
    until: Option<Timestamp>,
    /// Whether it has.
    ended: bool,
}

// === impl Exchange ===

impl Exchange {
    /// Has Envoy told, and asks then where it sends the request, where it could choose.
    pub(super) fn dispatch(
        &mut self,
        server: &Server,
        operation: &Operation,
        world: &World<'_>,
    ) -> Option<Ask> {
        if let Some(entry) = server.dispatched(operation) {
            let span = |name, span: Option<Duration>| {
                span.map(|span| Effect::Dispatch(name, span.as_millis().to_string()))
            };
            self.effects.extend(span(BEGINS, entry.begins));
            self.effects.extend(span(ENDS, entry.ends));
            self.effects.extend(entry.branch.clone().map(|branch| Effect::Dispatch(BRANCH, branch)));
            if entry.retries > 0 && is_repeatable(server, operation, world) {
                let (name, when) = RETRY_ON;
                self.effects.push(Effect::Dispatch(name, when.to_owned()));
                self.effects.push(Effect::Dispatch(RETRIES, entry.retries.to_string()));
            }
            self.facts.dispatched.until = entry.ends.map(|ends| world.now.plus(ends.saturating_sub(EARLY)));
        }
        (server.place.routes.is_some() || server.has_branches()).then_some(Ask::Route)
    }

    /// The answer ends by trailers. Its body is still to be fed where it is held whole; of a stream all was fed that can pass: an event
    /// without its end is none (HTML, 9.2.6), and nobody can add to a body here.
    pub fn ends_by_trailers(&mut self) -> ResponseMode {
        self.facts.dispatched.ended(true);
        self.response_mode()
    }

    /// Envoy gave up a server that said nothing in time: its words become ours.
    pub(super) fn in_time(&self, head: &ResponseHead) -> Result<(), Denial> {
        if head.by_host && head.status == 504 { Err(Denial::TimedOut) } else { Ok(()) }
    }
}

/// Whether asking twice does no harm: by the method, or by what the server said of the tool when it listed it last.
fn is_repeatable(server: &Server, operation: &Operation, world: &World<'_>) -> bool {
    let called = |target: &Target| match target {
        Target::Tool(tool) => known_repeatable(server, tool, world),
        _ => false,
    };
    READING.contains(&operation.method.as_str())
        || (operation.method == "tools/call"
            && !operation.targets.is_empty()
            && operation.targets.iter().all(called))
}

// === impl Dispatched ===

impl Dispatched {
    /// The answer has ended as it should.
    pub(super) fn ended(&mut self, end: bool) {
        self.ended |= end;
    }

    /// Whether Envoy has broken it off in the middle, of which nobody tells us.
    pub(super) fn is_cut(&self, now: Timestamp) -> bool {
        !self.ended && self.until.is_some_and(|until| until <= now)
    }
}
