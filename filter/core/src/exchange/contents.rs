//! Which content rules count for this exchange, and what did they find? Of requests what was found stops them or is only
//! written down, because the bytes that are authorized are the bytes that are forwarded.

use super::record::Facts;
use super::step::Effect;
use super::{Exchange, World};
use crate::audit::Content;
use crate::denial::Denial;
use crate::identity::network::address_of;
use crate::identity::principal::Principal;
use crate::mcp::operation::Operation;
use crate::policy::caller::Caller;
use crate::sanitize::content::{Asked, Plan, Refused, Report, apply};
use crate::server::Server;

/// What one rule found in a request, before it is known whether it is about this principal.
#[derive(Debug)]
pub(super) struct Read {
    /// The rule's number on its server.
    rule: usize,
    report: Report,
    refused: Option<String>,
}

// === impl Exchange ===

impl Exchange {
    /// Reads a request body by each rule about requests: it is here only now, its sender may be known later.
    pub(super) fn read_contents(&mut self, server: &Server, body: &[u8]) {
        for (rule, _) in server.content.0.iter().enumerate().filter(|(_, rule)| rule.requests) {
            let Some(plan) = Plan::of_rule(&server.content, rule) else { continue };
            let mut report = Report::default();
            let refused = apply(body, &plan, &mut report).err().map(|refused| plan.detail(refused));
            if refused.is_some() || !report.is_empty() {
                self.facts.contents_read.push(Read { rule, report, refused });
            }
        }
    }

    /// Whether what was read may go on.
    ///
    /// # Errors
    /// `ContentRefused`: a rule that is about this principal and operation blocks it.
    pub(super) fn judge_contents(
        &mut self,
        server: &Server,
        principal: &Principal,
        operation: &Operation,
    ) -> Result<(), Denial> {
        // A request is nobody else's, in sessions too; where newer revisions have what, nobody knows yet.
        let asked = Asked { may_be_anothers: self.facts.newer.is_some(), ..asked_about(operation) };
        let who = self.caller(principal);
        for read in std::mem::take(&mut self.facts.contents_read) {
            let rule = server.content.0.get(read.rule).ok_or(Denial::Internal("a content rule"))?;
            if !rule.applies.mean(who, asked) {
                continue;
            }
            self.contents_found(read.report);
            if let Some(detail) = read.refused {
                return Err(Denial::ContentRefused(detail));
            }
        }
        Ok(())
    }

    /// The rules about the answer that is to come.
    ///
    /// # Errors
    /// `Unavailable`: marks of values need what the store of all workers holds, and it cannot be read.
    pub(super) fn answer_plan(
        &self,
        server: &Server,
        world: &World<'_>,
    ) -> Result<Option<Box<Plan>>, Denial> {
        if server.content.0.is_empty() {
            return Ok(None);
        }
        let principal =
            self.facts.principal.as_ref().ok_or(Denial::Internal("an answer without a principal"))?;
        let operation = self.facts.operation.as_ref().ok_or(Denial::Internal("an answer to nothing"))?;
        let obliged = self.obliged(|ruling| &ruling.redact);
        // In a session one answer may come in the place of another ([`super::response`]), even of one that a policy has obliged
        // to more; and nobody knows yet where newer revisions have what.
        let asked = Asked {
            may_be_anothers: !self.modern() && self.facts.session.is_some() || self.facts.newer.is_some(),
            may_be_obliged: server.rego.is_some() || server.opa.is_some(),
            obliged: &obliged,
            ..asked_about(operation)
        };
        let plan = Plan::of_answers(&server.content, self.caller(principal), asked);
        let salted = plan.map(|plan| match (plan.needs_salt(), world.salt) {
            (true, Some(salt)) => Ok(plan.salted(salt)),
            (true, None) => Err(Denial::Unavailable("the salt of marks")),
            (false, _) => Ok(plan),
        });
        salted.map(|plan| plan.map(Box::new)).transpose()
    }

    /// Writes down and counts what was found.
    pub(super) fn contents_found(&mut self, report: Report) {
        for (row, count) in report.rows() {
            let (found, action) = (row.found.name(), row.action.name());
            self.effects.push(Effect::CountContent { found, action, count });
        }
        self.facts.contents.merge(report);
    }

    /// Who asks, and from where: rules about contents ask for both.
    fn caller<'a>(&self, principal: &'a Principal) -> Caller<'a> {
        Caller { address: address_of(self.facts.source.as_deref()), ..Caller::from(principal) }
    }
}

/// A request that is answered by itself, and obliged to nothing.
fn asked_about(operation: &Operation) -> Asked<'_> {
    Asked { operation, may_be_anothers: false, may_be_obliged: false, obliged: &[] }
}

/// Applies `plan` to a JSON answer of which lists are filtered: what is left of it, and what was found.
pub(super) fn applied(
    plan: Option<&Plan>,
    body: &[u8],
    as_text: bool,
    report: &mut Report,
) -> Result<Option<Vec<u8>>, Denial> {
    let Some(plan) = plan else { return Ok(None) };
    let applied = if as_text {
        crate::sanitize::content::apply_to_text(body, plan, report)
    } else {
        apply(body, plan, report)
    };
    applied.map_err(|refused| match refused {
        Refused::Unreadable(what) => Denial::UnsafeResponse(what),
        Refused::Blocked(..) => Denial::UnsafeContent(plan.detail(refused)),
    })
}

// === impl Facts ===

impl Facts {
    /// What content rules found, as records name it.
    pub(super) fn found<'a>(&self, server: Option<&'a Server>) -> Vec<Content<'a>> {
        let id = |at: usize| server.and_then(|s| s.content.0.get(at)).map_or("", |rule| rule.id.as_str());
        let rows = self.contents.rows();
        rows.map(|(row, count)| Content {
            rule: id(row.rule),
            found: row.found.name(),
            action: row.action.name(),
            count,
        })
        .collect()
    }
}
