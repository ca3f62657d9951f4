//! Which revision of MCP does a request speak, and what is true in that revision?

/// A dated revision of the protocol that the gateway knows, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Revision {
    /// 2025-03-26: streamable HTTP, no version header.
    R20250326,
    /// 2025-06-18: version header, no batching.
    R20250618,
    /// 2025-11-25: tasks, SSE polling.
    R20251125,
    /// 2026-07-28: stateless; version and method in headers and `_meta`.
    R20260728,
}

/// The specification's own two eras (basic/versioning.mdx of 2026-07-28).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// Begins with `initialize`.
    Legacy,
    /// Every request carries its version.
    Modern,
}

/// What becomes of revisions that are newer than all known ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Newer {
    /// They are refused: what they mean is not known.
    #[default]
    Refuse,
    /// They are read as the newest known one.
    Inspect,
}

// === impl Newer ===

impl Newer {
    /// Whether the revision of this date is to be read as the newest.
    pub fn inspects(self, date: &str) -> bool {
        self == Self::Inspect && Revision::is_newer(date)
    }
}

// === impl Revision ===

impl Revision {
    /// All known revisions, oldest first.
    pub const ALL: [Self; 4] = [Self::R20250326, Self::R20250618, Self::R20251125, Self::R20260728];

    /// The date, as it stands in `MCP-Protocol-Version`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::R20250326 => "2025-03-26",
            Self::R20250618 => "2025-06-18",
            Self::R20251125 => "2025-11-25",
            Self::R20260728 => "2026-07-28",
        }
    }

    /// The revision of that exact date.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.as_str() == text)
    }

    /// The newest of all.
    pub const NEWEST: Self = Self::R20260728;

    /// Whether `text` is the date of a revision that is newer than all known ones.
    fn is_newer(text: &str) -> bool {
        let dated = text.len() == 10
            && text.bytes().enumerate().all(|(at, b)| match at {
                4 | 7 => b == b'-',
                _ => b.is_ascii_digit(),
            });
        dated && text > Self::NEWEST.as_str()
    }

    /// The era it belongs to.
    pub const fn era(self) -> Era {
        match self {
            Self::R20260728 => Era::Modern,
            _ => Era::Legacy,
        }
    }
}
