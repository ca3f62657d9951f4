//! What was withdrawn lately? A log that only grows, until each entry has outlived the last token that it could mean.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::api_key::ApiKey;
use super::grant::Grant;
use crate::clock::UnixTime;

/// No access token lives longer (`lifetimes.access_token` is bounded by an hour), with leeway for verifiers whose clocks are
/// behind.
const LONGEST: Duration = Duration::from_secs(60 * 60 + 60);

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// What kind of thing it names.
    pub kind: Kind,
    /// The id of the grant or the client, or the subject.
    pub name: String,
    /// Tokens issued before this do not count; of a grant none does.
    pub before: Option<UnixTime>,
    /// From then on no token of it can be alive.
    pub until: UnixTime,
}

/// What a revocation names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A grant: `grant_id` of tokens.
    Grant,
    /// A client: `client_id` of tokens.
    Client,
    /// A user: `sub` of tokens.
    Subject,
}

/// Up to where somebody has read the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Whose numbers these are: another store has another one.
    pub epoch: String,
    /// The number of the last entry read.
    pub seq: u64,
}

/// What came after a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// Up to where this goes.
    pub place: Place,
    /// After which number it begins; 0 where it is all there is.
    pub since: u64,
    /// The entries, in order; each thing is named once.
    pub revocations: Vec<Revocation>,
}

// === impl Revocation ===

impl Revocation {
    /// That of a grant.
    #[must_use]
    pub fn of_grant(grant: &Grant, now: UnixTime) -> Self {
        let until = grant.expires_at.min(now.plus(LONGEST));
        Self { kind: Kind::Grant, name: grant.id.clone(), before: None, until }
    }

    /// That of an API key: what it stands for names it as its grant.
    #[must_use]
    pub fn of_api_key(api_key: &ApiKey, now: UnixTime) -> Self {
        let until = api_key.expires_at.min(now.plus(LONGEST));
        Self { kind: Kind::Grant, name: api_key.id.clone(), before: None, until }
    }

    /// That of all tokens of a client or a user of until now.
    #[must_use]
    pub fn of_all(kind: Kind, name: &str, now: UnixTime) -> Self {
        Self { kind, name: name.to_owned(), before: Some(end_of(now)), until: now.plus(LONGEST) }
    }
}

// === impl News ===

impl News {
    /// Names each thing once, where it was named last. Gateways keep a bounded number, and some are announced several times: by those
    /// who ended them at once, or by a switch that was thrown again.
    pub(super) fn each_once(mut self) -> Self {
        let mut places = HashMap::new();
        let mut kept: Vec<Revocation> = Vec::new();
        for one in self.revocations.into_iter().rev() {
            match places.entry((one.kind, one.name.clone())) {
                Entry::Vacant(place) => {
                    place.insert(kept.len());
                    kept.push(one);
                }
                // Clocks of replicas differ: the later entry may say less.
                Entry::Occupied(place) => {
                    if let Some(last) = kept.get_mut(*place.get()) {
                        last.before = last.before.max(one.before);
                        last.until = last.until.max(one.until);
                    }
                }
            }
        }
        kept.reverse();
        self.revocations = kept;
        self
    }
}

// === impl Kind ===

impl Kind {
    /// As the feed spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Client => "client",
            Self::Subject => "subject",
        }
    }
}

/// What was issued before this was issued until `now`. Times are whole seconds, so what was issued within this one counts, too.
#[must_use]
pub fn end_of(now: UnixTime) -> UnixTime {
    now.plus(Duration::from_secs(1))
}
