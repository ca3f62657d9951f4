//! Who is asking? Known at once, or after a question to the issuer: for its keys, or about a token that only it can read.

use std::time::Duration;

use super::step::{Control, Effect, Take};
use super::{Exchange, Phase, Waiting, World};
use crate::denial::Denial;
use crate::guard::Guard;
use crate::identity::jwt::{Expected, Fault};
use crate::identity::memory::Known;
use crate::identity::principal::Principal;
use crate::identity::validation::Question;
use crate::limits::rate::Rate;
use crate::limits::tag::Tag;
use crate::policy::rule::Rule;
use crate::server::Server;

/// Questions to issuers on behalf of one address. Good tokens are remembered and need few; a flood of made-up ones must
/// not become a flood at the issuer.
const QUESTIONS: Rate = Rate { burst: 50, tokens: 10, per: Duration::from_secs(1) };

// === impl Exchange ===

impl Exchange {
    pub(super) fn authenticate(
        &mut self,
        mut waiting: Box<Waiting>,
        world: &mut World<'_>,
    ) -> Result<Control, Denial> {
        let server = self.server(world.guard)?;
        let Some(credential) = &waiting.credential else {
            // Whether anonymous may do anything is for the rules to say; where none means them, no body is read.
            let admitted = server.rules.rules().iter().any(Rule::admits_anonymous);
            return if admitted {
                self.identified(waiting, Principal::Anonymous, world)
            } else {
                Err(Denial::MissingCredential)
            };
        };
        let expected = expected(world.guard, server);
        match world.memory.identify(self.server_index(), credential, &expected, world.now) {
            Ok((identity, known)) => {
                self.effects.push(Effect::CountToken { remembered: known == Known::Remembered });
                self.identified(waiting, Principal::Authenticated(Box::new(identity)), world)
            }
            Err(Fault::NeedKeys { issuer })
                if !waiting.keys_asked && world.memory.keys.may_fetch(issuer, world.now) =>
            {
                waiting.keys_asked = true;
                self.effects.push(Effect::FetchKeys(issuer));
                self.phase = Phase::Waiting(waiting);
                Ok(Control::Hold)
            }
            Err(Fault::NeedValidation { issuer }) => {
                let tag = Tag::validation(waiting.head.source.as_deref(), QUESTIONS);
                self.phase = Phase::Asking(waiting, issuer);
                Ok(Control::Take(vec![Take { tag, rate: QUESTIONS }]))
            }
            Err(fault) => Err(fault.into()),
        }
    }

    /// The bucket of questions has admitted one.
    pub(super) fn ask_issuer(
        &mut self,
        mut waiting: Box<Waiting>,
        issuer: usize,
        world: &World<'_>,
    ) -> Result<Control, Denial> {
        let resource = self.server(world.guard)?.resource.clone();
        let credential = waiting.credential.clone().ok_or(Denial::MissingCredential)?;
        self.effects.push(Effect::Validate(Question::new(issuer, credential, resource)));
        waiting.issuer_asked = true;
        self.phase = Phase::Waiting(waiting);
        Ok(Control::Hold)
    }

    pub(super) fn answered_by_issuer(
        &mut self,
        mut waiting: Box<Waiting>,
        answer: Option<&[u8]>,
        world: &mut World<'_>,
    ) -> Result<Control, Denial> {
        waiting.issuer_asked = false;
        let server = self.server(world.guard)?;
        let credential = waiting.credential.as_ref().ok_or(Denial::MissingCredential)?;
        let expected = expected(world.guard, server);
        let identity =
            world.memory.validated(self.server_index(), credential, &expected, answer, world.now)?;
        self.effects.push(Effect::CountToken { remembered: false });
        self.identified(waiting, Principal::Authenticated(Box::new(identity)), world)
    }

    fn identified(
        &mut self,
        mut waiting: Box<Waiting>,
        principal: Principal,
        world: &mut World<'_>,
    ) -> Result<Control, Denial> {
        let server = self.server(world.guard)?;
        let rate = server.limits.flood;
        // Somebody without a name has paid by his address already.
        let known = principal.identity().is_some();
        let tag = Tag::caller(&server.name, &principal, waiting.head.source.as_deref(), rate);
        self.facts.principal = Some(principal.clone());
        waiting.principal = Some(principal);
        if !known {
            return self.proceed(waiting, world);
        }
        self.phase = Phase::Pacing(waiting);
        Ok(Control::Take(vec![Take { tag, rate }]))
    }

    fn server_index(&self) -> usize {
        self.facts.server.unwrap_or(usize::MAX)
    }
}

fn expected<'a>(guard: &'a Guard, server: &'a Server) -> Expected<'a> {
    Expected { issuers: &guard.issuers, accepted: &server.issuers, audience: &server.resource }
}
