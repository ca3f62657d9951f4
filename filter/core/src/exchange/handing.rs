//! What does an answer hand out? Sessions and tasks belong to the principal to whom they go, before he hears of them.

use super::admission::stream_admits;
use super::response::{Answering, media_type};
use super::step::{Consult, Control, Effect};
use super::{Exchange, Phase, World};
use crate::bindings::owner::Kind;
use crate::bindings::table::{Finding, Question};
use crate::denial::Denial;
use crate::head::ResponseHead;
use crate::identity::upstream_credential::UpstreamCredential;
use crate::limits::streams;
use crate::mcp::operation::Operation;
use crate::mcp::session;
use crate::server::{Server, Unknown};

/// An answer whose head waits: it hands out a session, until that is bound, or it is a stream that nobody has counted.
#[derive(Debug)]
pub(super) struct Handing {
    answering: Box<Answering>,
    head: ResponseHead,
    end: bool,
}

// === impl Exchange ===

impl Exchange {
    /// The head of an answer. Clients adopt a session id from any answer, errors included; only one that `initialize` made,
    /// which is bound before they see it, or the one that the request named, may reach them.
    pub(super) fn answer_begins(
        &mut self,
        answering: Box<Answering>,
        head: ResponseHead,
        end: bool,
        world: &World<'_>,
    ) -> Result<Control, Denial> {
        self.in_time(&head)?;
        self.facts.dispatched.ended(end);
        let server = self.server(world.guard)?;
        // What Envoy says that has no secret to put in. A 401 would send the client to log in.
        let injected = matches!(server.credential, Some(UpstreamCredential::Static(_)));
        if injected && head.by_host && head.status == 401 {
            return Err(Denial::Unavailable("the server's credential"));
        }
        if (300..400).contains(&head.status) && head.status != 304 && !head.by_host {
            // Clients that follow it send the same request there, and read an answer that no rule has seen.
            return Err(Denial::UnsafeResponse("a redirect"));
        }
        let good = (200..300).contains(&head.status);
        let method = self.facts.operation.as_ref().map_or("", |operation| operation.method.as_str());
        let given = session::id_of(&head.headers).ok().flatten();
        let own = self.facts.session.as_deref();
        if let (true, "initialize", Some(id)) = (good && !self.modern(), method, given)
            && own != Some(id)
        {
            let consult =
                Consult { binding: self.binding(Kind::Session, id, server)?, question: Question::Claim };
            self.phase = Phase::Binding(Box::new(Handing { answering, head, end }));
            return Ok(Control::Consult(consult));
        }
        if head.headers.has(session::HEADER) && (given.is_none() || given != own) {
            self.effects.push(Effect::RemoveResponseHeader(session::HEADER));
        }
        if let Some(later) = self.facts.later.take().filter(|_| good) {
            self.effects.push(Effect::Remember(later));
        }
        if let (true, Operation::END_SESSION, Some(id)) = (good, method, own) {
            self.effects.push(Effect::Forget(self.binding(Kind::Session, id, server)?));
        }
        let brief = self.facts.operation.as_ref().is_some_and(Operation::is_brief);
        if brief && !end && is_event_stream(&head) {
            let who = self.facts.principal.as_ref();
            let who = who.ok_or(Denial::Internal("a stream without a principal"))?;
            let counted = self.stream(server, who)?;
            self.phase = Phase::Binding(Box::new(Handing { answering, head, end }));
            return Ok(Control::CountStream(counted));
        }
        self.answer_head(answering, &head, end, world.held, world.guard)
    }

    /// What became of the session that the answer hands out.
    pub(super) fn handed_out(
        &mut self,
        handing: Handing,
        finding: Option<Finding>,
        world: &World<'_>,
    ) -> Result<Control, Denial> {
        let Handing { answering, head, end } = handing;
        match finding {
            Some(Finding::Own) => self.answer_head(answering, &head, end, world.held, world.guard),
            // Ids are unique (2025-11-25, basic/transports, "Session Management"); this one would open another's session.
            Some(Finding::Foreign) => Err(Denial::UnsafeResponse("the session of another principal")),
            Some(Finding::Unknown | Finding::Corrupt) => Err(Denial::Internal("session store")),
            None => Err(Denial::Unavailable("session store")),
        }
    }

    /// What became of the stream that answers what was thought to be brief.
    pub(super) fn stream_counted(
        &mut self,
        handing: Handing,
        outcome: Option<streams::Outcome>,
        world: &World<'_>,
    ) -> Result<Control, Denial> {
        let Handing { answering, head, end } = handing;
        let most = self.facts.bounds.map_or(0, |bounds| bounds.streams);
        stream_admits(outcome, most)?;
        self.answer_head(answering, &head, end, world.held, world.guard)
    }

    /// Tasks belong to the principal to whom they are handed out, before he hears of them.
    pub(super) fn hand_out_tasks(&self, created: &[String], world: &World<'_>) -> Result<(), Denial> {
        for id in created {
            let binding = self.binding(Kind::Task, id, self.server(world.guard)?)?;
            match (world.owners.0)(&Consult { binding, question: Question::Claim }) {
                Some(Finding::Own) => {}
                Some(Finding::Foreign) => {
                    return Err(Denial::UnsafeResponse("the task of another principal"));
                }
                Some(Finding::Unknown | Finding::Corrupt) => return Err(Denial::Internal("task store")),
                None => return Err(Denial::Unavailable("task store")),
            }
        }
        Ok(())
    }
}

/// Whether an answer may stay open for long. One of another type ends, or is too large some time.
fn is_event_stream(head: &ResponseHead) -> bool {
    media_type(head.headers.one("content-type").ok().flatten()) == "text/event-stream"
}

/// What nobody is known to own is shown where it would be adopted.
pub(super) fn may_be_listed(finding: Option<Finding>, server: &Server) -> bool {
    match finding {
        Some(Finding::Own) => true,
        Some(Finding::Unknown) => server.unknown == Unknown::Adopt,
        _ => false,
    }
}
