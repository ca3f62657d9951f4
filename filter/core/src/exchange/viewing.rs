//! Who looks at an answer? The caller, with the eyes of the rules that judge calls; and on the way what lists say of tools is
//! kept for the next call.

use std::collections::HashMap;

use super::admission::bound;
use super::handing::may_be_listed;
use super::judging::Judging;
use super::step::Consult;
use super::{Exchange, World};
use crate::audit::Found;
use crate::bindings::owner::Kind;
use crate::bindings::table::Question;
use crate::denial::Denial;
use crate::identity::network::address_of;
use crate::identity::principal::Principal;
use crate::mcp::operation::Target;
use crate::policy::caller::Caller;
use crate::policy::for_caller::ForCaller;
use crate::sanitize::server_asks::{Ask, Gate};
use crate::sanitize::viewer::{Kept, Settled, Viewer};
use crate::server::Server;
use crate::tools::listed::{Listed, ToolTag};

/// Who looks at one answer, or one event of it.
pub(super) struct Viewing<'a> {
    world: &'a World<'a>,
    server: &'a Server,
    principal: &'a Principal,
    /// The rules that stand for the principal.
    rules: ForCaller<'a>,
    source: Option<&'a str>,
    /// Whether it is a list of tools that was asked for, and rules read what is said of them.
    learns: bool,
    /// Tools that the answer lists as such that may change something, whatever else it says of them; and whether they may be called twice.
    changing: HashMap<ToolTag, bool>,
    sandbox: bool,
    /// Something could not be kept.
    failed: bool,
    /// Whether tools are what they must be; `None` where nobody asks.
    tools: Option<Judging<'a>>,
    /// What was found of tools, and of what the server asked for, in messages that are settled.
    found: Vec<Found>,
    /// The same of the one that is being read.
    finding: Vec<Found>,
}

// === impl Exchange ===

impl Exchange {
    /// Whether its answer says what the tools of the server are. Of any other nobody knows where the list in it comes from: it may be a
    /// result that a client has shaped, or, in a session, the answer to another request.
    pub(super) fn asks_for_tools(&self) -> bool {
        self.facts.operation.as_ref().is_some_and(|operation| operation.method == "tools/list")
    }

    /// The eyes for the answer to this exchange's request.
    pub(super) fn viewing<'a>(&'a self, world: &'a World<'a>) -> Result<Viewing<'a>, Denial> {
        let server = self.server(world.guard)?;
        let principal =
            self.facts.principal.as_ref().ok_or(Denial::Internal("an answer without a principal"))?;
        let asked = self.asks_for_tools();
        Ok(Viewing {
            world,
            server,
            principal,
            rules: server.rules.for_caller(principal),
            source: self.facts.source.as_deref(),
            learns: asked && (server.rules.reads_annotations() || server.repeats_calls()),
            changing: HashMap::new(),
            sandbox: self.facts.bounds.is_none_or(|bounds| bounds.sandbox),
            failed: false,
            tools: Judging::of(server, asked),
            found: Vec::new(),
            finding: Vec::new(),
        })
    }
}

// === impl Viewing ===

impl Viewing<'_> {
    /// Whether all that the answer says of tools is kept.
    ///
    /// # Errors
    /// [`Denial::Unavailable`]: what is known of them may be what is not so any more.
    pub(super) fn kept(&self) -> Result<(), Denial> {
        if self.failed { Err(Denial::Unavailable("tool store")) } else { Ok(()) }
    }

    /// What was found, once.
    pub(super) fn take_found(&mut self) -> Vec<Found> {
        std::mem::take(&mut self.found)
    }

    /// Keeps what an entry says of its tool, for the next call.
    fn learn(&mut self, tool: &str, entry: &[u8]) {
        if !self.learns {
            return;
        }
        let tag = ToolTag::of(&self.server.name, tool);
        let mut listed = Listed::read(entry);
        // One that stands twice is what it is at worst.
        if let Some(repeatable) = self.changing.get(&tag) {
            listed.read_only = false;
            listed.repeatable &= repeatable;
        }
        if !listed.read_only {
            self.changing.insert(tag, listed.repeatable);
        }
        self.failed |= !(self.world.tools.learn)(tag, listed);
    }
}

impl Viewer for Viewing<'_> {
    /// The same function that judges calls, asked of each entry of a list; of tasks, the caller's own are left.
    fn sees(&mut self, target: &Target) -> bool {
        let own = match target {
            Target::Task(id) => {
                let binding = bound(Kind::Task, self.server, id, self.principal, self.source);
                let finding = (self.world.owners.0)(&Consult { binding, question: Question::Check });
                may_be_listed(finding, self.server)
            }
            _ => true,
        };
        let known = |tool: &str| known_read_only(self.server, tool, self.world);
        let who =
            Caller { principal: self.principal, address: address_of(self.source), read_only: Some(&known) };
        own && self.server.shows(&self.rules, who, target)
    }

    fn tool(&mut self, name: &str, entry: &[u8]) -> Kept {
        self.learn(name, entry);
        let Some(tools) = &mut self.tools else { return Kept::Whole };
        let (kept, found) = tools.judge(self.server, name, entry, self.world);
        self.finding.extend(found);
        kept
    }

    fn may_be_asked(&mut self) -> bool {
        !self.sandbox
    }

    fn gates(&self) -> bool {
        !self.server.asks.is_open()
    }

    fn asked(&mut self, ask: &Ask) -> Gate {
        let gate = self.server.asks.gate(ask);
        let done = match gate {
            Gate::Pass => return gate,
            Gate::Strip => "stripped",
            Gate::Refuse => "refused",
        };
        self.finding.push(Found::ask(ask.word(), done));
        gate
    }

    fn settle(&mut self) -> Result<Settled, Denial> {
        let settled = match &mut self.tools {
            Some(tools) => tools.settle(self.server, self.world)?,
            None => Settled::Done,
        };
        let finding = std::mem::take(&mut self.finding);
        if settled == Settled::Done {
            self.found.extend(finding);
        }
        Ok(settled)
    }
}

/// Whether `server` was last seen to list this tool as one that changes nothing.
pub(super) fn known_read_only(server: &Server, tool: &str, world: &World<'_>) -> bool {
    (world.tools.recall)(ToolTag::of(&server.name, tool)).is_some_and(|listed| listed.read_only)
}

/// Whether `server` was last seen to list this tool as one that may be called twice.
pub(super) fn known_repeatable(server: &Server, tool: &str, world: &World<'_>) -> bool {
    (world.tools.recall)(ToolTag::of(&server.name, tool)).is_some_and(|listed| listed.repeatable)
}
