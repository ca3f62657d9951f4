//! Where does one event of an event stream end and the next begin, however the bytes arrive?
//!
//! Follows the WHATWG HTML standard, section 9.2.6 "Interpreting an event stream". Every byte comes out again, in order;
//! what of it a client may read is for [`crate::sanitize::stream`] to say.

pub mod meter;

/// A piece of the stream that may be passed on at once: an event with the blank line that ends it, or a comment, a blank
/// line, a byte order mark outside of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its bytes as received.
    pub raw: Vec<u8>,
    /// The `data` lines, joined by newlines; `None` without any.
    pub data: Option<Vec<u8>>,
}

/// An event is larger than allowed; what follows cannot be split any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow;

/// Cuts a stream into events.
#[derive(Debug)]
pub struct Splitter {
    limit: usize,
    /// Bytes of the event that is not complete; while a chunk is cut, the pieces before `start` have been given out.
    carry: Vec<u8>,
    start: usize,
    /// Up to where the carry holds complete lines, and up to where it was searched for the end of the next.
    line: usize,
    searched: usize,
    /// Whether the last line ended in a bare carriage return.
    bare_return: bool,
    at_start: bool,
}

/// The room for bytes that is kept when an event is over, though nothing needs it: small events come again and again.
const KEPT_ROOM: usize = 4096;

/// The byte order mark that a stream may begin with.
pub(crate) const MARK: &[u8] = b"\xef\xbb\xbf";

// === impl Splitter ===

impl Splitter {
    /// For a stream whose events are at most `limit` bytes long, field names and line ends included.
    pub fn new(limit: usize) -> Self {
        Self { limit, carry: Vec::new(), start: 0, line: 0, searched: 0, bare_return: false, at_start: true }
    }

    /// How many bytes wait for the end of their event.
    pub fn held(&self) -> usize {
        self.carry.len()
    }

    /// Takes the next bytes of the stream and appends the pieces that are complete now to `out`.
    ///
    /// # Errors
    /// [`Overflow`]: `out` holds what came before the event that is too large. The stream must be given up.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<Event>) -> Result<(), Overflow> {
        self.carry.extend_from_slice(chunk);
        while let Some(end) = self.next_end() {
            if end - self.start > self.limit {
                return Err(self.give_up());
            }
            let raw = self.carry.get(self.start..end).unwrap_or_default().to_vec();
            self.start = end;
            out.push(self.event(raw));
        }
        self.carry.drain(..self.start);
        self.line -= self.start;
        self.searched -= self.start;
        self.start = 0;
        // Or each of many streams would keep the room of its largest event, which nobody counts.
        if self.carry.len() < self.carry.capacity() / 4 {
            self.carry.shrink_to(KEPT_ROOM.max(2 * self.carry.len()));
        }
        if self.carry.len() > self.limit { Err(self.give_up()) } else { Ok(()) }
    }

    /// Takes the end of the stream. Gives what is left: clients should drop an event without its blank line, but some do
    /// not, so it counts as one.
    pub fn finish(&mut self) -> Option<Event> {
        let raw = std::mem::take(&mut self.carry);
        (self.line, self.searched) = (0, 0);
        if raw.is_empty() { None } else { Some(self.event(raw)) }
    }

    fn give_up(&mut self) -> Overflow {
        self.carry = Vec::new();
        (self.start, self.line, self.searched) = (0, 0, 0);
        Overflow
    }

    /// The end of the first complete piece in the carry. A byte order mark is a piece of its own.
    fn next_end(&mut self) -> Option<usize> {
        if self.at_start && self.carry.starts_with(MARK) {
            (self.line, self.searched) = (MARK.len(), MARK.len());
            return Some(MARK.len());
        }
        loop {
            let unsearched = self.carry.get(self.searched..)?;
            let Some(found) = unsearched.iter().position(|b| matches!(b, b'\n' | b'\r')) else {
                self.searched = self.carry.len();
                return None;
            };
            let at = self.searched + found;
            self.searched = at;
            let blank = at == self.line;
            // Nothing but whole comments can stand before a line that begins a piece.
            let comment = self.line == self.start && self.carry.get(self.start) == Some(&b':');
            let ends = blank || comment;
            let end = self.line_end(at, ends)?;
            (self.line, self.searched) = (end, end);
            if ends {
                return Some(end);
            }
        }
    }

    /// Where the line end at `at` is over; `None` as long as a line feed may still belong to it.
    ///
    /// A stream that ends its lines with bare carriage returns must not wait for a byte that comes with the next event
    /// only: there the piece is over at once, and a line feed after it is a piece of its own.
    fn line_end(&mut self, at: usize, ends_piece: bool) -> Option<usize> {
        if self.carry.get(at) == Some(&b'\n') {
            self.bare_return = false;
            return Some(at + 1);
        }
        if ends_piece && self.bare_return {
            return Some(at + 1);
        }
        self.bare_return = *self.carry.get(at + 1)? != b'\n';
        Some(if self.bare_return { at + 1 } else { at + 2 })
    }

    fn event(&mut self, raw: Vec<u8>) -> Event {
        self.at_start = false;
        Event { data: data_of(&raw), raw }
    }
}

/// The lines of `bytes`, each with its line end.
pub(crate) fn lines(bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let length = rest.iter().position(|b| matches!(b, b'\n' | b'\r')).unwrap_or(rest.len());
        let (line, tail) = rest.split_at(length);
        let end = if tail.starts_with(b"\r\n") { 2 } else { tail.len().min(1) };
        let (end, tail) = tail.split_at(end);
        rest = tail;
        Some((line, end))
    })
}

/// The value of a `data` line; `None` for any other line.
pub(crate) fn data_value(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(b"data")?;
    match rest.strip_prefix(b":") {
        Some(value) => Some(value.strip_prefix(b" ").unwrap_or(value)),
        None => rest.is_empty().then_some(rest),
    }
}

fn data_of(fields: &[u8]) -> Option<Vec<u8>> {
    let mut data: Option<Vec<u8>> = None;
    for value in lines(fields).filter_map(|(line, _)| data_value(line)) {
        match &mut data {
            Some(data) => {
                data.push(b'\n');
                data.extend_from_slice(value);
            }
            None => data = Some(value.to_vec()),
        }
    }
    data
}

#[cfg(test)]
mod tests;
