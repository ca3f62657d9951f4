//! Where does it stand whose a thing is? In sets of fixed number and size, as bytes for a store that can only compare and
//! swap whole values and never deletes a key (Envoy's shared data).
//!
//! Pure: the adapter reads the set of a binding, calls [`ask`], and swaps the new bytes in; if another thread was faster
//! it asks again. Nothing is bound until a swap has succeeded.
//!
//! A full set gives up, for a new binding, the one of the same owner that was seen longest ago, and only where that owner
//! has none there the one of anybody: so nobody can push out more than one foreign binding of each set, however much he
//! begins. Who loses one begins anew.

use std::time::Duration;

use super::owner::{Binding, Handle, Kind, Owner};
use crate::rows;
use crate::salt::Salt;
use crate::time::Timestamp;

/// The number of sets of one kind. With [`WAYS`] bindings each, 65536 fit, in under 3 MiB.
pub const SETS: u16 = 4096;

/// The most bindings of one set.
pub const WAYS: usize = 16;

/// How exactly it is known when a binding was seen last: the store is not written for every request.
const GRAIN: Duration = Duration::from_secs(60);

/// Part of every key, too: a module with another layout uses other keys, because old and new modules share the store
/// during a rollout.
const VERSION: u8 = 3;
const ROW_BYTES: usize = 40;

/// What is asked of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Is it this owner's?
    Check,
    /// The same; what is nobody's becomes this owner's.
    Claim,
}

/// Whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The owner's who asks.
    Own,
    /// Somebody else's.
    Foreign,
    /// Nobody's, as far as is known.
    Unknown,
    /// The bytes are not a set of ours: nothing is known, so nothing may be done.
    Corrupt,
}

/// A [`Finding`], and the set as it must stand for it to be true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Whose it is, if the bytes can be swapped in.
    pub finding: Finding,
    /// The set's new bytes; `None` if nothing changed.
    pub bytes: Option<Vec<u8>>,
}

/// One binding as it stands in a set.
#[derive(Clone, Copy)]
struct Row {
    handle: Handle,
    owner: Owner,
    seen: u64,
}

/// The key of the set that holds `binding`.
pub fn set_key(binding: &Binding, salt: Salt) -> String {
    key(binding.kind, salt.set_of(binding.handle.0, SETS))
}

/// The keys of all sets of a kind. The adapter creates at start those that are absent, with [`empty_set`]: a swap protects
/// updates, not creation.
pub fn all_keys(kind: Kind) -> impl DoubleEndedIterator<Item = String> {
    (0..SETS).map(move |set| key(kind, set))
}

/// The bytes of a set without bindings.
pub fn empty_set() -> Vec<u8> {
    encode(&[])
}

/// Asks whose it is. `set` is what stands under [`set_key`]; `None` if nothing does.
pub fn ask(set: Option<&[u8]>, binding: &Binding, question: Question, now: Timestamp) -> Found {
    let Some(mut rows) = decode(set) else { return Found { finding: Finding::Corrupt, bytes: None } };
    match rows.iter_mut().find(|row| row.handle == binding.handle) {
        Some(row) if row.owner != binding.owner => Found { finding: Finding::Foreign, bytes: None },
        Some(row) => {
            // Backwards too: a time that lies ahead of a corrected clock would keep it for ever.
            let stale = row.seen.abs_diff(now.as_nanos()) >= nanos(GRAIN);
            row.seen = now.as_nanos();
            Found { finding: Finding::Own, bytes: stale.then(|| encode(&rows)) }
        }
        None if question == Question::Check => Found { finding: Finding::Unknown, bytes: None },
        None => {
            place(&mut rows, Row { handle: binding.handle, owner: binding.owner, seen: now.as_nanos() });
            Found { finding: Finding::Own, bytes: Some(encode(&rows)) }
        }
    }
}

/// Forgets the binding, if it is as it says: the set's new bytes, or `None` if there is nothing to change.
pub fn forget(set: Option<&[u8]>, binding: &Binding) -> Option<Vec<u8>> {
    let mut rows = decode(set)?;
    let before = rows.len();
    rows.retain(|row| row.handle != binding.handle || row.owner != binding.owner);
    (rows.len() < before).then(|| encode(&rows))
}

/// Adds a row; in a full set it takes the place of another (see the head of this file).
fn place(rows: &mut Vec<Row>, new: Row) {
    if rows.len() < WAYS {
        rows.push(new);
        return;
    }
    // A time well ahead is from before the clock was set back, and whoever is still about is soon seen by the new one.
    let ahead = new.seen.saturating_add(nanos(GRAIN));
    let last = |row: &Row| if row.seen > ahead { 0 } else { row.seen };
    let own = rows.iter().any(|row| row.owner == new.owner);
    let candidates = rows.iter_mut().filter(|row| !own || row.owner == new.owner);
    if let Some(oldest) = candidates.min_by_key(|row| last(row)) {
        *oldest = new;
    }
}

fn encode(rows: &[Row]) -> Vec<u8> {
    rows::seal(
        VERSION,
        rows.iter()
            .map(|row| rows::row::<ROW_BYTES>(&[&row.handle.0, &row.owner.0, &row.seen.to_be_bytes()])),
    )
}

/// The bindings of the bytes; `None` unless they are as we write them, each thing once.
fn decode(bytes: Option<&[u8]>) -> Option<Vec<Row>> {
    let mut rows: Vec<Row> = Vec::with_capacity(WAYS);
    for row in rows::open::<ROW_BYTES>(VERSION, WAYS, bytes)? {
        let (handle, rest) = row.split_first_chunk::<16>()?;
        let (owner, rest) = rest.split_first_chunk::<16>()?;
        let (seen, _) = rest.split_first_chunk::<8>()?;
        if rows.iter().any(|other| other.handle.0 == *handle) {
            return None;
        }
        let (handle, owner) = (Handle(*handle), Owner(*owner));
        rows.push(Row { handle, owner, seen: u64::from_be_bytes(*seen) });
    }
    Some(rows)
}

fn key(kind: Kind, set: u16) -> String {
    let kind = match kind {
        Kind::Session => "sessions",
        Kind::Task => "tasks",
    };
    rows::key(kind, VERSION, set)
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
