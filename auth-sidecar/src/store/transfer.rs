//! How does all that a store keeps get into another one? Item by item, in a form that is no store's own: a backup, or a move from
//! a file to Redis and back.

use std::io::BufRead;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::backend::{NEVER, Row};
use super::feed::Revocation;
use super::operations::WITHDRAWN;
use super::{Store, StoreError};
use crate::clock::UnixTime;

/// The version of the records' names and forms. A store of a newer one is refused, one of an older one is migrated.
pub const SCHEMA: u32 = 1;
/// The record that says it.
const SCHEMA_KEY: &str = "schema";
/// What it says while an import goes on: no version, so that no program of any version uses what is only there in part.
const UNFINISHED: u32 = 0;

/// One thing that a store keeps.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Item {
    /// A record.
    Record {
        /// Its name.
        key: String,
        /// What it says.
        value: Box<RawValue>,
        /// When it ends.
        until: UnixTime,
    },
    /// A counter.
    Counter {
        /// Its name.
        key: String,
        /// How far it got.
        sum: u32,
        /// When it starts anew.
        until: UnixTime,
    },
    /// A name on a list.
    Listed {
        /// The list.
        list: String,
        /// The name.
        name: String,
        /// When it ends.
        until: UnixTime,
    },
    /// An entry of the log of revocations.
    Revocation(Revocation),
}

/// Some of the items, and where the others begin.
#[derive(Debug, Default)]
pub struct Page {
    /// The items.
    pub items: Vec<Item>,
    /// Where to go on; `None` at the end.
    pub next: Option<String>,
}

/// Why what was exported cannot be taken over.
#[derive(Debug, thiserror::Error)]
pub enum UnfitExport {
    /// It cannot be read.
    #[error(transparent)]
    Input(#[from] std::io::Error),
    /// A line is no item.
    #[error("line {line}: column {column}")]
    Line {
        /// The line, counted from 1.
        line: usize,
        /// The column, counted from 1.
        column: usize,
    },
    /// Another version of this program wrote it.
    #[error(
        "line {line}: the export has schema {found} and this program has {SCHEMA}: import it with a program of that schema, nothing \
         was written"
    )]
    Schema {
        /// The line, counted from 1.
        line: usize,
        /// What it says.
        found: Value,
    },
    /// Nothing says of which version it is.
    #[error("no line says which schema the export has: it is not whole, nothing was written")]
    Incomplete,
    /// It was cut off, or changed.
    #[error(
        "the export has {items} items and its last line says {}: it is not whole, nothing was written",
        .said.map_or_else(|| "nothing of it".to_owned(), |said| said.to_string())
    )]
    Cut {
        /// How many there are.
        items: usize,
        /// How many were written.
        said: Option<usize>,
    },
}

/// The last line of an export: how many came before it. What was cut off between two lines shows by it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    end: usize,
}

/// As much of a line as every version must have, so that it says which one it is: the record of that.
#[derive(Deserialize)]
struct Loose {
    record: LooseRecord,
}

#[derive(Deserialize)]
struct LooseRecord {
    key: String,
    value: Value,
}

// === impl Item ===

impl Item {
    /// A record as it lies in a store.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] for what is no JSON.
    pub fn record(key: &str, row: &Row) -> Result<Self, StoreError> {
        let value = serde_json::from_slice(&row.json);
        let value = value.map_err(|_| StoreError::Corrupt("a record is no JSON".into()))?;
        Ok(Self::Record { key: key.to_owned(), value, until: row.until })
    }

    /// Whether it ends something, that may be imported before it or after.
    fn withdraws(&self) -> bool {
        match self {
            Self::Record { key, .. } => key.starts_with(WITHDRAWN),
            Self::Revocation(_) => true,
            Self::Counter { .. } | Self::Listed { .. } => false,
        }
    }

    fn says_the_version(&self) -> bool {
        matches!(self, Self::Record { key, .. } if key == SCHEMA_KEY)
    }
}

/// The value of the record that says the version.
fn version(version: u32) -> Vec<u8> {
    version.to_string().into_bytes()
}

/// What an export of so many items ends with.
pub fn end(items: usize) -> String {
    serde_json::json!(End { end: items }).to_string()
}

/// Everything that was exported, where this program can take it over. Every store that was ever used has the record that says its
/// version, at whatever place it stands; a newer one may have lines that cannot be read here, and that is then why.
///
/// # Errors
/// [`UnfitExport`].
pub fn read(from: impl BufRead) -> Result<Vec<Item>, UnfitExport> {
    let (mut items, mut unread, mut said, mut end) = (Vec::new(), None, false, None);
    for (line, text) in (1..).zip(from.lines()) {
        let text = text?;
        if let Some(found) = schema_of(&text) {
            if found != SCHEMA {
                return Err(UnfitExport::Schema { line, found });
            }
            said = true;
        }
        match (serde_json::from_str(&text), serde_json::from_str::<End>(&text)) {
            (Ok(item), _) => items.push(item),
            (_, Ok(last)) => end = Some(last.end),
            (Err(error), _) if unread.is_none() => {
                unread = Some(UnfitExport::Line { line, column: error.column() });
            }
            _ => {}
        }
    }
    match unread {
        Some(unread) => Err(unread),
        None if !said && !items.is_empty() => Err(UnfitExport::Incomplete),
        None if end != Some(items.len()) => Err(UnfitExport::Cut { items: items.len(), said: end }),
        None => Ok(items),
    }
}

/// The version that a line says, if it is the line that does.
fn schema_of(line: &str) -> Option<Value> {
    let Loose { record } = serde_json::from_str(line).ok()?;
    (record.key == SCHEMA_KEY).then_some(record.value)
}

// === impl Store ===

impl Store {
    /// Some of what is kept: from the beginning, or where an earlier page ended. Each item is as it is at this moment; what is
    /// written meanwhile may be in it or not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn export(&self, place: Option<&str>, now: UnixTime) -> Result<Page, StoreError> {
        self.backend.dump(place, now).await
    }

    /// Takes over all that another store kept; this one is empty, and refused by every server until all of it is there. What withdraws
    /// comes before what it withdraws.
    ///
    /// # Errors
    /// [`StoreError`]; then it can only be removed, and imported into again.
    pub async fn import_all(&self, items: Vec<Item>, now: UnixTime) -> Result<usize, StoreError> {
        if !self.is_empty(now).await? {
            return Err(match self.get::<u32>(SCHEMA_KEY, UnixTime::default()).await? {
                Some(UNFINISHED) => StoreError::UnfinishedImport,
                _ => StoreError::NotEmpty,
            });
        }
        let imported = items.len();
        if !self.backend.put_new(SCHEMA_KEY, version(UNFINISHED), NEVER, UnixTime::default()).await? {
            return Err(StoreError::NotEmpty);
        }
        let items = items.into_iter().filter(|item| !item.says_the_version());
        let (first, rest) = items.partition::<Vec<_>, _>(Item::withdraws);
        for item in first.into_iter().chain(rest) {
            self.import(item, now).await?;
        }
        self.backend.put(SCHEMA_KEY, version(SCHEMA), NEVER).await?;
        Ok(imported)
    }

    /// Takes over an item of another store. What is there already under its name is replaced.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn import(&self, item: Item, now: UnixTime) -> Result<(), StoreError> {
        match item {
            Item::Record { key, value, until } => {
                self.backend.put(&key, value.get().as_bytes().to_vec(), until).await
            }
            Item::Counter { key, sum, until } => self.backend.set_count(&key, sum, until).await,
            Item::Listed { list, name, until } => self.backend.list_add(&list, &name, until, now).await,
            Item::Revocation(revocation) => self.backend.announce(revocation).await,
        }
    }

    /// Whether nothing that matters has been kept yet.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn is_empty(&self, now: UnixTime) -> Result<bool, StoreError> {
        let mut place = None;
        loop {
            let page = self.export(place.as_deref(), now).await?;
            if !page.items.is_empty() {
                return Ok(false);
            }
            match page.next {
                Some(next) => place = Some(next),
                None => return Ok(true),
            }
        }
    }

    /// The version of the records' names and forms; where there is none yet, it becomes ours.
    ///
    /// # Errors
    /// [`StoreError::Schema`] for a version that this program does not know, or that must be migrated first, and
    /// [`StoreError::UnfinishedImport`].
    pub async fn admit_schema(&self) -> Result<(), StoreError> {
        if self.backend.put_new(SCHEMA_KEY, version(SCHEMA), NEVER, UnixTime::default()).await? {
            return Ok(());
        }
        match self.get::<u32>(SCHEMA_KEY, UnixTime::default()).await? {
            Some(SCHEMA) | None => Ok(()),
            Some(UNFINISHED) => Err(StoreError::UnfinishedImport),
            Some(other) => Err(StoreError::Schema(other)),
        }
    }
}
