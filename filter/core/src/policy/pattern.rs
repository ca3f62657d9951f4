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

/// One step of a pattern, for comparing it with what a URI template can expand to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// This character.
    Literal(char),
    /// One character other than these two.
    Other(Option<char>, char),
    /// Any number of characters other than these two.
    Others(Option<char>, char),
    /// Anything, also nothing.
    Rest,
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

    /// The pattern taken apart, for [`crate::policy::template`].
    pub(crate) fn steps(&self) -> Vec<Step> {
        let literals = |text: &str| text.chars().map(Step::Literal).collect::<Vec<_>>();
        match &self.0 {
            Shape::Exact(text) => literals(text),
            Shape::Prefix(left) => [literals(left), vec![Step::Rest]].concat(),
            Shape::Segment { left, right, bounds: (before, after) } => {
                let run = vec![Step::Other(*before, *after), Step::Others(*before, *after)];
                [literals(left), run, literals(right)].concat()
            }
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
