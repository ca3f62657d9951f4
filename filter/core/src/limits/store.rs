//! Where do buckets live? In sets of fixed number and size, as bytes for a store that can only compare and swap whole
//! values and never deletes a key (Envoy's shared data).
//!
//! Pure: the adapter reads the set of a tag, calls [`take`], and swaps the new bytes in; if another thread was faster it
//! reads again. Nothing is taken until a swap has succeeded.
//!
//! Layout of a set, big-endian: version, number of entries, entries of (tag 16, at 8, full 8, part 4) bytes, check sum 4.

use std::time::Duration;

use super::rate::Rate;
use super::tag::Tag;
use super::token_bucket::Bucket;
use crate::denial::Denial;
use crate::rows;
use crate::salt::Salt;
use crate::time::Timestamp;

/// The number of sets for principals. With [`WAYS`] entries each, 65536 buckets that are not full would fit if they were
/// spread evenly, in under 3 MiB; half as many fit in practice.
pub const SETS: u16 = 4096;

/// The number of sets for strangers: buckets that somebody without a credential can begin. They are apart, so that no
/// number of strangers takes a principal's room.
pub const STRANGERS_SETS: u16 = 1024;

/// The most buckets of one set.
pub const WAYS: usize = 16;

/// What a set's bytes begin with, and part of its key: a module with another layout uses other keys, because old and new
/// modules share the store during a rollout.
const VERSION: u8 = 3;
const ENTRY_BYTES: usize = 36;

/// What became of a request for tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// They were there, and so many whole ones are left.
    Admitted {
        /// Whole tokens left.
        remaining: u32,
    },
    /// They will be there after this time.
    Refused {
        /// How long to wait; [`Duration::MAX`] for a cost above the burst.
        retry_after: Duration,
    },
    /// None of a bucket that holds across a fleet is leased: more must be asked for.
    Unleased,
    /// No room for one more principal's bucket: all of the set are in use. Denied, because forgetting one would grant it
    /// tokens. Among strangers the fullest is forgotten instead: it gains least, and no crowd shuts out a newcomer.
    Full,
    /// The bytes are not a set of ours. Denied.
    Corrupt,
}

/// An [`Outcome`], and the set as it must stand for it to be true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// What became of it, if the bytes can be swapped in.
    pub outcome: Outcome,
    /// The set's new bytes; `None` if nothing changed.
    pub bytes: Option<Vec<u8>>,
}

struct Set(Vec<(Tag, Bucket)>);

/// The key of the set that holds `tag`.
pub fn set_key(tag: Tag, salt: Salt) -> String {
    let strangers = tag.is_strangers();
    key(strangers, salt.set_of(tag.0, if strangers { STRANGERS_SETS } else { SETS }))
}

/// The keys of all sets. The adapter creates at start those that are absent, with [`empty_set`]: a swap protects updates,
/// not creation.
pub fn all_keys() -> impl DoubleEndedIterator<Item = String> {
    (0..STRANGERS_SETS).map(|set| key(true, set)).chain((0..SETS).map(|set| key(false, set)))
}

/// The bytes of a set without buckets.
pub fn empty_set() -> Vec<u8> {
    Set(Vec::new()).encode()
}

/// Takes `cost` tokens from the bucket of `tag`. `set` is what stands under [`set_key`]; `None` if nothing does.
pub fn take(set: Option<&[u8]>, tag: Tag, rate: Rate, cost: u32, now: Timestamp) -> Taken {
    let Some(mut set) = Set::decode(set) else {
        return Taken { outcome: Outcome::Corrupt, bytes: None };
    };
    let moved = set.settle(now);
    let outcome = set.take(tag, rate, cost, now);
    // A refusal changes nothing, except that a corrected clock must be remembered for refilling to begin.
    let changed = moved || matches!(outcome, Outcome::Admitted { .. });
    Taken { outcome, bytes: changed.then(|| set.encode()) }
}

/// Gives back `cost` tokens that were taken for a request that did not happen: the set's new bytes, or `None` if there is
/// nothing to change (the bucket is full and forgotten, or the bytes are not ours).
pub fn give_back(set: Option<&[u8]>, tag: Tag, rate: Rate, cost: u32, now: Timestamp) -> Option<Vec<u8>> {
    let mut set = Set::decode(set)?;
    set.settle(now);
    let (_, bucket) = set.0.iter_mut().find(|(t, _)| *t == tag)?;
    *bucket = bucket.give_back(rate, cost, now);
    Some(set.encode())
}

// === impl Outcome ===

impl Outcome {
    /// The tokens left of the bucket of `limit`.
    ///
    /// # Errors
    /// [`Denial::RateLimited`], [`Denial::Unavailable`] when there is no room, [`Denial::Internal`] for corrupt bytes.
    pub fn admitted(self, limit: &str) -> Result<u32, Denial> {
        match self {
            Self::Admitted { remaining } => Ok(remaining),
            Self::Refused { retry_after } => Err(Denial::RateLimited(retry_after, limit.to_owned())),
            Self::Unleased => Err(Denial::Unavailable("a lease of a rate limit")),
            Self::Full => Err(Denial::Unavailable("room for rate limits")),
            Self::Corrupt => Err(Denial::Internal("rate limit store")),
        }
    }
}

// === impl Set ===

impl Set {
    fn take(&mut self, tag: Tag, rate: Rate, cost: u32, now: Timestamp) -> Outcome {
        let found = self.0.iter().position(|(t, _)| *t == tag);
        let bucket = found.and_then(|at| self.0.get(at)).map_or(Bucket::full(now), |(_, bucket)| *bucket);
        let (bucket, remaining) = match bucket.take(rate, cost, now) {
            Ok(taken) => taken,
            Err(retry_after) => return Outcome::Refused { retry_after },
        };
        match found.and_then(|at| self.0.get_mut(at)) {
            Some((_, old)) => *old = bucket,
            None => {
                self.0.retain(|(_, b)| !b.is_forgettable(now));
                if self.0.len() >= WAYS && !(tag.is_strangers() && self.forget_fullest()) {
                    return Outcome::Full;
                }
                self.0.push((tag, bucket));
            }
        }
        Outcome::Admitted { remaining }
    }

    /// Whether there was one to forget.
    fn forget_fullest(&mut self) -> bool {
        let fullest = self.0.iter().enumerate().min_by_key(|(_, (_, bucket))| bucket.full).map(|(at, _)| at);
        fullest.map(|at| self.0.swap_remove(at)).is_some()
    }

    /// Follows a clock that was set back; whether any bucket had to.
    fn settle(&mut self, now: Timestamp) -> bool {
        let mut moved = false;
        for (_, bucket) in &mut self.0 {
            let settled = bucket.settled(now);
            moved |= settled != *bucket;
            *bucket = settled;
        }
        moved
    }

    fn encode(&self) -> Vec<u8> {
        let entry = |(tag, bucket): &(Tag, Bucket)| {
            let (at, full) = (bucket.at.to_be_bytes(), bucket.full.to_be_bytes());
            rows::row::<ENTRY_BYTES>(&[&tag.0, &at, &full, &bucket.part.to_be_bytes()])
        };
        rows::seal(VERSION, self.0.iter().map(entry))
    }

    /// The set that the bytes hold; `None` unless every byte is as we write it.
    fn decode(bytes: Option<&[u8]>) -> Option<Self> {
        let mut entries: Vec<(Tag, Bucket)> = Vec::with_capacity(WAYS);
        for entry in rows::open::<ENTRY_BYTES>(VERSION, WAYS, bytes)? {
            let (tag, bucket) = decode_entry(entry)?;
            if bucket.full < bucket.at || entries.iter().any(|(t, _)| *t == tag) {
                return None;
            }
            entries.push((tag, bucket));
        }
        Some(Self(entries))
    }
}

fn decode_entry(entry: &[u8; ENTRY_BYTES]) -> Option<(Tag, Bucket)> {
    let (tag, rest) = entry.split_first_chunk::<16>()?;
    let (at, rest) = rest.split_first_chunk::<8>()?;
    let (full, rest) = rest.split_first_chunk::<8>()?;
    let (part, _) = rest.split_first_chunk::<4>()?;
    let bucket = Bucket {
        at: u64::from_be_bytes(*at),
        full: u64::from_be_bytes(*full),
        part: u32::from_be_bytes(*part),
    };
    Some((Tag(*tag), bucket))
}

fn key(strangers: bool, set: u16) -> String {
    rows::key(if strangers { "strangers" } else { "limits" }, VERSION, set)
}

#[cfg(test)]
mod tests;
