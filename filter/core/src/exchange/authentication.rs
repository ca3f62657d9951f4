//! Who is asking? Known at once, or after a question to the issuer: for its keys, or about a token that only it can read.

use super::step::{Control, Effect, Take};
use super::{Exchange, Phase, Waiting, World};
use crate::denial::Denial;
use crate::guard::Guard;
use crate::identity::footing::Footing;
use crate::identity::jwt::{Expected, Fault, Verified};
use crate::identity::principal::Principal;
use crate::identity::validation::Question;
use crate::limits::tag::Tag;
use crate::policy::rule::Rule;
use crate::server::Server;

// === impl Exchange ===

impl Exchange {
    /// Somebody whose token is remembered is known at once, and spends of his own bucket only; of everybody else the
    /// address spends first.
    pub(super) fn greet(
        &mut self,
        mut waiting: Box<Waiting>,
        world: &mut World<'_>,
    ) -> Result<Control, Denial> {
        if let Some(credential) = &waiting.credential {
            match world
                .memory
                .recall(self.server_index(), credential, world.now)
                .map(Option::<&Verified>::cloned)
            {
                Ok(Some(verified)) => {
                    self.effects.push(Effect::CountToken { remembered: true });
                    return self.identified(waiting, verified, world);
                }
                Ok(None) => {}
                Err(fault) => waiting.refused = Some(fault),
            }
        }
        let server = self.server(world.guard)?;
        let rate = server.limits.flood;
        let tag = Tag::source(&server.name, self.facts.source.as_deref(), rate);
        self.phase = Phase::Guarding(waiting);
        Ok(Control::Take(vec![Take { tag, rate }]))
    }

    pub(super) fn authenticate(
        &mut self,
        mut waiting: Box<Waiting>,
        world: &mut World<'_>,
    ) -> Result<Control, Denial> {
        let server = self.server(world.guard)?;
        if waiting.credential.is_none() {
            // Whether anonymous may do anything is for the rules to say; where none means them, no body is read.
            let admitted = server.rules.rules().iter().any(Rule::admits_anonymous);
            if !admitted {
                return Err(Denial::MissingCredential);
            }
            self.facts.principal = Some(Principal::Anonymous);
            waiting.principal = Some(Principal::Anonymous);
            return self.proceed(waiting, world);
        }
        if let Some(fault) = waiting.refused {
            return Err(fault.into());
        }
        // Good tokens give theirs back; a flood of made-up ones must not become work here, nor a flood at the issuer.
        let rate = world.guard.unknown_tokens;
        let take = Take { tag: Tag::validation(self.facts.source.as_deref(), rate), rate };
        waiting.took = Some(take.clone());
        self.phase = Phase::Asking(waiting);
        Ok(Control::Take(vec![take]))
    }

    /// The bucket of tokens that are not remembered has admitted one.
    pub(super) fn prove(
        &mut self,
        mut waiting: Box<Waiting>,
        world: &mut World<'_>,
    ) -> Result<Control, Denial> {
        let server = self.server(world.guard)?;
        let credential = waiting.credential.as_ref().ok_or(Denial::MissingCredential)?;
        let expected = expected(world.guard, server);
        match world.memory.verify(self.server_index(), credential, &expected, world.now) {
            Ok(verified) => self.proved(waiting, verified, world),
            Err(Fault::NeedKeys { issuer })
                if !waiting.keys_asked && world.memory.keys.may_fetch(issuer, world.now) =>
            {
                waiting.keys_asked = true;
                self.effects.push(Effect::FetchKeys(issuer));
                self.phase = Phase::Waiting(waiting);
                Ok(Control::Hold)
            }
            Err(Fault::NeedValidation { issuer }) => {
                let question = Question::new(issuer, credential.clone(), server.resource.clone());
                self.effects.push(Effect::Validate(question));
                waiting.issuer_asked = true;
                self.phase = Phase::Waiting(waiting);
                Ok(Control::Hold)
            }
            Err(fault) => Err(fault.into()),
        }
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
        let verified =
            world.memory.validated(self.server_index(), credential, &expected, answer, world.now)?;
        self.proved(waiting, verified, world)
    }

    fn proved(
        &mut self,
        mut waiting: Box<Waiting>,
        verified: Verified,
        world: &mut World<'_>,
    ) -> Result<Control, Denial> {
        self.effects.extend(waiting.took.take().map(Effect::GiveBack));
        self.effects.push(Effect::CountToken { remembered: false });
        self.identified(waiting, verified, world)
    }

    /// Somebody known pays for each request, allowed or not; who is not has paid by his address.
    fn identified(
        &mut self,
        mut waiting: Box<Waiting>,
        verified: Verified,
        world: &mut World<'_>,
    ) -> Result<Control, Denial> {
        let server = self.server(world.guard)?;
        let rate = server.limits.flood;
        self.facts.footing = Footing::of(&verified, waiting.credential.take(), &server.resource);
        let principal = Principal::Authenticated(verified.identity);
        let tag = Tag::caller(&server.name, &principal, None, rate);
        self.facts.principal = Some(principal.clone());
        waiting.principal = Some(principal);
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
