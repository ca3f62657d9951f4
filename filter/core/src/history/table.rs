//! Where do marks stand? In sets of fixed number and size, as [`crate::bindings::table`] has them; all of one principal in one.
//!
//! Nothing that is still good gives way: a mark that vanished would lift what it stands for. Where a set is full the request is
//! refused, and since a principal's marks lie in one set, he takes room from few but himself. Strangers have sets of their own.

use std::fmt;
use std::time::Duration;

use super::rule::Slots;
use crate::rows;
use crate::salt::Salt;
use crate::time::Timestamp;

/// The number of sets for principals, and behind them those for strangers.
pub const SETS: u16 = 1024;
const STRANGERS: u16 = 256;

/// The most marks of one set. All sets are under 3 MiB.
pub const WAYS: usize = 64;

/// Part of every key, too.
const VERSION: u8 = 1;
const ROW_BYTES: usize = 32;

/// What is asked about one mark, and whether it is made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// Of which rule, in whose past.
    pub(super) tag: [u8; 16],
    /// For what; zero where a rule needs to know no more than that it happened.
    pub(super) mark: [u8; 8],
    /// What must be so.
    pub(super) check: Check,
    /// Whether it is marked then.
    pub(super) marks: bool,
    /// For how long.
    pub(super) within: Duration,
}

/// What must be so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// It is only marked.
    Nothing,
    /// There is no such mark.
    Absent,
    /// There is one.
    Present,
    /// Together with this there are so many of the tag.
    AtMost(u16),
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All is so, and marked.
    Admitted,
    /// This is not so (its index); nothing is marked.
    Refused(usize),
    /// There is no room for a mark.
    Full,
    /// The bytes are not a set of ours.
    Corrupt,
}

/// An [`Outcome`], and the set as it must stand for it to be true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    /// What came of it, if the bytes can be swapped in.
    pub outcome: Outcome,
    /// The set's new bytes; `None` if nothing changed.
    pub bytes: Option<Vec<u8>>,
}

#[derive(Clone, Copy)]
struct Row {
    tag: [u8; 16],
    mark: [u8; 8],
    until: u64,
}

/// The key of the set in which these slots lie.
pub fn set_key(slots: Slots, salt: Salt) -> String {
    let set = if slots.stranger {
        SETS + salt.set_of(slots.name, STRANGERS)
    } else {
        salt.set_of(slots.name, SETS)
    };
    rows::key("history", VERSION, set)
}

/// The keys of all sets; the adapter creates at start those that are absent, with [`empty_set`].
pub fn all_keys() -> impl DoubleEndedIterator<Item = String> {
    (0..SETS + STRANGERS).map(|set| rows::key("history", VERSION, set))
}

/// The bytes of a set without marks.
pub fn empty_set() -> Vec<u8> {
    encode(&[])
}

/// Asks all, and marks what is to be marked if all of it is so. `set` is what stands under [`set_key`].
pub fn ask(set: Option<&[u8]>, asks: &[Ask], now: Timestamp) -> Noted {
    let nothing = |outcome| Noted { outcome, bytes: None };
    let Some(mut rows) = decode(set) else { return nothing(Outcome::Corrupt) };
    rows.retain(|row| row.until > now.as_nanos());
    if let Some(at) = asks.iter().position(|ask| !holds(&rows, ask, now)) {
        return nothing(Outcome::Refused(at));
    }
    let mut changed = false;
    for (at, ask) in asks.iter().enumerate().filter(|(_, ask)| ask.marks) {
        // Marks made a moment ago by the same request count, too.
        if !holds(&rows, ask, now) && matches!(ask.check, Check::AtMost(_)) {
            return nothing(Outcome::Refused(at));
        }
        changed = true;
        let until = now.plus(ask.within).as_nanos();
        if let Some(row) = rows.iter_mut().find(|row| row.tag == ask.tag && row.mark == ask.mark) {
            row.until = until;
        } else if rows.len() < WAYS {
            rows.push(Row { tag: ask.tag, mark: ask.mark, until });
        } else {
            return nothing(Outcome::Full);
        }
    }
    Noted { outcome: Outcome::Admitted, bytes: changed.then(|| encode(&rows)) }
}

fn holds(rows: &[Row], ask: &Ask, now: Timestamp) -> bool {
    let mut own = rows.iter().filter(|row| row.tag == ask.tag);
    match ask.check {
        Check::Nothing => true,
        Check::Absent => own.next().is_none(),
        // One from a moment ahead (the clock was set back) would permit for as long as the clock was wrong.
        Check::Present => own.any(|row| row.until <= now.plus(ask.within).as_nanos()),
        Check::AtMost(most) => own.filter(|row| row.mark != ask.mark).count() < usize::from(most),
    }
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ask({:?}, marks: {}, {:?})", self.check, self.marks, self.within)
    }
}

fn encode(rows: &[Row]) -> Vec<u8> {
    let row = |row: &Row| rows::row::<ROW_BYTES>(&[&row.tag, &row.mark, &row.until.to_be_bytes()]);
    rows::seal(VERSION, rows.iter().map(row))
}

fn decode(bytes: Option<&[u8]>) -> Option<Vec<Row>> {
    let row = |row: &[u8; ROW_BYTES]| {
        let (tag, rest) = row.split_first_chunk::<16>()?;
        let (mark, rest) = rest.split_first_chunk::<8>()?;
        let (until, _) = rest.split_first_chunk::<8>()?;
        Some(Row { tag: *tag, mark: *mark, until: u64::from_be_bytes(*until) })
    };
    rows::open::<ROW_BYTES>(VERSION, WAYS, bytes)?.iter().map(row).collect()
}

#[cfg(test)]
mod tests;
