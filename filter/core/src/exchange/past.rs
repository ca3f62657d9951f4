//! What did this caller do before, and what of this request will count later?

use super::Exchange;
use super::step::Recall;
use crate::denial::Denial;
use crate::history::rule::{Actor, HistoryRule, Slots};
use crate::history::table::Outcome;
use crate::identity::principal::Principal;
use crate::mcp::operation::Operation;
use crate::policy::rule::RuleId;
use crate::salt::Salt;
use crate::server::Server;

/// The store of all workers cannot be read or written.
const NO_STORE: Denial = Denial::Unavailable("history store");

/// What is asked of the past, and by which rules: one for each question, with the words of its refusal.
#[derive(Clone, Debug)]
pub(super) struct Past {
    pub(super) recall: Recall,
    by: Vec<(RuleId, &'static str)>,
}

// === impl Exchange ===

impl Exchange {
    /// What the past is asked before `operation` goes on; `None` where no rule cares. What is to be kept once it was answered
    /// well is kept in mind.
    ///
    /// # Errors
    /// `Unavailable`: the store of all workers, in which the past lies, cannot be read.
    pub(super) fn past(
        &mut self,
        server: &Server,
        who: &Principal,
        operation: &Operation,
        salt: Option<Salt>,
    ) -> Result<Option<Past>, Denial> {
        if server.history.is_empty() {
            return Ok(None);
        }
        let salt = salt.ok_or(NO_STORE)?;
        let actor = Actor {
            server: &server.name,
            session: self.facts.session.as_deref(),
            who,
            source: self.facts.source.as_deref(),
        };
        let slots = Slots::of(&actor);
        // What gets no answer is never answered well, whatever its status; what taints or is counted does so all the same.
        let answered = server.history.iter().filter(|_| !self.facts.unanswered);
        let later: Vec<_> = answered.filter_map(|rule| rule.after(operation, &actor)).collect();
        let (mut asks, mut by) = (Vec::new(), Vec::new());
        for rule in &server.history {
            let asked = rule.before(operation, &actor, salt);
            by.extend(asked.iter().map(|_| (rule.id.clone(), HistoryRule::refusal(rule))));
            asks.extend(asked);
        }
        self.facts.later = (!later.is_empty()).then_some(Recall { slots, asks: later });
        Ok((!asks.is_empty()).then_some(Past { recall: Recall { slots, asks }, by }))
    }

    /// What the past said; `None` where it could not be asked.
    pub(super) fn past_admits(&mut self, past: &Past, outcome: Option<Outcome>) -> Result<(), Denial> {
        match outcome {
            Some(Outcome::Admitted) => Ok(()),
            Some(Outcome::Refused(at)) => {
                let (rule, why) = past.by.get(at).cloned().ok_or(Denial::Internal("no such question"))?;
                self.facts.rule = Some(rule);
                Err(Denial::HistoryRefused(why))
            }
            Some(Outcome::Full) => Err(Denial::Unavailable("room for what was done before")),
            Some(Outcome::Corrupt) => Err(Denial::Internal("history store")),
            None => Err(NO_STORE),
        }
    }
}
