//! Which keys do we hold now, and how old are they? The memory of one VM, for all issuers of its configuration.

use std::time::Duration;

use super::issuer::{Algorithm, Issuer};
use super::jwks::{KeySet, Pick};
use super::key::PublicKey;
use crate::time::Timestamp;

/// The keys of every issuer, by the issuer's index in the configuration.
///
/// Trust roots: kept in the VM's own memory, never in data that other plugins can write.
#[derive(Clone, Debug)]
pub struct KeyRing(Vec<Slot>);

/// What the ring knows of a key.
#[derive(Clone, Copy, Debug)]
pub enum Lookup<'a> {
    /// This key.
    Found(&'a PublicKey),
    /// The issuer's keys were fetched within [`KeyRing::REFETCH_FLOOR`] and it is not among them: it does not exist.
    Unknown,
    /// Not among the keys held, which are older than the floor: fetch, then ask again.
    Outdated,
    /// No keys were ever fetched, or they are older than the issuer's `max_stale`: fetch, then ask again.
    NoKeys,
    /// The set has several keys that fit: the token cannot be attributed to one.
    Ambiguous,
}

#[derive(Clone, Debug)]
struct Slot {
    keys: Option<(KeySet, Timestamp)>,
    /// When the fetch began that brought them.
    sent: Timestamp,
    /// When the last one ended that brought none, or none that were taken.
    failed: Option<Timestamp>,
    refresh: Duration,
    max_stale: Duration,
}

// === impl KeyRing ===

impl KeyRing {
    /// How long after the end of a fetch none is begun because a token needs it: a flood of tokens with made-up key ids cannot
    /// make us flood the issuer. How many begin together is for the adapter to bound.
    pub const REFETCH_FLOOR: Duration = Duration::from_secs(10);

    /// An empty ring for the issuers of a configuration, in their order.
    pub fn new(issuers: &[Issuer]) -> Self {
        let slot = |i: &Issuer| Slot {
            keys: None,
            sent: Timestamp::default(),
            failed: None,
            refresh: i.jwks.refresh,
            max_stale: i.jwks.max_stale,
        };
        Self(issuers.iter().map(slot).collect())
    }

    /// A fetch that began at `sent` has brought `keys` at `now`; the keys, where they are taken. Tell the token cache then
    /// ([`TokenCache::keys_changed`](super::token_cache::TokenCache::keys_changed)). An index out of range changes nothing.
    ///
    /// Of fetches that overtake each other the one that began last is right: what an earlier one brings may be of before a
    /// rotation, so it counts as one that failed.
    pub fn set(&mut self, issuer: usize, keys: KeySet, sent: Timestamp, now: Timestamp) -> Option<&KeySet> {
        let slot = self.0.get_mut(issuer)?;
        // One that began at a moment that lies ahead began before the clock was set back: it is no later.
        let overtaken = slot.keys.is_some() && sent < slot.sent && slot.sent <= now;
        if overtaken {
            slot.failed = Some(now);
            return None;
        }
        slot.sent = sent;
        slot.failed = None;
        Some(&slot.keys.insert((keys, now)).0)
    }

    /// A fetch has failed at `now`; the last good keys stay until they are stale.
    pub fn failed(&mut self, issuer: usize, now: Timestamp) {
        if let Some(slot) = self.0.get_mut(issuer) {
            slot.failed = Some(now);
        }
    }

    /// The key for `kid` and `algorithm`.
    pub fn find(&self, issuer: usize, kid: Option<&str>, algorithm: Algorithm, now: Timestamp) -> Lookup<'_> {
        let Some((keys, fetched)) = self.0.get(issuer).and_then(|slot| slot.fresh(now)) else {
            return Lookup::NoKeys;
        };
        match keys.pick(kid, algorithm) {
            Pick::One(key) => Lookup::Found(key),
            Pick::Several => Lookup::Ambiguous,
            Pick::Nothing if within(fetched, now, Self::REFETCH_FLOOR) => Lookup::Unknown,
            Pick::Nothing => Lookup::Outdated,
        }
    }

    /// The keys held of an issuer, unless they are stale.
    pub fn keys(&self, issuer: usize, now: Timestamp) -> Option<&KeySet> {
        self.0.get(issuer)?.fresh(now).map(|(keys, _)| keys)
    }

    /// How long ago the keys held of an issuer were fetched, stale ones too; `None` if they never were.
    pub fn age(&self, issuer: usize, now: Timestamp) -> Option<Duration> {
        self.0.get(issuer)?.keys.as_ref().map(|(_, fetched)| now.since(*fetched))
    }

    /// When the keys held of an issuer were fetched; `None` if there are none that may be used.
    pub fn keys_since(&self, issuer: usize, now: Timestamp) -> Option<Timestamp> {
        self.0.get(issuer)?.fresh(now).map(|(_, fetched)| fetched)
    }

    /// Whether a fetch may be started because a token needs it: the last one, good or bad, ended longer ago than the
    /// floor. Where it may not and the answer was [`Lookup::NoKeys`] or [`Lookup::Outdated`], the part is unavailable.
    pub fn may_fetch(&self, issuer: usize, now: Timestamp) -> bool {
        let Some(slot) = self.0.get(issuer) else { return false };
        let ends = [slot.keys.as_ref().map(|(_, fetched)| *fetched), slot.failed];
        ends.into_iter().flatten().all(|end| !within(end, now, Self::REFETCH_FLOOR))
    }

    /// Whether the tick should fetch: the keys are due for refresh (or missing) and the floor has passed.
    pub fn is_due(&self, issuer: usize, now: Timestamp) -> bool {
        let Some(slot) = self.0.get(issuer) else { return false };
        let fresh = slot.keys.as_ref().is_some_and(|(_, fetched)| within(*fetched, now, slot.refresh));
        !fresh && self.may_fetch(issuer, now)
    }

    /// Takes the keys of `old`'s issuer `old_at` over as those of issuer `at`, with their age.
    pub fn take_over(&mut self, at: usize, old: &Self, old_at: usize) {
        if let (Some(slot), Some(before)) = (self.0.get_mut(at), old.0.get(old_at)) {
            slot.keys.clone_from(&before.keys);
            slot.sent = before.sent;
            slot.failed = before.failed;
        }
    }
}

// === impl Slot ===

impl Slot {
    fn fresh(&self, now: Timestamp) -> Option<(&KeySet, Timestamp)> {
        let (keys, fetched) = self.keys.as_ref()?;
        // Those of a moment far ahead (the clock was set back) would never grow old.
        let fresh = *fetched <= now.plus(self.max_stale) && now.since(*fetched) <= self.max_stale;
        fresh.then_some((keys, *fetched))
    }
}

/// Whether `now` lies less than `span` after `then`. A `then` that lies ahead (the clock was set back) is not within: what
/// it says about age cannot be known, so it is fetched again.
fn within(then: Timestamp, now: Timestamp, span: Duration) -> bool {
    then <= now && now.since(then) < span
}

#[cfg(test)]
mod tests;
