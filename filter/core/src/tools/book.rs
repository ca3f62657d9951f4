//! What was seen of the tools of a server? One page for each server, as bytes for a store that can only compare and swap
//! whole values and never deletes a key (Envoy's shared data): all workers of an Envoy read the same page.
//!
//! Pure: the adapter reads the page and swaps the new bytes in; if another thread was faster, it asks again. A page is never
//! emptied and none of its rows gives way, because a server that could push out what it showed first could show it anew.

use super::digest::Digest;
use crate::rows;
use crate::time::Timestamp;

/// The most tools of one server that are remembered.
pub const MAX_TOOLS: usize = 1000;

/// Part of every key, too: a module with another layout uses other keys, because old and new modules share the store during
/// a rollout.
const VERSION: u8 = 1;
const ROW_BYTES: usize = 57;

/// The tools of one server as they were seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Book {
    /// In the order of what stands for their names.
    rows: Vec<Row>,
}

/// One tool as it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    name: Name,
    /// The digest with which it was seen first, and accepted; zeros until then.
    first: [u8; 16],
    /// The digest with which it was seen last; zeros for what has none.
    last: [u8; 16],
    /// When it was seen first, nanoseconds since the epoch.
    since: u64,
    /// What was found in it last.
    pub(super) flaws: Flaws,
}

/// What stands for a tool's name in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name([u8; 16]);

/// What is wrong with an entry, whatever it was before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flaws(u8);

// === impl Flaws ===

impl Flaws {
    /// Readers may read it differently, or it is too long.
    pub const UNREADABLE: Self = Self(1);
    /// Hidden characters stand in titles or descriptions.
    pub const HIDDEN_IN_PROSE: Self = Self(2);
    /// Hidden characters stand elsewhere.
    pub const HIDDEN_BEYOND: Self = Self(4);
    /// Another server showed a tool of this name before.
    pub const SHADOWS: Self = Self(8);

    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether any of `these` is among them.
    pub const fn have(self, these: Self) -> bool {
        self.0 & these.0 != 0
    }

    /// These, if `found`, else none.
    #[must_use]
    pub const fn when(self, found: bool) -> Self {
        if found { self } else { Self(0) }
    }
}

// === impl Name ===

impl Name {
    /// Of the tool called so, whatever its server.
    pub fn of(tool: &str) -> Self {
        Self(rows::name(b"tool", &[tool.as_bytes()]))
    }
}

// === impl Row ===

impl Row {
    /// Whether it is what it was when it was accepted; so is what never was.
    pub(super) fn is_as_first(&self) -> bool {
        self.first == [0; 16] || self.first == self.last
    }

    /// Whether `digest` is the one with which it was seen last.
    pub(super) fn was_last(&self, digest: &Digest) -> bool {
        self.last == digest.half()
    }

    /// Whether any definition of it was.
    pub(super) fn was_accepted(&self) -> bool {
        self.first != [0; 16]
    }

    /// Accepts what was seen last as what it is to be, where nothing was accepted before.
    pub(super) fn accept(&mut self) {
        if self.first == [0; 16] {
            self.first = self.last;
        }
    }
}

// === impl Book ===

impl Book {
    /// The key of the page of the server of that name.
    pub fn key(server: &str) -> String {
        let mut key = rows::key("tools", VERSION, 0);
        key.push('.');
        let name = rows::name(b"server", &[server.as_bytes()]);
        key.extend(
            name.iter()
                .flat_map(|byte| [byte >> 4, byte & 0xf])
                .filter_map(|d| char::from_digit(d.into(), 16)),
        );
        key
    }

    /// The bytes of a page on which nothing stands. The adapter creates those of all servers that need one.
    pub fn empty() -> Vec<u8> {
        Self::default().bytes()
    }

    /// Reads a page; `None` unless it is as we write it, each tool once.
    pub fn read(bytes: Option<&[u8]>) -> Option<Self> {
        let mut rows: Vec<Row> = Vec::new();
        for row in rows::open::<ROW_BYTES>(VERSION, MAX_TOOLS, bytes)? {
            let (name, rest) = row.split_first_chunk::<16>()?;
            let (first, rest) = rest.split_first_chunk::<16>()?;
            let (last, rest) = rest.split_first_chunk::<16>()?;
            let (since, rest) = rest.split_first_chunk::<8>()?;
            let [flaws] = rest else { return None };
            let (name, since) = (Name(*name), u64::from_be_bytes(*since));
            rows.push(Row { name, first: *first, last: *last, since, flaws: Flaws(*flaws) });
        }
        rows.is_sorted_by(|a, b| a.name < b.name).then_some(Self { rows })
    }

    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        rows::seal(
            VERSION,
            self.rows.iter().map(|row| {
                let since = row.since.to_be_bytes();
                rows::row::<ROW_BYTES>(&[&row.name.0, &row.first, &row.last, &since, &[row.flaws.0]])
            }),
        )
    }

    /// The tool of that name, if it was seen.
    pub fn row(&self, name: Name) -> Option<&Row> {
        self.find(name).ok().and_then(|at| self.rows.get(at))
    }

    /// When it was seen first.
    pub fn since(&self, name: Name) -> Option<Timestamp> {
        self.row(name).map(|row| Timestamp::from_nanos(row.since))
    }

    /// Whether no other tool can be remembered.
    pub fn is_full(&self) -> bool {
        self.rows.len() >= MAX_TOOLS
    }

    fn find(&self, name: Name) -> Result<usize, usize> {
        self.rows.binary_search_by_key(&name, |row| row.name)
    }

    /// Notes how a tool looks now. `None` where there is no room for another.
    pub(super) fn note(
        &mut self,
        name: Name,
        digest: Option<&Digest>,
        flaws: Flaws,
        now: Timestamp,
    ) -> Option<&mut Row> {
        let noted = self.as_noted(name, digest, flaws, now);
        let at = match self.find(name) {
            Ok(at) => at,
            Err(_) if self.is_full() => return None,
            Err(at) => {
                self.rows.insert(at, noted);
                at
            }
        };
        let row = self.rows.get_mut(at)?;
        *row = noted;
        Some(row)
    }

    /// The row of a tool if it was noted so.
    pub(super) fn as_noted(&self, name: Name, digest: Option<&Digest>, flaws: Flaws, now: Timestamp) -> Row {
        let since = now.as_nanos();
        let row = self.row(name).copied();
        let row = row.unwrap_or(Row { name, first: [0; 16], last: [0; 16], since, flaws });
        Row { last: digest.map_or([0; 16], Digest::half), flaws, ..row }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(tools: usize) -> Book {
        let mut book = Book::default();
        for i in 0..tools {
            let digest = Digest::of(&i.to_be_bytes());
            let now = Timestamp::from_secs(i as u64);
            book.note(Name::of(&i.to_string()), Some(&digest), Flaws::default(), now);
        }
        book
    }

    #[test]
    fn a_page_is_read_as_it_was_written_and_no_other() {
        for tools in [0, 1, 50, MAX_TOOLS] {
            let book = noted(tools);
            assert_eq!(Book::read(Some(&book.bytes())), Some(book));
        }
        assert_eq!(Book::read(None), Some(Book::default()));
        let mut bytes = noted(2).bytes();
        bytes[10] ^= 1;
        assert_eq!(Book::read(Some(&bytes)), None);
        assert_eq!(Book::read(Some(b"\0")), None);
    }

    #[test]
    fn a_full_page_takes_no_other_tool_and_loses_none() {
        let mut book = noted(MAX_TOOLS + 5);
        assert!(book.is_full());
        assert!(book.note(Name::of("another"), None, Flaws::default(), Timestamp::from_secs(1)).is_none());
        let first = Digest::of(&0_usize.to_be_bytes());
        assert!(book.row(Name::of("0")).unwrap().was_last(&first));
        assert!(book.note(Name::of("0"), None, Flaws::UNREADABLE, Timestamp::from_secs(9)).is_some());
        assert_eq!(book.since(Name::of("0")), Some(Timestamp::from_secs(0)), "the first time stays");
    }

    #[test]
    fn each_server_has_a_page_of_its_own() {
        assert_ne!(Book::key("a"), Book::key("b"));
        assert_eq!(Book::key("notes").len(), "wicketgate.tools.v1.000.".len() + 32);
    }
}
