//! How does a record lie in the file? One table of JSON values by name, each with the time it ends, and an index by
//! that time for the sweeper.

use redb::{
    Database, Durability, ReadTransaction, ReadableDatabase as _, ReadableTable, Table, TableDefinition,
    WriteTransaction,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::super::StoreError;
use crate::clock::UnixTime;

/// Name -> (end, JSON).
const RECORDS: TableDefinition<'static, &str, (u64, &[u8])> = TableDefinition::new("records");
/// (end, name) -> nothing.
const ENDS: TableDefinition<'static, (u64, &str), ()> = TableDefinition::new("ends");

/// A value and when it ends.
pub(super) struct Row<T> {
    pub(super) value: T,
    pub(super) expires_at: UnixTime,
}

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

    /// The value of this name unless it has expired.
    pub(super) fn row<T: DeserializeOwned>(
        &self,
        key: &str,
        now: UnixTime,
    ) -> Result<Option<Row<T>>, StoreError> {
        row(&self.records, key, now)
    }

    /// Keeps or replaces a value. Serialization comes first: a value that cannot be written changes nothing.
    pub(super) fn put<T: Serialize>(
        &mut self,
        key: &str,
        value: &T,
        until: UnixTime,
    ) -> Result<(), StoreError> {
        let json = serde_json::to_vec(value).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let replaced = self.records.insert(key, (until.0, json.as_slice())).map_err(backend)?;
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

    /// The value of this name unless it has expired; it is gone afterwards.
    pub(super) fn take<T: DeserializeOwned>(
        &mut self,
        key: &str,
        now: UnixTime,
    ) -> Result<Option<T>, StoreError> {
        let found = self.row(key, now)?.map(|row| row.value);
        self.remove(key)?;
        Ok(found)
    }

    /// Adds one to a number; it starts anew when `until` of its first use has passed.
    pub(super) fn count(&mut self, key: &str, until: UnixTime, now: UnixTime) -> Result<u32, StoreError> {
        let (sum, until) = match self.row::<u32>(key, now)? {
            Some(row) => (row.value.saturating_add(1), row.expires_at),
            None => (1, until),
        };
        self.put(key, &sum, until)?;
        Ok(sum)
    }

    /// Takes one from a number that is there.
    pub(super) fn uncount(&mut self, key: &str, now: UnixTime) -> Result<(), StoreError> {
        match self.row::<u32>(key, now)? {
            Some(row) => self.put(key, &row.value.saturating_sub(1), row.expires_at),
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

    /// The value of this name unless it has expired.
    pub(super) fn row<T: DeserializeOwned>(
        &self,
        key: &str,
        now: UnixTime,
    ) -> Result<Option<Row<T>>, StoreError> {
        row(&self.0, key, now)
    }

    /// The values whose names lie from `first` to `last`, in their order, but for those that have expired.
    pub(super) fn range<T: DeserializeOwned>(
        &self,
        first: &str,
        last: &str,
        now: UnixTime,
    ) -> Result<Vec<T>, StoreError> {
        let mut values = Vec::new();
        for entry in self.0.range(first..=last).map_err(backend)? {
            let (key, value) = entry.map_err(backend)?;
            let (end, json) = value.value();
            if now.0 < end {
                values.push(parse(key.value(), json)?);
            }
        }
        Ok(values)
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

fn row<T: DeserializeOwned>(
    records: &impl ReadableTable<&'static str, (u64, &'static [u8])>,
    key: &str,
    now: UnixTime,
) -> Result<Option<Row<T>>, StoreError> {
    let Some(entry) = records.get(key).map_err(backend)? else { return Ok(None) };
    let (end, json) = entry.value();
    if end <= now.0 {
        return Ok(None);
    }
    Ok(Some(Row { value: parse(key, json)?, expires_at: UnixTime(end) }))
}

/// The message of serde_json may quote the value, which is nobody's business.
fn parse<T: DeserializeOwned>(key: &str, json: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(json).map_err(|error| {
        let kind = key.split_once(':').map_or(key, |(kind, _)| kind);
        StoreError::Corrupt(format!("record of kind {kind}, column {}", error.column()))
    })
}
