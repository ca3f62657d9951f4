//! When is an exchange over, whatever does or does not come? The root context ends those whose time has come.

use std::time::Duration;

use super::step::{Control, ResponseMode};
use super::{Exchange, Phase, Waiting, World};
use crate::guard::Guard;
use crate::identity::footing::Footing;
use crate::mcp::operation::Operation;
use crate::time::Timestamp;

/// How long the first byte of a body may take where headers are held. A host that was not told to hold them
/// (`allow_on_headers_stop_iteration`) never gives us one: then every POST ends so, and says so, instead of hanging.
pub const BODY_BEGINS: Duration = Duration::from_secs(10);

// === impl Exchange ===

impl Exchange {
    /// When this exchange must end as it stands now: with its token where it streams (a GET stream even before its answer
    /// begins), or soon where a body does not begin to come.
    pub fn deadline(&self, guard: &Guard) -> Option<Timestamp> {
        match &self.phase {
            Phase::Waiting(waiting) if guard.hold_headers && waiting.expects_body() => {
                Some(self.facts.began().plus(BODY_BEGINS))
            }
            // Nothing more of it passes, and the server waits for an answer that nobody gives.
            Phase::Forwarded(_) if self.facts.over => Some(self.facts.began()),
            Phase::Forwarded(_) => {
                if !self.is_streaming() {
                    return None;
                }
                let identity = self.facts.principal.as_ref()?.identity()?;
                let issuer = guard.issuers.iter().find(|issuer| issuer.issuer == identity.issuer);
                Some(identity.expires.plus(issuer.map(|issuer| issuer.skew).unwrap_or_default()))
            }
            _ => None,
        }
    }

    /// What must go on holding while it streams.
    pub fn footing(&self) -> Option<&Footing> {
        self.facts.footing.as_ref().filter(|_| self.is_streaming())
    }

    /// Whether its answer is an event stream, or is that of a GET, which may be silent for hours before it begins.
    pub fn is_streaming(&self) -> bool {
        let Phase::Forwarded(answering) = &self.phase else { return false };
        let get = self.facts.operation.as_ref().is_some_and(|o| o.method == Operation::STREAM);
        get || answering.mode() == ResponseMode::Stream
    }

    pub(super) fn body_begins(&mut self, mut waiting: Box<Waiting>) -> Control {
        waiting.body_began = true;
        self.phase = Phase::Waiting(waiting);
        Control::Hold
    }

    /// The credential is not good any more, so nothing more may be streamed for it.
    pub(super) fn withdraw(&mut self, world: &World<'_>) -> Control {
        self.decided("allow", "credential_withdrawn", None, world);
        Control::Reset
    }

    /// Its time has come: nothing may be streamed past the end of the token, nobody waits for a body that never begins.
    pub(super) fn expire(&mut self, world: &World<'_>) -> Control {
        if self.facts.over {
            // Why was said when it was.
        } else if self.facts.is_decided() {
            self.decided("allow", "token_expired", None, world);
        } else {
            self.decided("deny", "body_never_came", None, world);
        }
        Control::Reset
    }
}
