//! How does the log of revocations lie in the file? One record each, named by its number, and one for where the log stands.

use serde::{Deserialize, Serialize};

use super::super::backend::NEVER;
use super::super::feed::{News, Place, Revocation};
use super::super::{StoreError, parse};
use super::tables::{Records, Tx};
use crate::clock::UnixTime;
use crate::secret::random_text;

/// The name of the record that says where the log stands.
pub(super) const HEAD: &str = "revocations";
/// What the names of entries begin with.
pub(super) const ENTRIES: &str = "rv:";

#[derive(Serialize, Deserialize)]
struct Head {
    epoch: String,
    seq: u64,
}

/// Adds an entry.
pub(super) fn announce(tx: &mut Tx<'_>, revocation: &Revocation) -> Result<(), StoreError> {
    let mut head = begin(tx)?;
    head.seq += 1;
    tx.write(&entry_key(head.seq), revocation, revocation.until)?;
    tx.write(HEAD, &head, NEVER)
}

/// Where the log stands; begins one where there is none.
pub(super) fn place(tx: &mut Tx<'_>) -> Result<Place, StoreError> {
    let Head { epoch, seq } = begin(tx)?;
    Ok(Place { epoch, seq })
}

/// What came after a place; all, where that is not one of this log. `None` where there is no log yet.
pub(super) fn news(
    records: &Records,
    after: Option<&Place>,
    now: UnixTime,
) -> Result<Option<News>, StoreError> {
    let Some(row) = records.row(HEAD, now)? else { return Ok(None) };
    let Head { epoch, seq } = parse(HEAD, &row)?;
    let since = after.filter(|after| after.epoch == epoch && after.seq <= seq).map_or(0, |after| after.seq);
    let entries = records.range(&entry_key(since + 1), &entry_key(u64::MAX), usize::MAX, now)?;
    let revocations = entries.iter().map(|(key, row)| parse(key, row)).collect::<Result<_, _>>()?;
    Ok(Some(News { place: Place { epoch, seq }, since, revocations }))
}

fn begin(tx: &mut Tx<'_>) -> Result<Head, StoreError> {
    if let Some((head, _)) = tx.read(HEAD, UnixTime::default())? {
        return Ok(head);
    }
    let epoch = random_text::<12>()?;
    let head = Head { epoch, seq: 0 };
    tx.write(HEAD, &head, NEVER)?;
    Ok(head)
}

/// Numbers of one width lie in their order.
fn entry_key(seq: u64) -> String {
    format!("{ENTRIES}{seq:020}")
}
