//! Does a name match what a rule says? Exact, or with one `*`: no regular expressions, nothing to backtrack.

/// One pattern of a rule.
///
/// - without `*`: the name itself, byte for byte
/// - `*` at the end: the part before it, then anything, also nothing and also separators (`files/*`, `db_*`, `*`)
/// - `*` as a whole segment between the separators `/`, `:` and `.` (or the beginning): one or more characters other
///   than the separators that bound it (`repo:*:read`, `https://*.example.com/x`)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Shape);

/// Why a text is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatternFault {
    /// Nothing at all.
    Empty,
    /// More than one `*`.
    ManyStars,
    /// A `*` that is neither at the end nor a whole segment, such as `a*b`.
    InsideSegment,
    /// A control character, or a space at either end: no name holds one, so it is a slip.
    Unprintable,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Shape {
    Exact(String),
    Prefix(String),
    /// The segment lies between `left` (its last character bounds it; empty at the beginning) and `right`.
    Segment {
        left: String,
        right: String,
        bounds: (Option<char>, char),
    },
}

const SEPARATORS: [char; 3] = ['/', ':', '.'];

// === impl Pattern ===

impl Pattern {
    /// Compiles `text`.
    ///
    /// # Errors
    /// [`PatternFault`] for anything that could be read in two ways.
    pub fn parse(text: &str) -> Result<Self, PatternFault> {
        if text.is_empty() {
            return Err(PatternFault::Empty);
        }
        if text.chars().any(char::is_control) || text.trim() != text {
            return Err(PatternFault::Unprintable);
        }
        let Some((left, right)) = text.split_once('*') else {
            return Ok(Self(Shape::Exact(text.to_owned())));
        };
        if right.contains('*') {
            return Err(PatternFault::ManyStars);
        }
        let Some(after) = right.chars().next() else { return Ok(Self(Shape::Prefix(left.to_owned()))) };
        let before = left.chars().next_back();
        let bounded = before.is_none_or(|c| SEPARATORS.contains(&c)) && SEPARATORS.contains(&after);
        if !bounded {
            return Err(PatternFault::InsideSegment);
        }
        Ok(Self(Shape::Segment { left: left.to_owned(), right: right.to_owned(), bounds: (before, after) }))
    }

    /// The pattern that matches everything.
    pub fn any() -> Self {
        Self(Shape::Prefix(String::new()))
    }

    /// Whether `name` matches.
    pub fn matches(&self, name: &str) -> bool {
        match &self.0 {
            Shape::Exact(text) => text == name,
            Shape::Prefix(left) => name.starts_with(left.as_str()),
            Shape::Segment { left, right, bounds } => name
                .strip_prefix(left.as_str())
                .and_then(|rest| rest.strip_suffix(right.as_str()))
                .is_some_and(|s| !s.is_empty() && !s.chars().any(|c| Some(c) == bounds.0 || c == bounds.1)),
        }
    }

    /// Whether a URI in normal form matches, as what is allowed: a `*` that is a segment stands for no part of a query or a
    /// fragment, behind which the rest of the pattern would say nothing of the host or the path.
    pub(crate) fn allows_uri(&self, uri: &str) -> bool {
        let within = |left: &str, right: &str| uri.get(left.len()..uri.len().checked_sub(right.len())?);
        let segment = match &self.0 {
            Shape::Segment { left, right, .. } => within(left, right),
            _ => None,
        };
        self.matches(uri) && !segment.is_some_and(|segment| segment.contains(['?', '#']))
    }

    /// Whether everything that `other` matches is matched by this one too.
    pub fn covers(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (_, Shape::Exact(text)) => self.matches(text),
            (Shape::Prefix(left), Shape::Prefix(o) | Shape::Segment { left: o, .. }) => {
                o.starts_with(left.as_str())
            }
            (Shape::Segment { .. }, Shape::Segment { .. }) => self == other,
            (Shape::Exact(_) | Shape::Segment { .. }, _) => false,
        }
    }

    /// The pattern as written.
    pub fn to_text(&self) -> String {
        match &self.0 {
            Shape::Exact(text) => text.clone(),
            Shape::Prefix(left) => format!("{left}*"),
            Shape::Segment { left, right, .. } => format!("{left}*{right}"),
        }
    }

    /// The text before the `*`, or all of it; what every match begins with.
    pub fn literal_prefix(&self) -> &str {
        match &self.0 {
            Shape::Exact(text) => text,
            Shape::Prefix(left) | Shape::Segment { left, .. } => left,
        }
    }

    /// Whether everything that begins with [`Pattern::literal_prefix`] matches.
    pub(crate) const fn is_prefix(&self) -> bool {
        matches!(self.0, Shape::Prefix(_))
    }

    /// Where a text that stood at `at` stands after one more byte, for [`crate::policy::template`]; `None` when no text that
    /// begins so matches. Every text begins at 0, and those that match stand at [`Pattern::end`] when they are over.
    ///
    /// Bytes will do for characters: what bounds a segment is ASCII.
    pub(crate) fn next(&self, at: usize, byte: u8) -> Option<usize> {
        let is = |text: &str, at: usize| text.as_bytes().get(at) == Some(&byte);
        match &self.0 {
            Shape::Exact(text) => is(text, at).then_some(at + 1),
            Shape::Prefix(left) if at < left.len() => is(left, at).then_some(at + 1),
            Shape::Prefix(_) => Some(at),
            Shape::Segment { left, right, bounds } => match at.checked_sub(left.len()) {
                None => is(left, at).then_some(at + 1),
                // The first of the segment, or one more.
                Some(0 | 1) if Some(char::from(byte)) != bounds.0 && char::from(byte) != bounds.1 => {
                    Some(left.len() + 1)
                }
                Some(behind) => is(right, behind.checked_sub(1)?).then_some(at + 1),
            },
        }
    }

    /// See [`Pattern::next`].
    pub(crate) fn end(&self) -> usize {
        match &self.0 {
            Shape::Exact(text) | Shape::Prefix(text) => text.len(),
            Shape::Segment { left, right, .. } => left.len() + 1 + right.len(),
        }
    }
}

// === impl PatternFault ===

impl PatternFault {
    /// What is wrong and what is accepted, as one sentence without a full stop.
    pub const fn explain(self) -> &'static str {
        match self {
            Self::Empty => "an empty pattern matches no name; write the name, or \"*\" for every name",
            Self::ManyStars => "a pattern holds one `*` at most: at the end, or as a whole segment",
            Self::InsideSegment => {
                "`*` stands at the end (`db_*`) or is a whole segment between `/`, `:` or `.` (`repo:*:read`), not \
                 inside one"
            }
            Self::Unprintable => "no control characters, and no space at either end",
        }
    }
}

#[cfg(test)]
mod tests;
