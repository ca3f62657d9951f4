//! What does the server get to know by whom it is asked, in place of the client's token? Put in at last, when everything else allows
//! the request: remembered, or given by the authorization server. Without it nothing goes on.

use super::admission::Ask;
use super::step::Effect;
use super::{Exchange, World};
use crate::denial::Denial;
use crate::guard::Guard;
use crate::identity::credential::Credential;
use crate::identity::principal::Principal;
use crate::identity::upstream_credential::{HeaderValue, Source, UpstreamCredential};
use crate::server::Server;

/// The token for which something is given. It is kept from where it was accepted to where the request is admitted.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) credential: Credential,
    /// The index of its issuer.
    pub(super) issuer: usize,
}

// === impl Exchange ===

impl Exchange {
    /// Whether a field of the request would stand where its server looks for its own credential.
    pub fn is_feigned(&self, name: &str, guard: &Guard) -> bool {
        self.server(guard).is_ok_and(|server| server.is_feigned_by(name))
    }

    /// What is still to be asked for where the server gets something for the token.
    ///
    /// # Errors
    /// There is no token.
    pub(super) fn credential_to_ask(&mut self, server: &Server) -> Result<Option<Ask>, Denial> {
        let subject = self.facts.subject.take();
        match &server.credential {
            Some(UpstreamCredential::Given(_)) => match subject {
                Some(subject) => Ok(Some(Ask::Credential(subject))),
                None => Err(Denial::Internal("nobody of whom the server could be told")),
            },
            Some(UpstreamCredential::Static(_)) | None => Ok(None),
        }
    }

    /// Puts in what is remembered, or asks for it; whether it was asked.
    pub(super) fn ask_credential(&mut self, subject: &Subject, world: &World<'_>) -> Result<bool, Denial> {
        let server = self.server(world.guard)?;
        let (source, at) = (source(server)?, self.server_index());
        if let Some(value) = world.memory.given(at, &subject.credential, world.now) {
            self.put_in(source, value.clone());
            return Ok(false);
        }
        let question = source.question(at, &subject.credential, &server.resource);
        self.effects.push(Effect::GiveCredential(question));
        Ok(true)
    }

    /// What came of the question.
    ///
    /// # Errors
    /// As [`Source::read`].
    pub(super) fn credential_given(
        &mut self,
        subject: &Subject,
        answer: Option<&[u8]>,
        world: &mut World<'_>,
    ) -> Result<(), Denial> {
        let server = self.server(world.guard)?;
        let source = source(server)?;
        let given = source.read(answer, world.now).map_err(|denial| self.in_full(denial, server))?;
        self.put_in(source, given.value.clone());
        if let Some(Principal::Authenticated(identity)) = &self.facts.principal {
            let whose = (subject.issuer, identity.clone());
            world.memory.keep_given(self.server_index(), &subject.credential, given, whose, world.now);
        }
        Ok(())
    }

    /// A challenge names what the token has as well, as far as it matters here: else the next one would not have it.
    fn in_full(&self, denial: Denial, server: &Server) -> Denial {
        let granted =
            self.facts.principal.as_ref().and_then(Principal::identity).map(|identity| &identity.scopes);
        match denial {
            Denial::UpstreamScope(needed) => {
                Denial::UpstreamScope(server.rules.step_up(granted.map_or(&[], Vec::as_slice), &needed))
            }
            other => other,
        }
    }

    fn put_in(&mut self, source: &Source, value: HeaderValue) {
        self.effects.push(Effect::SetRequestHeader { name: source.header.clone(), value });
    }
}

fn source(server: &Server) -> Result<&Source, Denial> {
    match &server.credential {
        Some(UpstreamCredential::Given(source)) => Ok(source),
        Some(UpstreamCredential::Static(_)) | None => {
            Err(Denial::Internal("a question about a credential that the server does not get"))
        }
    }
}

/// What the server gets to see in place of the token, in a word for records.
pub(super) fn shown_to(server: &Server) -> Option<&'static str> {
    server.credential.as_ref().map(UpstreamCredential::word)
}
