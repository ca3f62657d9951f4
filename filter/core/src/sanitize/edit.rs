//! Which bytes of an answer change? Ranges and what replaces them, so that every other byte stays as it came.

use std::borrow::Cow;
use std::ops::Range;

use crate::order;

/// A range of the body, and what replaces it.
#[derive(Debug)]
pub(super) struct Edit {
    pub(super) range: Range<usize>,
    pub(super) with: Cow<'static, str>,
}

/// The cuts of one array or object, found element by element so that exactly one comma goes with each element.
#[derive(Default)]
pub(super) struct Cuts {
    kept_one: bool,
    /// Where the removed elements begin that no kept one precedes.
    from: Option<usize>,
    last_end: usize,
}

// === impl Edit ===

impl Edit {
    pub(super) fn new(range: Range<usize>, with: impl Into<Cow<'static, str>>) -> Self {
        Self { range, with: with.into() }
    }
}

// === impl Cuts ===

impl Cuts {
    /// Takes the next element, which may stay or not; says what is to be cut because of it.
    pub(super) fn element(&mut self, span: &Range<usize>, kept: bool) -> Option<Edit> {
        let cut = match (kept, self.kept_one) {
            (true, _) => self.from.take().map(|from| from..span.start),
            // From behind the element before, comma included.
            (false, true) => Some(self.last_end..span.end),
            (false, false) => {
                self.from.get_or_insert(span.start);
                None
            }
        };
        self.kept_one |= kept;
        self.last_end = span.end;
        cut.map(|range| Edit::new(range, ""))
    }

    /// Nothing was kept at all: the brackets and the white space at their inside stay.
    pub(super) fn end(self) -> Option<Edit> {
        self.from.map(|from| Edit::new(from..self.last_end, ""))
    }
}

/// The body with all edits made; they do not overlap.
pub(super) fn apply(body: &[u8], mut edits: Vec<Edit>) -> Vec<u8> {
    order::sort_by(&mut edits, |a, b| a.range.start.cmp(&b.range.start));
    let mut out = Vec::with_capacity(body.len() + 32);
    let mut at = 0;
    for Edit { range, with } in edits {
        out.extend_from_slice(body.get(at..range.start).unwrap_or_default());
        out.extend_from_slice(with.as_bytes());
        at = range.end;
    }
    out.extend_from_slice(body.get(at..).unwrap_or_default());
    out
}
