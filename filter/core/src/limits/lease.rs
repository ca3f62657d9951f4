//! How much of a limit that holds across a fleet may this Envoy spend by itself? Leases: batches of a bucket's tokens that the
//! authorization server has granted (`contract`), held in sets of fixed number and size, as bytes for a store that can only
//! compare and swap whole values and never deletes a key (Envoy's shared data).
//!
//! Pure: the adapter reads the set of a tag, calls one of these, and swaps the new bytes in; if another thread was faster it
//! reads again. Every token is granted once and spent once: it counts for [`TERM`] from the moment at which it was asked for,
//! and is lost when it is not spent by then, when there is no room for it, or when the answer that grants it comes to nobody.
//! So what all Envoys together admit in any time T is at most what the bucket grants in T + [`TERM`].

mod contract;

pub use contract::{Ask, Grant, MOST_BUCKETS, body, read};

use std::time::Duration;

use super::rate::Rate;
use super::store::Outcome;
use super::tag::Tag;
use crate::rows;
use crate::salt::Salt;
use crate::time::Timestamp;

/// The number of sets for principals. With [`WAYS`] buckets each, 16384 fit, in some 1.2 MiB.
pub const SETS: u16 = 1024;

/// The number of sets for strangers: no number of them takes a principal's room.
pub const STRANGERS_SETS: u16 = 256;

/// The most buckets of one set.
pub const WAYS: usize = 16;

/// How long tokens count from the moment at which they were asked for.
pub const TERM: Duration = Duration::from_secs(5);

/// The longest that an answer may be waited for: not longer than what it grants would count.
pub const MOST_PATIENCE: Duration = TERM;

/// The part of a bucket's capacity that one Envoy holds at most, besides what requests wait for.
const SHARE: u32 = 8;

/// Threads read the clock in one order and write in another.
const GRACE: Duration = Duration::from_secs(1);

/// Use is counted by so long.
const SECOND: Duration = Duration::from_secs(1);

/// Part of every key, too: a module with another layout uses other keys, because old and new modules share the store
/// during a rollout.
const VERSION: u8 = 1;
const ROW_BYTES: usize = 72;

/// How many tokens, and until when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Batch {
    tokens: u32,
    until: Timestamp,
}

/// What this Envoy has of one bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    tag: Tag,
    /// Spent first.
    older: Batch,
    newer: Batch,
    /// Until then the answer to a question for a batch is awaited, and nobody else asks for one.
    asked: Timestamp,
    /// Before that the bucket has no more, as far as it said.
    dry: Timestamp,
    /// Since when `used` counts, and how many were used in the second before.
    since: Timestamp,
    used: u32,
    before: u32,
}

/// Why tokens are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A request waits for one.
    Now,
    /// Few are left.
    Ahead,
}

/// What became of a request for one token, and the set as it must stand for it to be true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spent {
    /// What became of it, if the bytes can be swapped in.
    pub outcome: Outcome,
    /// Until when the token that was taken counts; for [`give_back`].
    pub until: Timestamp,
    /// Whether so few are left that more should be asked for.
    pub low: bool,
    /// The set's new bytes; `None` if nothing changed.
    pub bytes: Option<Vec<u8>>,
}

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
    encode(&[])
}

/// The most tokens of a bucket of this rate that one Envoy holds ahead of need.
pub const fn share(rate: Rate) -> u32 {
    rate.burst / SHARE
}

/// Takes one token of the bucket of `tag`, of those that are held and of those that `grant` brings, in one step: a request that
/// waited for its grant cannot lose it to another. [`Outcome::Unleased`] where none is held and nothing says that there is none.
pub fn spend(set: Option<&[u8]>, tag: Tag, rate: Rate, grant: Option<&Grant>, now: Timestamp) -> Spent {
    let none = |outcome, bytes| Spent { outcome, until: now, low: false, bytes };
    let Some(mut rows) = decode(set) else { return none(Outcome::Corrupt, None) };
    let mut row = row_of(&mut rows, tag, now);
    if let Some(grant) = grant {
        row.add(grant, rate, now);
    }
    if let Some(until) = row.take(now) {
        let (outcome, low) = (Outcome::Admitted { remaining: row.held(now) }, row.is_low(rate, now));
        return Spent { outcome, until, low, bytes: Some(with(rows, row)) };
    }
    let outcome = match row.dry(rate, now) {
        Some(retry_after) => Outcome::Refused { retry_after },
        None => Outcome::Unleased,
    };
    none(outcome, grant.map(|_| with(rows, row)))
}

/// Gives back a token that [`spend`] took for a request that did not happen: the set's new bytes, or `None` where it is lost.
pub fn give_back(set: Option<&[u8]>, tag: Tag, until: Timestamp, now: Timestamp) -> Option<Vec<u8>> {
    let mut rows = decode(set)?;
    let row = rows.iter_mut().find(|row| row.tag == tag)?;
    // Where its batch has gone meanwhile, another one may count longer.
    let batch = [&mut row.older, &mut row.newer].into_iter().find(|batch| batch.until == until)?;
    batch.tokens = batch.tokens.checked_add(u32::from(now < until))?;
    Some(encode(&rows))
}

/// Keeps what was granted to nobody who waits for it: the set's new bytes, or `None` where it is lost.
pub fn keep(set: Option<&[u8]>, tag: Tag, rate: Rate, grant: &Grant, now: Timestamp) -> Option<Vec<u8>> {
    let mut rows = decode(set)?;
    let mut row = row_of(&mut rows, tag, now);
    row.add(grant, rate, now);
    Some(with(rows, row))
}

/// How many tokens to ask for, with the set's new bytes if that is to be remembered: what use of late calls for, once until the
/// answer has come or `patience` is over, and for who waits one more. `None` where nothing is to be asked.
pub fn want(
    set: Option<&[u8]>,
    (tag, rate): (Tag, Rate),
    need: Need,
    patience: Duration,
    now: Timestamp,
) -> (Option<Ask>, Option<Vec<u8>>) {
    let Some(mut rows) = decode(set) else { return (None, None) };
    let mut row = row_of(&mut rows, tag, now);
    let batch = row.batch(rate, now).saturating_sub(row.held(now));
    let begins = batch > 0 && !is_ahead(row.asked, MOST_PATIENCE, now) && row.dry(rate, now).is_none();
    let tokens = u32::from(need == Need::Now) + if begins { batch } else { 0 };
    if tokens == 0 {
        return (None, None);
    }
    if begins {
        row.asked = now.plus(patience);
    }
    let ask = Ask { tag, rate, tokens: tokens.min(rate.burst.max(1)), batch: begins };
    (Some(ask), begins.then(|| with(rows, row)))
}

// === impl Batch ===

impl Batch {
    /// The tokens that count. One that counts too long was asked for before the clock was set back: how long ago, nobody knows.
    fn alive(self, now: Timestamp) -> u32 {
        if is_ahead(self.until, TERM, now) { self.tokens } else { 0 }
    }
}

// === impl Row ===

impl Row {
    fn new(tag: Tag) -> Self {
        let (none, never) = (Batch::default(), Timestamp::default());
        Self { tag, older: none, newer: none, asked: never, dry: never, since: never, used: 0, before: 0 }
    }

    fn held(&self, now: Timestamp) -> u32 {
        self.older.alive(now).saturating_add(self.newer.alive(now))
    }

    /// One token, the oldest; until when it counts.
    fn take(&mut self, now: Timestamp) -> Option<Timestamp> {
        let batch = [&mut self.older, &mut self.newer].into_iter().find(|batch| batch.alive(now) > 0)?;
        batch.tokens = batch.tokens.saturating_sub(1);
        let until = batch.until;
        if !is_within(self.since, SECOND, now) {
            self.before = self.recent(now);
            (self.since, self.used) = (now, 0);
        }
        self.used = self.used.saturating_add(1);
        Some(until)
    }

    /// How many were used in a second of late.
    fn recent(&self, now: Timestamp) -> u32 {
        match is_within(self.since, SECOND, now) {
            true => self.used.max(self.before),
            false if is_within(self.since, SECOND * 2, now) => self.used,
            false => 0,
        }
    }

    /// How many to hold: for two seconds as the last one was, because the root context asks once a second. None for who comes
    /// now and then: what is held and not used is lost to all.
    fn batch(&self, rate: Rate, now: Timestamp) -> u32 {
        self.recent(now).saturating_sub(1).saturating_mul(2).min(share(rate))
    }

    fn is_low(&self, rate: Rate, now: Timestamp) -> bool {
        let batch = self.batch(rate, now);
        batch > 0 && self.held(now) <= batch / 2
    }

    /// How long there will be none, if that is known: never longer than the bucket needs for one.
    fn dry(&self, rate: Rate, now: Timestamp) -> Option<Duration> {
        is_ahead(self.dry, wait_for_one(rate), now).then(|| self.dry.since(now))
    }

    fn add(&mut self, grant: &Grant, rate: Rate, now: Timestamp) {
        if grant.batch {
            self.asked = Timestamp::default();
        }
        self.dry =
            grant.retry_after.map_or_else(Timestamp::default, |wait| now.plus(wait.min(wait_for_one(rate))));
        let new = Batch { tokens: grant.tokens, until: grant.until };
        if self.older.alive(now) == 0 {
            self.older = std::mem::take(&mut self.newer);
        }
        if self.older.alive(now) == 0 {
            self.older = new;
        } else if self.newer.alive(now) == 0 {
            self.newer = new;
        } else {
            // None counts longer than it was granted for; some count shorter.
            self.newer.tokens = self.newer.tokens.saturating_add(new.tokens);
            self.newer.until = self.newer.until.min(new.until);
        }
    }

    /// Whether forgetting it loses nothing.
    fn is_idle(&self, now: Timestamp) -> bool {
        self.held(now) == 0
            && !is_ahead(self.asked, MOST_PATIENCE, now)
            && self.dry <= now
            && !is_within(self.since, SECOND * 2, now)
    }
}

/// Takes the row of this bucket out, or a new one. Where there is no room the one goes that has the least: tokens are lost by
/// that and never won.
fn row_of(rows: &mut Vec<Row>, tag: Tag, now: Timestamp) -> Row {
    if let Some(at) = rows.iter().position(|row| row.tag == tag) {
        return rows.swap_remove(at);
    }
    if rows.len() >= WAYS {
        rows.retain(|row| !row.is_idle(now));
    }
    if rows.len() >= WAYS
        && let Some((least, _)) = rows.iter().enumerate().min_by_key(|(_, row)| row.held(now))
    {
        rows.swap_remove(least);
    }
    Row::new(tag)
}

/// The bytes of these rows and this one.
fn with(mut rows: Vec<Row>, row: Row) -> Vec<u8> {
    rows.push(row);
    encode(&rows)
}

/// Whether it lies ahead, and not further than it can: else the clock was set back.
fn is_ahead(moment: Timestamp, most: Duration, now: Timestamp) -> bool {
    now < moment && moment <= now.plus(most).plus(GRACE)
}

/// Whether it was less than so long ago.
fn is_within(moment: Timestamp, span: Duration, now: Timestamp) -> bool {
    moment <= now && now.since(moment) < span
}

/// How long a bucket needs for one token.
fn wait_for_one(rate: Rate) -> Duration {
    rate.per / rate.tokens.max(1) + Duration::from_millis(1)
}

fn encode(rows: &[Row]) -> Vec<u8> {
    let row = |row: &Row| {
        let moments = [row.older.until, row.newer.until, row.asked, row.dry, row.since];
        let [older, newer, asked, dry, since] = moments.map(|moment| moment.as_nanos().to_be_bytes());
        let numbers = [row.older.tokens, row.newer.tokens, row.used, row.before].map(u32::to_be_bytes);
        rows::row::<ROW_BYTES>(&[&row.tag.0, &older, &newer, &asked, &dry, &since, numbers.as_flattened()])
    };
    rows::seal(VERSION, rows.iter().map(row))
}

/// The rows of the bytes; `None` unless they are as we write them, each once.
fn decode(bytes: Option<&[u8]>) -> Option<Vec<Row>> {
    let mut read: Vec<Row> = Vec::with_capacity(WAYS);
    for row in rows::open::<ROW_BYTES>(VERSION, WAYS, bytes)? {
        let (tag, rest) = row.split_first_chunk::<16>()?;
        let (moments, numbers) = rest.split_first_chunk::<40>()?;
        let [older, newer, asked, dry, since] = *moments.as_chunks::<8>().0 else { return None };
        let [first, second, used, before] = *numbers.as_chunks::<4>().0 else { return None };
        let moment = |bytes| Timestamp::from_nanos(u64::from_be_bytes(bytes));
        let batch = |tokens, until| Batch { tokens: u32::from_be_bytes(tokens), until: moment(until) };
        if read.iter().any(|other| other.tag.0 == *tag) {
            return None;
        }
        read.push(Row {
            tag: Tag(*tag),
            older: batch(first, older),
            newer: batch(second, newer),
            asked: moment(asked),
            dry: moment(dry),
            since: moment(since),
            used: u32::from_be_bytes(used),
            before: u32::from_be_bytes(before),
        });
    }
    Some(read)
}

fn key(strangers: bool, set: u16) -> String {
    rows::key(if strangers { "stranger-leases" } else { "leases" }, VERSION, set)
}

#[cfg(test)]
mod tests;
