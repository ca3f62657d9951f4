//! How does a record lie in the file? One table of JSON values by name, each with the time it ends, and an index by
//! that time for the sweeper.

use redb::{
    Database, Durability, ReadTransaction, ReadableDatabase as _, ReadableTable, Table, TableDefinition,
    WriteTransaction,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::super::backend::Row;
use super::super::{StoreError, parse, written};
use crate::clock::UnixTime;

/// Name -> (end, JSON).
const RECORDS: TableDefinition<'static, &str, (u64, &[u8])> = TableDefinition::new("records");
/// (end, name) -> nothing.
const ENDS: TableDefinition<'static, (u64, &str), ()> = TableDefinition::new("ends");

/// Both tables inside one write transaction.
pub(super) struct Tx<'txn> {
    records: Table<'txn, &'static str, (u64, &'static [u8])>,
    ends: Table<'txn, (u64, &'static str), ()>,
}

/// The records as of one moment.
pub(super) struct Records(redb::ReadOnlyTable<&'static str, (u64, &'static [u8])>);

// === impl Tx ===

impl<'txn> Tx<'txn> {
    pub(super) fn of(transaction: &'txn WriteTransaction) -> Result<Self, StoreError> {
        Ok(Self {
            records: transaction.open_table(RECORDS).map_err(backend)?,
            ends: transaction.open_table(ENDS).map_err(backend)?,
        })
    }

    /// The record of this name unless it has expired.
    pub(super) fn row(&self, key: &str, now: UnixTime) -> Result<Option<Row>, StoreError> {
        row(&self.records, key, now)
    }

    /// What a record says, and when it ends.
    pub(super) fn read<T: DeserializeOwned>(
        &self,
        key: &str,
        now: UnixTime,
    ) -> Result<Option<(T, UnixTime)>, StoreError> {
        self.row(key, now)?.map(|row| Ok((parse(key, &row)?, row.until))).transpose()
    }

    /// Keeps or replaces what a record says.
    pub(super) fn write<T: Serialize>(
        &mut self,
        key: &str,
        value: &T,
        until: UnixTime,
    ) -> Result<(), StoreError> {
        self.put(key, &written(value)?, until)
    }

    /// Keeps or replaces a record.
    pub(super) fn put(&mut self, key: &str, json: &[u8], until: UnixTime) -> Result<(), StoreError> {
        let replaced = self.records.insert(key, (until.0, json)).map_err(backend)?;
        let replaced_end = replaced.map(|entry| entry.value().0);
        if let Some(end) = replaced_end.filter(|end| *end != until.0) {
            self.ends.remove((end, key)).map_err(backend)?;
        }
        if replaced_end != Some(until.0) {
            self.ends.insert((until.0, key), ()).map_err(backend)?;
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, key: &str) -> Result<(), StoreError> {
        let end = self.records.remove(key).map_err(backend)?.map(|entry| entry.value().0);
        if let Some(end) = end {
            self.ends.remove((end, key)).map_err(backend)?;
        }
        Ok(())
    }

    /// The record of this name unless it has expired; it is gone afterwards.
    pub(super) fn take(&mut self, key: &str, now: UnixTime) -> Result<Option<Row>, StoreError> {
        let found = self.row(key, now)?;
        self.remove(key)?;
        Ok(found)
    }

    /// Adds one to a number; it starts anew when `until` of its first use has passed.
    pub(super) fn count(&mut self, key: &str, until: UnixTime, now: UnixTime) -> Result<u32, StoreError> {
        let (sum, until) = match self.read::<u32>(key, now)? {
            Some((sum, end)) => (sum.saturating_add(1), end),
            None => (1, until),
        };
        self.write(key, &sum, until)?;
        Ok(sum)
    }

    /// Takes one from a number that is there.
    pub(super) fn uncount(&mut self, key: &str, now: UnixTime) -> Result<(), StoreError> {
        match self.read::<u32>(key, now)? {
            Some((sum, end)) => self.write(key, &sum.saturating_sub(1), end),
            None => Ok(()),
        }
    }

    /// Removes at most `most` values that have expired.
    pub(super) fn sweep(&mut self, now: UnixTime, most: usize) -> Result<usize, StoreError> {
        let mut names = Vec::new();
        // Up to and including `now`: a value ends at the moment it names.
        for entry in self.ends.range(..(now.0.saturating_add(1), "")).map_err(backend)?.take(most) {
            names.push(entry.map_err(backend)?.0.value().1.to_owned());
        }
        for name in &names {
            self.remove(name)?;
        }
        Ok(names.len())
    }
}

// === impl Records ===

impl Records {
    pub(super) fn of(transaction: &ReadTransaction) -> Result<Self, StoreError> {
        transaction.open_table(RECORDS).map(Self).map_err(backend)
    }

    /// The record of this name unless it has expired.
    pub(super) fn row(&self, key: &str, now: UnixTime) -> Result<Option<Row>, StoreError> {
        row(&self.0, key, now)
    }

    /// The records whose names lie from `first` to `last`, in their order, but for those that have expired.
    pub(super) fn range(
        &self,
        first: &str,
        last: &str,
        most: usize,
        now: UnixTime,
    ) -> Result<Vec<(String, Row)>, StoreError> {
        let mut rows = Vec::new();
        for entry in self.0.range(first..=last).map_err(backend)? {
            let (key, value) = entry.map_err(backend)?;
            rows.extend(unexpired(value.value(), now).map(|row| (key.value().to_owned(), row)));
            if rows.len() >= most {
                break;
            }
        }
        Ok(rows)
    }
}

/// Makes both tables, so that readers find them.
pub(super) fn create(database: &Database) -> Result<(), StoreError> {
    let transaction = begin(database)?;
    drop(Tx::of(&transaction)?);
    transaction.commit().map_err(backend)?;
    Records::of(&database.begin_read().map_err(backend)?).map(drop)
}

/// A write transaction whose commit is on disk when it returns.
pub(super) fn begin(database: &Database) -> Result<WriteTransaction, StoreError> {
    let mut transaction = database.begin_write().map_err(backend)?;
    transaction.set_durability(Durability::Immediate).map_err(backend)?;
    Ok(transaction)
}

pub(super) fn backend(error: impl std::fmt::Display) -> StoreError {
    StoreError::Backend(error.to_string())
}

fn row(
    records: &impl ReadableTable<&'static str, (u64, &'static [u8])>,
    key: &str,
    now: UnixTime,
) -> Result<Option<Row>, StoreError> {
    Ok(records.get(key).map_err(backend)?.and_then(|entry| unexpired(entry.value(), now)))
}

fn unexpired((end, json): (u64, &[u8]), now: UnixTime) -> Option<Row> {
    (now.0 < end).then(|| Row { json: json.to_vec(), until: UnixTime(end), written: String::new() })
}
