//! What lies in the file, for another store? Its names tell the kinds apart.

use super::super::backend::Row;
use super::super::transfer::{Item, Page};
use super::super::{StoreError, parse};
use super::tables::Records;
use super::{LISTS, log};
use crate::clock::UnixTime;

/// Items on one page.
const PAGE: usize = 500;
/// What the names of counters begin with.
const COUNTERS: &str = "rl:";

/// The items after a name.
pub(super) fn page(records: &Records, after: &str, now: UnixTime) -> Result<Page, StoreError> {
    let rows = records.range(&format!("{after}\0"), "\u{10FFFF}", PAGE, now)?;
    let next = rows.last().filter(|_| rows.len() == PAGE).map(|(key, _)| key.clone());
    let items = rows.iter().filter_map(|(key, row)| item(key, row).transpose());
    Ok(Page { items: items.collect::<Result<_, _>>()?, next })
}

/// Where the log stands is its own affair: another one counts anew.
fn item(key: &str, row: &Row) -> Result<Option<Item>, StoreError> {
    if key == log::HEAD {
        return Ok(None);
    }
    if key.starts_with(log::ENTRIES) {
        return Ok(Some(Item::Revocation(parse(key, row)?)));
    }
    if key.starts_with(COUNTERS) {
        return Ok(Some(Item::Counter { key: key.to_owned(), sum: parse(key, row)?, until: row.until }));
    }
    match key.strip_prefix(LISTS).and_then(|rest| rest.split_once('\n')) {
        Some((list, name)) => {
            Ok(Some(Item::Listed { list: list.to_owned(), name: name.to_owned(), until: row.until }))
        }
        None => Item::record(key, row).map(Some),
    }
}
