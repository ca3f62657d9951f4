//! Where does it stand how tools were last listed? In sets of fixed number and size, as [`crate::bindings::table`] has them.
//!
//! A full set gives up the tool that was listed longest ago; what is not known is not read-only.

use std::time::Duration;

use super::listed::{Listed, ToolTag};
use crate::rows;
use crate::salt::Salt;
use crate::time::Timestamp;

/// The number of sets. With [`WAYS`] tools each, 8192 fit, in under 400 KiB.
pub const SETS: u16 = 512;

/// The most tools of one set.
pub const WAYS: usize = 16;

/// How exactly it is known when a tool was listed last: the store is not written for every list.
const GRAIN: Duration = Duration::from_secs(60);

/// Part of every key, too.
const VERSION: u8 = 2;
const ROW_BYTES: usize = 41;
/// Bits of a row's flags.
const READ_ONLY: u8 = 1;
const REPEATABLE: u8 = 2;

/// One tool as it stands in a set.
#[derive(Clone, Copy)]
struct Row {
    tag: ToolTag,
    listed: Listed,
    seen: u64,
}

/// The key of the set that holds `tag`.
pub fn set_key(tag: ToolTag, salt: Salt) -> String {
    rows::key("tools", VERSION, salt.set_of(tag.0, SETS))
}

/// The keys of all sets; the adapter creates at start those that are absent, with [`empty_set`].
pub fn all_keys() -> impl DoubleEndedIterator<Item = String> {
    (0..SETS).map(|set| rows::key("tools", VERSION, set))
}

/// The bytes of a set without tools.
pub fn empty_set() -> Vec<u8> {
    encode(&[])
}

/// How a tool was last listed; `None` where that is not known, or the bytes are none of ours.
pub fn recall(set: Option<&[u8]>, tag: ToolTag) -> Option<Listed> {
    decode(set)?.iter().find(|row| row.tag == tag).map(|row| row.listed)
}

/// Keeps how a tool is listed now. The set's new bytes, `None` if nothing changes.
///
/// # Errors
/// The bytes are none of ours.
pub fn learn(
    set: Option<&[u8]>,
    tag: ToolTag,
    listed: Listed,
    now: Timestamp,
) -> Result<Option<Vec<u8>>, Corrupt> {
    let mut rows = decode(set).ok_or(Corrupt)?;
    let new = Row { tag, listed, seen: now.as_nanos() };
    let grain = u64::try_from(GRAIN.as_nanos()).unwrap_or(u64::MAX);
    if let Some(row) = rows.iter_mut().find(|row| row.tag == tag) {
        if row.listed == listed && row.seen.abs_diff(new.seen) < grain {
            return Ok(None);
        }
        *row = new;
    } else if rows.len() < WAYS {
        rows.push(new);
    } else if let Some(oldest) = rows.iter_mut().min_by_key(|row| row.seen) {
        *oldest = new;
    }
    Ok(Some(encode(&rows)))
}

/// The bytes of a set are not as we write them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt;

fn encode(rows: &[Row]) -> Vec<u8> {
    let row = |row: &Row| {
        let bit = |set: bool, bit: u8| if set { bit } else { 0 };
        let flags = [bit(row.listed.read_only, READ_ONLY) | bit(row.listed.repeatable, REPEATABLE)];
        rows::row::<ROW_BYTES>(&[&row.tag.0, &row.listed.digest, &flags, &row.seen.to_be_bytes()])
    };
    rows::seal(VERSION, rows.iter().map(row))
}

fn decode(bytes: Option<&[u8]>) -> Option<Vec<Row>> {
    let mut rows: Vec<Row> = Vec::with_capacity(WAYS);
    for row in rows::open::<ROW_BYTES>(VERSION, WAYS, bytes)? {
        let (tag, rest) = row.split_first_chunk::<16>()?;
        let (digest, rest) = rest.split_first_chunk::<16>()?;
        let ([flags], rest) = rest.split_first_chunk::<1>()?;
        let (seen, _) = rest.split_first_chunk::<8>()?;
        let known_twice = rows.iter().any(|other| other.tag.0 == *tag);
        if known_twice || *flags > READ_ONLY | REPEATABLE {
            return None;
        }
        let is = |bit: u8| flags & bit != 0;
        let listed = Listed { digest: *digest, read_only: is(READ_ONLY), repeatable: is(REPEATABLE) };
        rows.push(Row { tag: ToolTag(*tag), listed, seen: u64::from_be_bytes(*seen) });
    }
    Some(rows)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Corrupt, Listed, Timestamp, ToolTag, WAYS, empty_set, learn, recall};

    const READ: &[u8] = br#"{"name":"a","annotations":{"readOnlyHint":true}}"#;
    const WRITE: &[u8] = br#"{"name":"a"}"#;

    #[test]
    fn the_last_list_counts() {
        let (tag, other) = (ToolTag::of("s", "a"), ToolTag::of("t", "a"));
        let at = Timestamp::from_secs;
        assert_eq!(recall(None, tag), None);
        let set = learn(None, tag, Listed::read(READ), at(1)).unwrap().unwrap();
        assert_eq!(recall(Some(&set), tag), Some(Listed::read(READ)));
        assert_eq!(recall(Some(&set), other), None, "the tool of another server");
        assert_eq!(learn(Some(&set), tag, Listed::read(READ), at(30)), Ok(None), "nothing is new");
        let set = learn(Some(&set), tag, Listed::read(WRITE), at(2)).unwrap().unwrap();
        assert!(!recall(Some(&set), tag).unwrap().read_only);
        let again = Listed::read(br#"{"name":"a","annotations":{"idempotentHint":true}}"#);
        let set = learn(Some(&set), tag, again, at(3)).unwrap().unwrap();
        assert_eq!(recall(Some(&set), tag), Some(again));
    }

    #[test]
    fn a_full_set_forgets_what_was_listed_longest_ago() {
        let mut set = empty_set();
        let tag = |at: usize| ToolTag::of("s", &at.to_string());
        for at in 0..=WAYS {
            let now = Timestamp::from_secs(at as u64);
            set = learn(Some(&set), tag(at), Listed::read(READ), now).unwrap().unwrap();
        }
        assert_eq!(recall(Some(&set), tag(0)), None);
        assert!((1..=WAYS).all(|at| recall(Some(&set), tag(at)).is_some()));
    }

    proptest! {
        #[test]
        fn other_bytes_are_nothing_known(bytes in proptest::collection::vec(any::<u8>(), 0..90)) {
            prop_assert_eq!(recall(Some(&bytes), ToolTag::of("s", "a")), None);
            let learnt = learn(Some(&bytes), ToolTag::of("s", "a"), Listed::read(READ), Timestamp::from_secs(1));
            prop_assert_eq!(learnt, Err(Corrupt));
        }
    }
}
