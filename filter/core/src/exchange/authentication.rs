//! Who is asking? Known at once, or after a question to the issuer: for its keys, or about a token that only it can read. Of a
//! token that is bound to a key, whether its holder shows it.

use std::sync::Arc;

use super::step::{Control, Effect, Take};
use super::upstream_credential::Subject;
use super::{Exchange, Phase, Waiting, World};
use crate::denial::Denial;
use crate::guard::Guard;
use crate::identity::certificate::ClientCertificates;
use crate::identity::dpop::{self, BoundTokens};
use crate::identity::footing::Footing;
use crate::identity::jwt::{Expected, Fault, Verified};
use crate::identity::principal::Principal;
use crate::identity::upstream_credential::UpstreamCredential;
use crate::identity::validation::Question;
use crate::limits::tag::Tag;
use crate::limits::used_proofs::{Outcome, Use};
use crate::server::Server;

// === impl Exchange ===

impl Exchange {
    /// Somebody whose token is remembered, or whose certificate says who he is, is known at once, and spends of his own bucket
    /// only; of everybody else the address spends first.
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
                    waiting.remembered = true;
                    return self.identified(waiting, verified, world);
                }
                Ok(None) => {}
                Err(fault) => waiting.refused = Some(fault),
            }
        }
        let server = self.server(world.guard)?;
        let rate = server.limits.flood;
        if let Some(principal) = certified(&waiting, server) {
            let take = Take::here(Tag::caller(&server.name, &principal, None, rate), rate);
            self.facts.principal = Some(principal);
            waiting.paced.push("flood of a principal");
            self.phase = Phase::Pacing(waiting);
            return Ok(Control::Take(vec![take]));
        }
        let tag = Tag::source(&server.name, self.facts.source.as_deref(), rate);
        self.phase = Phase::Guarding(waiting);
        Ok(Control::Take(vec![Take::here(tag, rate)]))
    }

    pub(super) fn authenticate(
        &mut self,
        mut waiting: Box<Waiting>,
        world: &mut World<'_>,
    ) -> Result<Control, Denial> {
        let server = self.server(world.guard)?;
        if waiting.credential.is_none() {
            // Whether anonymous may do anything is for the rules to say; where none means them, no body is read.
            let admitted = server.rules.admits_anonymous();
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
        let take = self.unknown_token(world.guard);
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
        if is_plain(&waiting, &verified) {
            self.effects.extend(waiting.took.take().map(Effect::GiveBack));
        }
        self.identified(waiting, verified, world)
    }

    /// Somebody known pays for each request, allowed or not; who is not has paid by his address. Where a key must be shown
    /// the address pays, too, until it was: whoever has stolen a token must neither make us check signatures without end nor
    /// empty its owner's bucket.
    fn identified(
        &mut self,
        mut waiting: Box<Waiting>,
        mut verified: Verified,
        world: &mut World<'_>,
    ) -> Result<Control, Denial> {
        let server = self.server(world.guard)?;
        let rate = server.limits.flood;
        if let Some(certificate) = waiting.certificate.take().filter(|_| looks_at_certificates(server)) {
            Arc::make_mut(&mut verified.identity).certificate = Some(certificate);
        }
        let mut takes = Vec::new();
        let principal = Principal::Authenticated(Arc::clone(&verified.identity));
        if is_plain(&waiting, &verified) {
            self.facts.principal = Some(principal.clone());
        } else if waiting.took.is_none() {
            let take = self.unknown_token(world.guard);
            waiting.paced.push("unknown tokens of a source");
            waiting.took = Some(take.clone());
            takes.push(take);
        }
        waiting.paced.push("flood of a principal");
        takes.push(Take::here(Tag::caller(&server.name, &principal, None, rate), rate));
        waiting.verified = Some(verified);
        self.phase = Phase::Pacing(waiting);
        Ok(Control::Take(takes))
    }

    /// The buckets have admitted it. A certificate was checked by the host; does who shows a token hold its key (RFC 9449 section 7)?
    pub(super) fn paced(
        &mut self,
        mut waiting: Box<Waiting>,
        world: &mut World<'_>,
    ) -> Result<Control, Denial> {
        let server = self.server(world.guard)?;
        if let (None, Some(principal @ Principal::Certified(_))) =
            (&waiting.credential, &self.facts.principal)
        {
            waiting.principal = Some(principal.clone());
            return self.proceed(waiting, world);
        }
        let bound_tokens = server.dpop.tokens;
        let verified = waiting.verified.as_ref().ok_or(Denial::Internal("a pace without a token"))?;
        match (verified.identity.key, waiting.proof.take()) {
            (None, None) if bound_tokens == BoundTokens::Required => {
                Err(Denial::InvalidCredential("a token that is bound to no key"))
            }
            (None, None) => self.accepted(waiting, world),
            (_, Some(_)) if bound_tokens == BoundTokens::Refused => {
                Err(Denial::InvalidCredential("bound tokens are not accepted here"))
            }
            (None, Some(_)) => Err(Denial::InvalidCredential("a bearer token presented with a proof")),
            (Some(_), None) => {
                self.facts.with_proof = true;
                Err(Denial::InvalidCredential("a bound token presented as bearer"))
            }
            (Some(key), Some(proof)) => {
                let credential = waiting.credential.as_ref().ok_or(Denial::MissingCredential)?;
                let expected = dpop::Expected {
                    method: self.facts.verb(),
                    is_target: &|uri| server.dpop.is_target(uri),
                    token: credential.token(),
                    key,
                    max_age: server.dpop.max_age,
                };
                let shown = proof.verify(&expected, &world.memory.host, world.now);
                let used = Use::from(&shown.map_err(Denial::InvalidProof)?);
                self.phase = Phase::Proving(waiting);
                Ok(Control::UseProof(used))
            }
        }
    }

    /// What the memory of used proofs says; `None` where it cannot be asked.
    pub(super) fn proof_used(
        &mut self,
        mut waiting: Box<Waiting>,
        outcome: Option<Outcome>,
        world: &mut World<'_>,
    ) -> Result<Control, Denial> {
        outcome.ok_or(Denial::Unavailable("proof store"))?.admitted()?;
        if let Some(took) = waiting.took.take() {
            self.effects.push(Effect::GiveBack(took));
        }
        self.accepted(waiting, world)
    }

    fn accepted(&mut self, mut waiting: Box<Waiting>, world: &mut World<'_>) -> Result<Control, Denial> {
        let server = self.server(world.guard)?;
        let verified = waiting.verified.take().ok_or(Denial::Internal("nobody to accept"))?;
        self.effects.push(Effect::CountToken { remembered: waiting.remembered });
        let for_token = matches!(server.credential, Some(UpstreamCredential::Given(_)));
        let kept = waiting.credential.as_ref().filter(|_| for_token).cloned();
        self.facts.subject = kept.map(|credential| Subject { credential, issuer: verified.issuer });
        self.facts.footing = Footing::of(&verified, waiting.credential.take(), &server.resource);
        let principal = Principal::Authenticated(verified.identity);
        self.facts.principal = Some(principal.clone());
        waiting.principal = Some(principal);
        self.proceed(waiting, world)
    }

    /// On whose behalf others are asked now: the principal's, or the address's while he is not known.
    pub fn asker(&self) -> Tag {
        Tag::asker(self.facts.principal.as_ref(), self.facts.source.as_deref())
    }

    /// One token of the bucket of an address for what is not known to be good.
    fn unknown_token(&self, guard: &Guard) -> Take {
        let rate = guard.unknown_tokens;
        Take::here(Tag::validation(self.facts.source.as_deref(), rate), rate)
    }

    pub(super) fn server_index(&self) -> usize {
        self.facts.server.unwrap_or(usize::MAX)
    }
}

const fn looks_at_certificates(server: &Server) -> bool {
    !matches!(server.certificates, ClientCertificates::Ignored)
}

/// Who asks, where he shows no token and his certificate stands for one. A token that is bad is not made up for by it.
fn certified(waiting: &Waiting, server: &Server) -> Option<Principal> {
    let alone = server.certificates == ClientCertificates::Alone && waiting.credential.is_none();
    let certificate = waiting.certificate.as_ref().filter(|_| alone)?;
    Some(Principal::Certified(Arc::new(certificate.clone())))
}

/// Whether it is a bearer token and shown as one: then nothing more is to be checked.
fn is_plain(waiting: &Waiting, verified: &Verified) -> bool {
    waiting.proof.is_none() && verified.identity.key.is_none()
}

fn expected<'a>(guard: &'a Guard, server: &'a Server) -> Expected<'a> {
    Expected { issuers: &guard.issuers, accepted: &server.issuers, audience: &server.resource }
}
