//! What does the operator's own policy make of what the rules allow?

use super::waiting::Waiting;
use super::{Exchange, World};
use crate::denial::Denial;
use crate::identity::principal::Principal;
use crate::mcp::operation::Operation;
use crate::policy::permit::Permit;
use crate::policy::rego::narrow::{self, Circumstances, narrow};
use crate::policy::rego::ruling::Ruling;
use crate::server::Server;

// === impl Exchange ===

impl Exchange {
    /// Asks the Rego policy of `server`, if it has one, about an operation that the rules permit; what it says is recorded.
    ///
    /// # Errors
    /// As [`narrow`].
    pub(super) fn narrowed(
        &mut self,
        permit: Permit,
        server: &Server,
        (who, operation): (&Principal, &Operation),
        waiting: &Waiting,
        world: &World<'_>,
    ) -> Result<Permit, Denial> {
        let Some(rego) = &server.rego else { return Ok(permit) };
        let around = Circumstances {
            picked: &waiting.picked,
            headers: waiting.read_headers.as_deref(),
            source: self.facts.source.as_deref(),
            now: world.now,
        };
        let (ruling, narrowed) = narrow(permit, rego, &server.rules, who, operation, &around);
        self.facts.ruling = Some(ruling);
        narrowed.inspect_err(|_| self.facts.rule = Some(narrow::rule()))
    }

    /// The names to which the policies oblige the call, of one kind of obligation.
    pub(super) fn obliged(&self, kind: fn(&Ruling) -> &Vec<String>) -> Vec<String> {
        self.facts.ruling.iter().chain(&self.facts.remote_ruling).flat_map(kind).cloned().collect()
    }
}
