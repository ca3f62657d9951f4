//! How many at once? Counts that several VMs hold together, as rows that end by themselves: what a VM that died had
//! counted is free again when its term is over.
//!
//! Pure, and made for a store that can only compare and swap whole values: the adapter reads the set of a tag, calls
//! [`acquire`] or [`hold`], and swaps the new bytes in; if another thread was faster it asks again. Each VM says how many
//! it holds, so that whatever was lost of its row is made good the next time.

use std::time::Duration;

use super::tag::Tag;
use crate::denial::Denial;
use crate::rows;
use crate::salt::Salt;
use crate::time::Timestamp;

/// The number of sets.
pub const SETS: u16 = 1024;

/// The most rows of one set: principals times VMs.
pub const ROWS: usize = 256;

/// How long a row counts that nobody renews.
pub const TERM: Duration = Duration::from_secs(30);

/// Part of every key, too: a module with another layout uses other keys, because old and new modules share the store
/// during a rollout.
const VERSION: u8 = 3;
const ROW_BYTES: usize = 36;

/// How many places that have become free one VM may keep for a moment, for the next streams of the same principal: a
/// sixteenth of the limit, so that others are refused too early only close to a limit that is large, and not for long.
pub const fn spare(most: u32) -> u32 {
    most / 16
}

/// One VM: a random number, its own from start to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Holder(pub u64);

/// What became of a request for one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It counts from now on.
    Admitted,
    /// There are as many as there may be.
    Refused,
    /// No room for a row. Denied, because forgetting one would admit more than there may be.
    Full,
    /// The bytes are not a set of ours. Denied.
    Corrupt,
}

/// An [`Outcome`], and the set as it must stand for it to be true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acquired {
    /// What became of it, if the bytes can be swapped in.
    pub outcome: Outcome,
    /// The set's new bytes; `None` if nothing changed.
    pub bytes: Option<Vec<u8>>,
}

#[derive(Clone, Copy)]
struct Row {
    tag: Tag,
    holder: Holder,
    count: u32,
    until: Timestamp,
}

/// The key of the set that holds the rows of `tag`.
pub fn set_key(tag: Tag, salt: Salt) -> String {
    key(salt.set_of(tag.0, SETS))
}

/// The keys of all sets. The adapter creates at start those that are absent, with [`empty_set`]: a swap protects updates,
/// not creation.
pub fn all_keys() -> impl DoubleEndedIterator<Item = String> {
    (0..SETS).map(key)
}

/// The bytes of a set without rows.
pub fn empty_set() -> Vec<u8> {
    encode(&[])
}

/// One more for `tag`, of which this holder holds `held` and all together may hold `most`. `set` is what stands under
/// [`set_key`]; `None` if nothing does.
pub fn acquire(
    set: Option<&[u8]>,
    tag: Tag,
    holder: Holder,
    held: u32,
    most: u32,
    now: Timestamp,
) -> Acquired {
    let Some(mut rows) = decode(set) else { return Acquired { outcome: Outcome::Corrupt, bytes: None } };
    let moved = settle(&mut rows, now);
    let others = rows.iter().filter(|row| row.tag == tag && row.holder != holder);
    let all = others.fold(held, |sum, row| sum.saturating_add(row.count));
    let outcome = if all >= most {
        Outcome::Refused
    } else if write(&mut rows, tag, holder, held.saturating_add(1), now) {
        Outcome::Admitted
    } else {
        Outcome::Full
    };
    // A refusal changes nothing, except that a corrected clock must be remembered for terms to end.
    let changed = moved || outcome == Outcome::Admitted;
    Acquired { outcome, bytes: changed.then(|| encode(&rows)) }
}

/// This holder holds `count` for `tag`, from now for another term; nothing when it is zero. The set's new bytes, or `None`
/// if there is nothing to change or no room.
pub fn hold(set: Option<&[u8]>, tag: Tag, holder: Holder, count: u32, now: Timestamp) -> Option<Vec<u8>> {
    let mut rows = decode(set)?;
    let moved = settle(&mut rows, now);
    let is_own = |row: &Row| row.tag == tag && row.holder == holder;
    let changed = if count > 0 {
        write(&mut rows, tag, holder, count, now)
    } else {
        let before = rows.len();
        rows.retain(|row| !is_own(row));
        rows.len() < before
    };
    (moved || changed).then(|| encode(&rows))
}

// === impl Outcome ===

impl Outcome {
    /// Whether one more was there; `most` is told where not.
    ///
    /// # Errors
    /// [`Denial::TooManyStreams`], [`Denial::Unavailable`] when there is no room, [`Denial::Internal`] for corrupt bytes.
    pub fn admitted(self, most: u32) -> Result<(), Denial> {
        match self {
            Self::Admitted => Ok(()),
            Self::Refused => Err(Denial::TooManyStreams(most)),
            Self::Full => Err(Denial::Unavailable("room for streams")),
            Self::Corrupt => Err(Denial::Internal("stream store")),
        }
    }
}

/// Drops rows whose term is over, and follows a clock that was set back: no term ends later than one that begins now.
/// Whether the latter changed any.
fn settle(rows: &mut Vec<Row>, now: Timestamp) -> bool {
    rows.retain(|row| row.until > now);
    let last = now.plus(TERM);
    let mut moved = false;
    for row in rows {
        moved |= row.until > last;
        row.until = row.until.min(last);
    }
    moved
}

/// Writes the holder's row; `false` if there is no room for a new one.
fn write(rows: &mut Vec<Row>, tag: Tag, holder: Holder, count: u32, now: Timestamp) -> bool {
    let new = Row { tag, holder, count, until: now.plus(TERM) };
    let room = rows.len() < ROWS;
    match rows.iter_mut().find(|row| row.tag == tag && row.holder == holder) {
        Some(row) => *row = new,
        None if room => rows.push(new),
        None => return false,
    }
    true
}

fn encode(rows: &[Row]) -> Vec<u8> {
    rows::seal(
        VERSION,
        rows.iter().map(|row| {
            let (holder, until) = (row.holder.0.to_be_bytes(), row.until.as_nanos().to_be_bytes());
            rows::row::<ROW_BYTES>(&[&row.tag.0, &holder, &row.count.to_be_bytes(), &until])
        }),
    )
}

/// The rows of the bytes; `None` unless they are as we write them.
fn decode(bytes: Option<&[u8]>) -> Option<Vec<Row>> {
    let mut rows: Vec<Row> = Vec::new();
    for row in rows::open::<ROW_BYTES>(VERSION, ROWS, bytes)? {
        let (tag, rest) = row.split_first_chunk::<16>()?;
        let (holder, rest) = rest.split_first_chunk::<8>()?;
        let (count, rest) = rest.split_first_chunk::<4>()?;
        let (until, _) = rest.split_first_chunk::<8>()?;
        rows.push(Row {
            tag: Tag(*tag),
            holder: Holder(u64::from_be_bytes(*holder)),
            count: u32::from_be_bytes(*count),
            until: Timestamp::from_nanos(u64::from_be_bytes(*until)),
        });
    }
    Some(rows)
}

fn key(set: u16) -> String {
    rows::key("streams", VERSION, set)
}

#[cfg(test)]
mod tests;
