//! What does the policy say that lies elsewhere? Asked when nothing here stands against a call, and before anything is spent.

use std::collections::VecDeque;

use super::admission::{Admission, Ask};
use super::step::Effect;
use super::waiting::Waiting;
use super::{Exchange, World};
use crate::denial::Denial;
use crate::identity::principal::Principal;
use crate::mcp::operation::Operation;
use crate::policy::rego::narrow;
use crate::policy::rego::opa::{self, Circumstances, Question};
use crate::policy::rego::ruling::Ruling;
use crate::server::Server;

// === impl Exchange ===

impl Exchange {
    /// What to ask the server's policy that lies elsewhere; nothing where there is none.
    ///
    /// # Errors
    /// As [`narrow::narrow`], where it cannot be asked.
    pub(super) fn questions(
        &mut self,
        server: &Server,
        (who, operation): (&Principal, &Operation),
        waiting: &Waiting,
        world: &World<'_>,
    ) -> Result<VecDeque<Question>, Denial> {
        let Some(opa) = &server.opa else { return Ok(VecDeque::new()) };
        let around = Circumstances {
            arguments: waiting.arguments.as_deref(),
            headers: waiting.read_headers.as_deref(),
            source: self.facts.source.as_deref(),
            now: world.now,
        };
        match opa.questions(who, operation, &around) {
            Ok(questions) => Ok(questions.into()),
            Err(ruling) => self.ruled(server, *ruling).map(|()| VecDeque::new()),
        }
    }

    /// Asks the first of `questions` that is not remembered; whether one was asked.
    ///
    /// # Errors
    /// As [`narrow::narrow`].
    pub(super) fn ask_policy(
        &mut self,
        questions: &mut VecDeque<Question>,
        world: &World<'_>,
    ) -> Result<bool, Denial> {
        let server = self.server(world.guard)?;
        let opa = server.opa.as_ref().ok_or(Denial::Internal("a question to nobody"))?;
        while let Some(question) = questions.front() {
            let Some(ruling) = opa.recall(question, world.now) else {
                let server = self.facts.server.ok_or(Denial::Internal("no server"))?;
                self.effects.push(Effect::AskPolicy { server, question: question.clone() });
                return Ok(true);
            };
            questions.pop_front();
            self.ruled(server, ruling)?;
        }
        Ok(false)
    }

    /// What it answered to the first of `questions`; the others are still to be asked.
    ///
    /// # Errors
    /// As [`narrow::narrow`].
    pub(super) fn policy_answered(
        &mut self,
        admission: &mut Admission,
        mut questions: VecDeque<Question>,
        answer: Option<&[u8]>,
        world: &World<'_>,
    ) -> Result<(), Denial> {
        let server = self.server(world.guard)?;
        let opa = server.opa.as_ref().ok_or(Denial::Internal("an answer from nobody"))?;
        let who = self.facts.principal.as_ref().ok_or(Denial::Internal("a question without a principal"))?;
        let question = questions.pop_front().ok_or(Denial::Internal("an answer to nothing"))?;
        let ruling = opa.read(&question, answer, who, world.now);
        self.ruled(server, ruling)?;
        if !questions.is_empty() {
            admission.put_first(Ask::Policy(questions));
        }
        Ok(())
    }

    /// Writes down what it said, and whether the call may go on by it.
    fn ruled(&mut self, server: &Server, ruling: Ruling) -> Result<(), Denial> {
        let who = self.facts.principal.as_ref().ok_or(Denial::Internal("a policy without a principal"))?;
        let operation = self.facts.operation.as_ref().ok_or(Denial::Internal("a policy about nothing"))?;
        let admitted = narrow::admitted(&ruling, &server.rules, who, operation);
        let ruling = match self.facts.remote_ruling.take() {
            Some(earlier) => ruling.after(earlier),
            None => ruling,
        };
        self.facts.remote_ruling = Some(ruling);
        admitted.inspect_err(|_| self.facts.rule = Some(opa::rule()))
    }
}
