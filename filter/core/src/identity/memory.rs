//! What does this VM remember of issuers and tokens? Keys and verified tokens, always changed together.

use std::sync::Arc;

use serde_json::Value;

use super::credential::Credential;
use super::given_credentials::GivenCredentials;
use super::host_signature::HostSignatures;
use super::issuer::Issuer;
use super::jwks::KeySet;
use super::jwt::{self, Expected, Fault, Verified};
use super::key_ring::KeyRing;
use super::principal::Identity;
use super::refused_tokens::RefusedTokens;
use super::revocations::{self, Revocations, Standing};
use super::token_cache::{Digested, TokenCache};
use super::upstream_credential::{Given, HeaderValue};
use super::validation;
use crate::time::Timestamp;

/// Verified tokens, and refused ones, that one VM remembers; an entry takes under 1 KiB as a rule and 8 KiB at most.
const TOKENS: usize = 4096;

/// That of a token which its issuer's feed names.
const WITHDRAWN: Fault = Fault::Invalid("withdrawn by its issuer");

/// The memory of one VM under one configuration.
#[derive(Debug)]
pub struct Memory {
    /// The keys of every issuer.
    pub keys: KeyRing,
    /// What the host checks for us; nothing unless it is set.
    pub host: HostSignatures,
    /// What issuers have withdrawn.
    pub revocations: Revocations,
    tokens: TokenCache,
    refused: RefusedTokens,
    given: GivenCredentials,
}

// === impl Memory ===

impl Memory {
    /// An empty one for these issuers.
    pub fn new(issuers: &[Issuer]) -> Self {
        Self {
            keys: KeyRing::new(issuers),
            host: HostSignatures::NONE,
            revocations: Revocations::new(issuers),
            tokens: TokenCache::new(TOKENS),
            refused: RefusedTokens::new(TOKENS),
            given: GivenCredentials::default(),
        }
    }

    /// One for a new configuration: keys of issuers whose source did not change are taken over with their age, so that
    /// an update does not begin with a time in which nobody can be verified. Verified tokens are not: they were verified
    /// under other rules.
    pub fn inherit(old: &Self, old_issuers: &[Issuer], issuers: &[Issuer]) -> Self {
        let mut new = Self::new(issuers);
        for (at, issuer) in issuers.iter().enumerate() {
            let same = |i: &Issuer| i.issuer == issuer.issuer && i.jwks == issuer.jwks;
            if let Some(before) = old_issuers.iter().position(same) {
                new.keys.take_over(at, &old.keys, before);
            }
            let same = |i: &Issuer| i.issuer == issuer.issuer && i.revocations == issuer.revocations;
            if let Some(before) = old_issuers.iter().position(same) {
                new.revocations.take_over(at, &old.revocations, before);
            }
        }
        new
    }

    /// What is remembered of this credential at a server: what it proves, or that it was refused a moment ago. What a key
    /// proves is not remembered longer than the key may be used without hearing of its issuer.
    ///
    /// `server` is the server's index: what is verified for one is not for another.
    ///
    /// # Errors
    /// [`Fault::Invalid`].
    pub fn recall(
        &mut self,
        server: usize,
        credential: &Credential,
        now: Timestamp,
    ) -> Result<Option<&Verified>, Fault> {
        let digest = Digested::of(server, credential.token());
        if self.refused.holds(&digest, now) {
            return Err(Fault::Invalid("refused a moment ago"));
        }
        let firm =
            |v: &&Verified| v.key.is_none_or(|key| self.keys.keys(v.issuer, now).is_some_and(|k| k.has(key)));
        let Some(found) = self.tokens.get(&digest, now).filter(firm) else { return Ok(None) };
        match self.revocations.standing(found.issuer, &found.identity, now) {
            Standing::Revoked => Err(WITHDRAWN),
            // What the issuer vouched for when it was asked needs no other news.
            Standing::Unheard if found.key.is_some() => Ok(None),
            Standing::Good | Standing::Unheard => Ok(Some(found)),
        }
    }

    /// What an issuer's feed of revocations says, as it came.
    ///
    /// # Errors
    /// Why it is not believed; nothing is changed then.
    pub fn hear(&mut self, index: usize, issuer: &Issuer, feed: &[u8], now: Timestamp) -> Result<(), Fault> {
        let text = std::str::from_utf8(feed).map_err(|_| Fault::Invalid("a feed that is no text"))?;
        let said = jwt::statement(text, revocations::TYPE, (index, issuer), &self.keys, &self.host, now)?;
        self.revocations.hear(index, issuer, &said, now).map_err(Fault::Invalid)?;
        let news = said.get("revocations").and_then(Value::as_array).is_some_and(|rows| !rows.is_empty());
        if news {
            let heard = &self.revocations;
            self.given.retain(|issuer, identity| {
                issuer != index || heard.standing(issuer, identity, now) != Standing::Revoked
            });
        }
        Ok(())
    }

    /// What a server (its index) is shown for this credential, which was just found good; `None` where that is not remembered.
    pub fn given(&self, server: usize, credential: &Credential, now: Timestamp) -> Option<&HeaderValue> {
        self.given.get(&Digested::of(server, credential.token()), now)
    }

    /// Remembers it; `whose` is the index of the token's issuer and what the token says.
    pub fn keep_given(
        &mut self,
        server: usize,
        credential: &Credential,
        given: Given,
        whose: (usize, Arc<Identity>),
        now: Timestamp,
    ) {
        self.given.insert(Digested::of(server, credential.token()), given, whose, now);
    }

    /// What a good signature is worth by the feed of its issuer.
    fn unwithdrawn(
        &self,
        verified: Verified,
        expected: &Expected<'_>,
        now: Timestamp,
    ) -> Result<Verified, Fault> {
        match self.revocations.standing(verified.issuer, &verified.identity, now) {
            Standing::Good => Ok(verified),
            Standing::Revoked => Err(WITHDRAWN),
            Standing::Unheard if expected.asked_about_opaque() == Some(verified.issuer) => {
                Err(Fault::NeedValidation { issuer: verified.issuer })
            }
            Standing::Unheard => Err(Fault::Unanswered),
        }
    }

    /// What the credential proves: verified now, and remembered. A forged one is remembered too.
    ///
    /// # Errors
    /// As [`jwt::verify_with`], and [`Fault::NeedValidation`].
    pub fn verify(
        &mut self,
        server: usize,
        credential: &Credential,
        expected: &Expected<'_>,
        now: Timestamp,
    ) -> Result<Verified, Fault> {
        if validation::is_opaque(credential.token())
            && let Some(issuer) = expected.asked_about_opaque()
        {
            return Err(Fault::NeedValidation { issuer });
        }
        let verified = jwt::verify_with(credential.token(), expected, &self.keys, &self.host, now)
            .and_then(|verified| self.unwithdrawn(verified, expected, now));
        let digest = Digested::of(server, credential.token());
        match &verified {
            Ok(verified) => self.tokens.insert(digest, verified.clone(), now),
            // What is wrong in other ways may come right: a key may be published, a time may come.
            Err(jwt::FORGED) => self.refused.insert(digest, now),
            Err(_) => {}
        }
        verified
    }

    /// The same for a token about which its issuer was asked; `answer` is what came, `None` if nothing came.
    ///
    /// # Errors
    /// [`Fault::Invalid`], or [`Fault::Unanswered`].
    pub fn validated(
        &mut self,
        server: usize,
        credential: &Credential,
        expected: &Expected<'_>,
        answer: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<Verified, Fault> {
        let index = expected.asked_about_opaque().ok_or(Fault::Unanswered)?;
        let issuer = expected.issuers.get(index).ok_or(Fault::Unanswered)?;
        let verified = validation::read(answer, issuer, expected.audience, now)
            .map(|(identity, until)| {
                let identity = identity.into();
                Verified { identity, issuer: index, key: None, since: now, until }
            })
            .and_then(|v| match self.revocations.standing(index, &v.identity, now) {
                Standing::Revoked => Err(WITHDRAWN),
                Standing::Good | Standing::Unheard => Ok(v),
            });
        let digest = Digested::of(server, credential.token());
        match &verified {
            Ok(verified) => self.tokens.insert(digest, verified.clone(), now),
            Err(Fault::Invalid(_)) => self.refused.insert(digest, now),
            Err(_) => {}
        }
        verified
    }

    /// Forgets all tokens; keys stay.
    pub fn forget_tokens(&mut self) {
        self.tokens = TokenCache::new(TOKENS);
        self.refused = RefusedTokens::new(TOKENS);
        self.given = GivenCredentials::default();
    }

    /// Keys of one issuer, for which it was asked at `sent`. Where they are newer than those that are held, tokens signed by a key
    /// that is gone are forgotten.
    pub fn replace_keys(&mut self, issuer: usize, keys: KeySet, sent: Timestamp, now: Timestamp) {
        if let Some(taken) = self.keys.set(issuer, keys, sent, now) {
            self.tokens.keys_changed(issuer, taken);
        }
    }
}
