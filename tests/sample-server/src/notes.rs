//! What is stored? Notes in memory, the same six after every start; all clients share them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use schemars::JsonSchema;
use serde::Serialize;

/// One note.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Note {
    /// Its name: letters, digits and dashes.
    pub(crate) id: String,
    /// One line.
    pub(crate) title: String,
    /// Any text.
    pub(crate) body: String,
    /// How often it was written, from 1.
    pub(crate) version: u32,
}

/// All notes, ordered by id, shared by every session.
#[derive(Clone, Debug)]
pub(crate) struct Notes(Arc<Mutex<BTreeMap<String, Note>>>);

/// Why a note was not written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum WriteRefused {
    /// The id is empty, longer than 64, or has other characters than letters, digits and dashes.
    BadId,
    /// There are already [`CAPACITY`] notes.
    Full,
    /// Title or body are over [`BODY_LIMIT`] bytes.
    TooLong,
}

/// How many notes there may be: a server that anybody may write to must not grow for ever.
pub(crate) const CAPACITY: usize = 1_000;
/// The longest title or body, in bytes.
pub(crate) const BODY_LIMIT: usize = 64 * 1024;

const SEED: [(&str, &str, &str); 6] = [
    ("welcome", "Welcome", "These notes are shared by everybody who may read them."),
    ("release-plan", "Release plan", "Freeze on Monday, release on Thursday, notes by Friday."),
    ("on-call", "On-call rota", "Week 1: Alice. Week 2: Bob. Escalate to the duty manager."),
    ("incident-42", "Incident 42", "Disk full on the report host; fixed by rotating the logs."),
    ("ideas", "Ideas", "Dark mode; search by tag; a weekly digest of the report."),
    ("vendor-list", "Vendors", "Paper: Quill Ltd. Coffee: Roast & Co. Cables: Copper Bros."),
];

// === impl Notes ===

impl Default for Notes {
    fn default() -> Self {
        let seeded = SEED.map(|(id, title, body)| {
            (id.to_owned(), Note { id: id.into(), title: title.into(), body: body.into(), version: 1 })
        });
        Self(Arc::new(Mutex::new(BTreeMap::from(seeded))))
    }
}

impl Notes {
    /// The note of this id.
    #[must_use]
    pub(crate) fn get(&self, id: &str) -> Option<Note> {
        self.lock().get(id).cloned()
    }

    /// Every note, ordered by id.
    #[must_use]
    pub(crate) fn all(&self) -> Vec<Note> {
        self.lock().values().cloned().collect()
    }

    /// Notes whose id, title or body contain `text` (letter case does not matter), at most `limit` of them.
    #[must_use]
    pub(crate) fn search(&self, text: &str, limit: usize) -> Vec<Note> {
        let wanted = text.to_lowercase();
        let matches = |note: &&Note| {
            [&note.id, &note.title, &note.body].iter().any(|part| part.to_lowercase().contains(&wanted))
        };
        self.lock().values().filter(matches).take(limit).cloned().collect()
    }

    /// Creates the note or replaces its title and body.
    ///
    /// # Errors
    /// [`WriteRefused`]; nothing is changed then.
    pub(crate) fn write(&self, id: &str, title: &str, body: &str) -> Result<Note, WriteRefused> {
        if !is_id(id) {
            return Err(WriteRefused::BadId);
        }
        if title.len() > BODY_LIMIT || body.len() > BODY_LIMIT {
            return Err(WriteRefused::TooLong);
        }
        let mut notes = self.lock();
        if notes.len() >= CAPACITY && !notes.contains_key(id) {
            return Err(WriteRefused::Full);
        }
        let version = notes.get(id).map_or(1, |note| note.version.saturating_add(1));
        let note = Note { id: id.into(), title: title.into(), body: body.into(), version };
        notes.insert(id.into(), note.clone());
        Ok(note)
    }

    /// Removes the note; `false` when there was none.
    #[must_use]
    pub(crate) fn delete(&self, id: &str) -> bool {
        self.lock().remove(id).is_some()
    }

    // No code between lock and unlock can panic half-way through a change, so a poisoned map is still a good one.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Note>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl WriteRefused ===

impl std::fmt::Display for WriteRefused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::BadId => f.write_str("the id must be 1 to 64 letters, digits or dashes"),
            Self::Full => write!(f, "there are already {CAPACITY} notes: delete one first"),
            Self::TooLong => write!(f, "title and body may have {BODY_LIMIT} bytes each"),
        }
    }
}

fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::{CAPACITY, Notes, WriteRefused};

    #[test]
    fn search_ignores_letter_case_and_honours_the_limit() {
        let notes = Notes::default();
        let ids: Vec<_> = notes.search("REPORT", 10).into_iter().map(|note| note.id).collect();
        assert_eq!(ids, ["ideas", "incident-42"]);
        assert_eq!(notes.search("", 3).len(), 3);
    }

    #[test]
    fn writing_counts_versions_and_deleting_forgets() {
        let notes = Notes::default();
        assert_eq!(notes.write("a", "t", "b").unwrap().version, 1);
        assert_eq!(notes.write("a", "t", "c").unwrap().version, 2);
        assert_eq!(notes.get("a").unwrap().body, "c");
        assert!(notes.delete("a"));
        assert!(!notes.delete("a"));
        assert_eq!(notes.get("a"), None);
    }

    #[test]
    fn refused_writes_change_nothing() {
        let notes = Notes::default();
        let before = notes.all();
        for id in ["", "a/b", "ä", &"x".repeat(65)] {
            assert_eq!(notes.write(id, "t", "b"), Err(WriteRefused::BadId), "{id:?}");
        }
        assert_eq!(notes.write("a", "t", &"x".repeat(70_000)), Err(WriteRefused::TooLong));
        assert_eq!(notes.all(), before);
        for number in before.len()..CAPACITY {
            notes.write(&format!("n{number}"), "", "").unwrap();
        }
        assert_eq!(notes.write("one-more", "", ""), Err(WriteRefused::Full));
        assert_eq!(notes.write("n10", "again", "").unwrap().version, 2);
    }
}
