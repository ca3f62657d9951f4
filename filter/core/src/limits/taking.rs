//! From each bucket one token, or from none: the walk over the buckets of a request, whatever store they lie in.

use super::lease::{self, Grant};
use super::rate::{Across, Rate};
use super::store::{self, Outcome};
use super::tag::Tag;
use crate::salt::Salt;
use crate::time::Timestamp;

/// One bucket to take one token from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Take {
    /// Which bucket.
    pub tag: Tag,
    /// Its shape.
    pub rate: Rate,
    /// Where it holds.
    pub across: Across,
    /// What was granted for this request, of a bucket that holds across a fleet.
    pub grant: Option<Grant>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// What the first bucket said that did not admit, or the last one; `None` where the store could not be read or written.
    pub outcome: Option<Outcome>,
    /// Which that was.
    pub at: usize,
    /// Buckets of which so few leased tokens are left that more should be asked for.
    pub low: Vec<(Tag, Rate)>,
}

/// The store: what stands under a key is shown to the second, maybe several times, and what that gives is swapped in; whether
/// the host could do it.
pub type Change<'a> = dyn FnMut(&str, &mut dyn FnMut(Option<&[u8]>) -> Option<Vec<u8>>) -> bool + 'a;

// === impl Take ===

impl Take {
    /// From a bucket of this Envoy alone.
    pub const fn here(tag: Tag, rate: Rate) -> Self {
        Self { tag, rate, across: Across::Envoy, grant: None }
    }

    /// Gives back a token that was taken until then for what did not happen. Where that fails one too few is left.
    pub fn give_back(&self, until: Timestamp, salt: Salt, now: Timestamp, change: &mut Change<'_>) -> bool {
        match self.across {
            Across::Envoy => change(&store::set_key(self.tag, salt), &mut |set| {
                store::give_back(set, self.tag, self.rate, 1, now)
            }),
            Across::Fleet => change(&lease::set_key(self.tag, salt), &mut |set| {
                lease::give_back(set, self.tag, until, now)
            }),
        }
    }

    fn one(&self, salt: Salt, now: Timestamp, change: &mut Change<'_>) -> Option<(Outcome, Timestamp, bool)> {
        let mut told = None;
        let done = match self.across {
            Across::Envoy => change(&store::set_key(self.tag, salt), &mut |set| {
                let taken = store::take(set, self.tag, self.rate, 1, now);
                told = Some((taken.outcome, now, false));
                taken.bytes
            }),
            Across::Fleet => change(&lease::set_key(self.tag, salt), &mut |set| {
                let spent = lease::spend(set, self.tag, self.rate, self.grant.as_ref(), now);
                told = Some((spent.outcome, spent.until, spent.low));
                spent.bytes
            }),
        };
        told.filter(|_| done)
    }
}

/// Takes one token from each bucket or from none.
pub fn take(takes: &[Take], salt: Salt, now: Timestamp, change: &mut Change<'_>) -> Taken {
    let mut taken = Taken { outcome: None, at: 0, low: Vec::new() };
    let mut counts: Vec<Timestamp> = Vec::with_capacity(takes.len());
    for (at, bucket) in takes.iter().enumerate() {
        let one = bucket.one(salt, now, change);
        (taken.outcome, taken.at) = (one.map(|(outcome, ..)| outcome), at);
        match one {
            Some((Outcome::Admitted { .. }, until, low)) => {
                counts.push(until);
                taken.low.extend(low.then_some((bucket.tag, bucket.rate)));
            }
            _ => {
                // Lost only if the store broke meanwhile: then one token too few is left, never one too many.
                for (earlier, until) in takes.iter().zip(counts) {
                    earlier.give_back(until, salt, now, change);
                }
                // What was granted for this request is there for the next.
                let later = takes.iter().skip(at + 1).filter_map(|take| Some((take, take.grant.as_ref()?)));
                for (take, grant) in later {
                    change(&lease::set_key(take.tag, salt), &mut |set| {
                        lease::keep(set, take.tag, take.rate, grant, now)
                    });
                }
                return taken;
            }
        }
    }
    taken
}
