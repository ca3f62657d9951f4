//! What does an identity rest on while a stream lasts, besides time? A token that is good when a stream begins may be
//! revoked, or its key withdrawn, hours before it would expire.

use std::sync::Arc;
use std::time::Duration;

use super::credential::Credential;
use super::issuer::Issuer;
use super::jwt::{Fault, Verified};
use super::key::KeyMark;
use super::memory::Memory;
use super::principal::Identity;
use super::revocations;
use super::validation::{self, Question};
use crate::time::Timestamp;

/// What must go on holding.
#[derive(Clone, Debug)]
pub enum Footing {
    /// The issuer (its index) still publishes the key that signed, and has not withdrawn what it signed for them.
    Key(usize, KeyMark, Arc<Identity>),
    /// The issuer still vouches for the token.
    Word(Word),
}

/// An issuer's word, which is believed for a while.
#[derive(Clone, Debug)]
pub struct Word {
    question: Question,
    since: Timestamp,
    until: Timestamp,
    /// When the question went out that is under way.
    asked: Option<Timestamp>,
}

/// How it stands now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It holds.
    Firm,
    /// The issuer must be asked; until it answers, it holds.
    Ask,
    /// It does not hold any more: what rests on it must end.
    Gone,
}

// === impl Footing ===

impl Footing {
    /// How long a word counts on after its time, while nobody answers: a restart of the issuer ends no stream.
    pub const PATIENCE: Duration = Duration::from_secs(30);
    /// How long an answer may take before the issuer is asked again.
    const AGAIN: Duration = Duration::from_secs(5);

    /// That of a token that was accepted for `resource`. `None` without the token where the issuer would have to be asked.
    pub fn of(verified: &Verified, credential: Option<Credential>, resource: &str) -> Option<Self> {
        match verified.key {
            Some(mark) => Some(Self::Key(verified.issuer, mark, Arc::clone(&verified.identity))),
            None => credential.map(|credential| {
                let question = Question::new(verified.issuer, credential, resource.to_owned());
                Self::Word(Word { question, since: verified.since, until: verified.until, asked: None })
            }),
        }
    }

    /// How it stands, as far as this VM knows. Keys that could not be refreshed for so long that they are stale are gone, and
    /// so is what a feed has withdrawn, or would have to speak of that was not heard for too long.
    pub fn stands(&self, memory: &Memory, now: Timestamp) -> Standing {
        match self {
            Self::Key(issuer, mark, identity) => {
                let published = memory.keys.keys(*issuer, now).is_some_and(|keys| keys.has(*mark));
                let good = memory.revocations.standing(*issuer, identity, now) == revocations::Standing::Good;
                if published && good { Standing::Firm } else { Standing::Gone }
            }
            Self::Word(word) if word.until.plus(Self::PATIENCE) <= now => Standing::Gone,
            Self::Word(word) if word.is_of(now) || word.is_asked_for(now) => Standing::Firm,
            Self::Word(_) => Standing::Ask,
        }
    }

    /// What to ask, where it stands so at `now`. A word that was given later is of before the clock was set back, and its time may lie
    /// far ahead; so its time is over now, and silence is borne from now on, whether anybody can be asked or not.
    pub fn ask(&mut self, now: Timestamp) -> Option<Question> {
        let Self::Word(word) = self else { return None };
        if now < word.since {
            (word.since, word.until) = (now, now);
        }
        Some(word.question.clone())
    }

    /// The question is on its way from `now`.
    pub fn asked(&mut self, now: Timestamp) {
        if let Self::Word(word) = self {
            word.asked = Some(now);
        }
    }

    /// Whether it rests on the answer to this.
    pub fn asks(&self, question: &Question) -> bool {
        matches!(self, Self::Word(word) if word.question == *question)
    }

    /// What the issuer says now; `None` if nothing came.
    pub fn answered(&mut self, answer: Option<&[u8]>, issuers: &[Issuer], now: Timestamp) -> Standing {
        let Self::Word(word) = self else { return Standing::Firm };
        let Some(issuer) = issuers.get(word.question.issuer) else { return Standing::Gone };
        match validation::read(answer, issuer, word.question.resource(), now) {
            Ok((_, until)) => {
                (word.since, word.until, word.asked) = (now, until, None);
                Standing::Firm
            }
            Err(Fault::Invalid(_)) => Standing::Gone,
            // Another is asked for when the time for this one is over.
            Err(_) => Standing::Firm,
        }
    }
}

// === impl Word ===

impl Word {
    /// Whether it counts by itself.
    fn is_of(&self, now: Timestamp) -> bool {
        self.since <= now && now < self.until
    }

    /// Whether an answer may still come.
    fn is_asked_for(&self, now: Timestamp) -> bool {
        self.asked.is_some_and(|asked| asked <= now && now < asked.plus(Footing::AGAIN))
    }
}

#[cfg(test)]
mod tests;
