//! Which VMs are alive, and what has each under way? One row per VM, which it renews: what a VM that died had under way
//! is known from there, when its term is over.
//!
//! Each VM has a seat of its own, a key that nobody else writes while its term runs. So the numbers cost one plain write
//! each, and only taking a seat, and clearing that of a dead VM, is a swap: of those who find a dead VM, one counts it.
//!
//! Layout: chunks of 16 bytes, sealed as rows: (holder 8, until 8) (undecided 4, decided 4, streams 4, 0) (held 8, 0), then
//! (issuer 8, keys since 8) for each issuer.

use std::time::Duration;

use super::streams::{self, Holder};
use crate::rows;
use crate::time::Timestamp;

/// The number of seats: more VMs than this have no row. Envoy has one VM a worker and one besides, twice as many while a
/// new module takes over.
pub const SEATS: u16 = 512;

/// How long a VM counts as alive that says nothing.
pub const TERM: Duration = streams::TERM;

/// The most issuers, and feeds of issuers, of one VM of which it is told when they were last heard.
pub const ISSUERS: usize = 128;

/// Part of every key, too: see [`streams`].
const VERSION: u8 = 2;
const CHUNK: usize = 16;

/// What stands for an issuer in a row: the first 64 bits of the SHA-256 of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IssuerTag(pub u64);

/// What one VM has under way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Exchanges without a decision record.
    pub undecided: u32,
    /// Exchanges with a decision record and no completion record.
    pub decided: u32,
    /// Of those, answers that are event streams.
    pub streams: u32,
    /// Bytes held of unfinished events.
    pub held: u64,
    /// When the keys of each issuer were fetched, `None` where there are none that may be used, and each feed was heard. At most
    /// [`ISSUERS`].
    pub keys: Vec<(IssuerTag, Option<Timestamp>)>,
}

/// What one VM last said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Who.
    pub holder: Holder,
    /// It counts as alive before this time.
    pub until: Timestamp,
    /// What it has under way.
    pub load: Load,
}

/// What stands on a seat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seat {
    /// Nobody.
    Free,
    /// A VM that is alive.
    Taken(Row),
    /// A VM whose term is over: it died with this under way.
    Lapsed(Row),
    /// The bytes are not ours.
    Corrupt,
}

/// All live VMs together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// How many they are.
    pub vms: u64,
    /// Exchanges under way.
    pub exchanges: u64,
    /// Answers that are event streams.
    pub streams: u64,
    /// Bytes held of unfinished events.
    pub held: u64,
    /// Of those, the most that one VM holds.
    pub fullest: u64,
    /// By issuer: when the oldest keys were fetched, and how many VMs have none.
    pub keys: Vec<(IssuerTag, Option<Timestamp>, u64)>,
}

/// The key of a seat.
pub fn seat_key(seat: u16) -> String {
    rows::key("vms", VERSION, seat)
}

/// The keys of all seats. The adapter creates at start those that are absent, with [`free`].
pub fn all_keys() -> impl DoubleEndedIterator<Item = String> {
    (0..SEATS).map(seat_key)
}

/// The bytes of a seat on which nobody sits.
pub fn free() -> Vec<u8> {
    rows::seal::<CHUNK>(VERSION, [].into_iter())
}

/// What the bytes of a seat say.
pub fn read(bytes: &[u8], now: Timestamp) -> Seat {
    let Some(chunks) = rows::open::<CHUNK>(VERSION, 3 + ISSUERS, Some(bytes)) else { return Seat::Corrupt };
    match decode(chunks) {
        _ if chunks.is_empty() => Seat::Free,
        None => Seat::Corrupt,
        Some(row) if row.until > now => Seat::Taken(row),
        Some(row) => Seat::Lapsed(row),
    }
}

/// Whether the row promises more than a term from now: its VM wrote it before the clock was set back. It is to be written
/// anew with a term from now, or that of a dead VM would stand until the clock is there again.
pub fn is_beyond(row: &Row, now: Timestamp) -> bool {
    row.until > now.plus(TERM)
}

/// The bytes of a row whose term begins now, and when that ends.
pub fn write(holder: Holder, load: &Load, now: Timestamp) -> (Vec<u8>, Timestamp) {
    let until = now.plus(TERM);
    let head = [
        rows::row(&[&holder.0.to_be_bytes(), &until.as_nanos().to_be_bytes()]),
        rows::row(&[
            &load.undecided.to_be_bytes(),
            &load.decided.to_be_bytes(),
            &load.streams.to_be_bytes(),
            &[0; 4],
        ]),
        rows::row(&[&load.held.to_be_bytes(), &[0; 8]]),
    ];
    let keys = load.keys.iter().take(ISSUERS).map(|(issuer, since)| {
        let since = since.map_or(0, |since| since.as_nanos().max(1));
        rows::row::<CHUNK>(&[&issuer.0.to_be_bytes(), &since.to_be_bytes()])
    });
    let chunks: Vec<_> = head.into_iter().chain(keys).collect();
    (rows::seal(VERSION, chunks.into_iter()), until)
}

// === impl IssuerTag ===

impl IssuerTag {
    /// The tag of an issuer by its name, which is its URL.
    pub fn of(issuer: &str) -> Self {
        Self::named(b"issuer", issuer)
    }

    /// The same of its feed of revocations.
    pub fn of_feed(issuer: &str) -> Self {
        Self::named(b"feed", issuer)
    }

    fn named(kind: &[u8], issuer: &str) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = rows::name(kind, &[issuer.as_bytes()]);
        Self(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }
}

// === impl Totals ===

impl Totals {
    /// Adds one live VM.
    pub fn add(&mut self, load: &Load) {
        self.vms += 1;
        self.exchanges += u64::from(load.undecided) + u64::from(load.decided);
        self.streams += u64::from(load.streams);
        self.held = self.held.saturating_add(load.held);
        self.fullest = self.fullest.max(load.held);
        for (issuer, since) in &load.keys {
            if !self.keys.iter().any(|(of, ..)| of == issuer) {
                self.keys.push((*issuer, None, 0));
            }
            let found = self.keys.iter_mut().find(|(of, ..)| of == issuer);
            let Some((_, oldest, missing)) = found else { continue };
            match (since, &oldest) {
                (None, _) => *missing += 1,
                (Some(since), Some(known)) if known <= since => {}
                (Some(since), _) => *oldest = Some(*since),
            }
        }
    }
}

fn decode(chunks: &[[u8; CHUNK]]) -> Option<Row> {
    let [who, counts, held, keys @ ..] = chunks else { return None };
    let (holder, until) = pair(who);
    let (first, second) = pair(counts);
    let (held, _) = pair(held);
    let keys = keys.iter().map(|key| {
        let (issuer, since) = pair(key);
        (IssuerTag(issuer), (since != 0).then(|| Timestamp::from_nanos(since)))
    });
    let load = Load {
        undecided: high(first),
        decided: low(first),
        streams: high(second),
        held,
        keys: keys.collect(),
    };
    Some(Row { holder: Holder(holder), until: Timestamp::from_nanos(until), load })
}

fn pair(chunk: &[u8; CHUNK]) -> (u64, u64) {
    let both = u128::from_be_bytes(*chunk);
    (
        u64::try_from(both >> 64).unwrap_or_default(),
        u64::try_from(both & u128::from(u64::MAX)).unwrap_or_default(),
    )
}

fn high(number: u64) -> u32 {
    u32::try_from(number >> 32).unwrap_or_default()
}

fn low(number: u64) -> u32 {
    u32::try_from(number & u64::from(u32::MAX)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn a_vm_counts_as_alive_for_a_term_and_is_found_dead_with_what_it_had() {
        let load = Load { undecided: 3, decided: 2, streams: 1, held: 70, ..Load::default() };
        let (bytes, until) = write(Holder(9), &load, at(100));
        let row = Row { holder: Holder(9), until, load };
        assert_eq!(until, at(130));
        assert_eq!(read(&bytes, at(129)), Seat::Taken(row.clone()));
        assert_eq!(read(&bytes, at(130)), Seat::Lapsed(row.clone()));
        assert!(!is_beyond(&row, at(100)) && is_beyond(&row, at(99)), "a clock that was set back");
        assert_eq!(read(&free(), at(0)), Seat::Free);
    }

    #[test]
    fn totals_know_the_oldest_keys_and_who_has_none() {
        let (one, two) = (IssuerTag::of("https://one"), IssuerTag::of("https://two"));
        let load = |held, keys: &[(IssuerTag, Option<Timestamp>)]| Load {
            undecided: 1,
            decided: 4,
            streams: 2,
            held,
            keys: keys.to_vec(),
        };
        let mut totals = Totals::default();
        for load in [
            load(5, &[(one, Some(at(50))), (two, None)]),
            load(9, &[(one, Some(at(40))), (two, None)]),
            load(2, &[(one, Some(at(45)))]),
        ] {
            totals.add(&load);
        }
        let keys = vec![(one, Some(at(40)), 0), (two, None, 2)];
        assert_eq!(totals, Totals { vms: 3, exchanges: 15, streams: 6, held: 16, fullest: 9, keys });
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            numbers in any::<(u64, u32, u32, u32, u64)>(),
            keys in prop::collection::vec((any::<u64>(), prop::option::of(1..u64::MAX)), 0..ISSUERS),
        ) {
            let (holder, undecided, decided, streams, held) = numbers;
            let keys = keys.into_iter().map(|(i, t)| (IssuerTag(i), t.map(Timestamp::from_nanos))).collect();
            let load = Load { undecided, decided, streams, held, keys };
            let (bytes, until) = write(Holder(holder), &load, at(1));
            prop_assert_eq!(read(&bytes, at(1)), Seat::Taken(Row { holder: Holder(holder), until, load }));
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..90)) {
            let _ = read(&bytes, at(1));
        }
    }
}
