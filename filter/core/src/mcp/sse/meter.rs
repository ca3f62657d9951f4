//! Does an event of a stream that nobody needs to read grow too large? Counts, and keeps no byte.
//!
//! It ends events where [`super::Splitter`] does, so that a stream is cut at the same event whether it is filtered or not.

use super::Overflow;

/// Follows the sizes of a stream's events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meter {
    limit: u64,
    /// Bytes since the last event ended.
    event: u64,
    line: Line,
}

/// What the current line is, as far as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// It has no byte yet.
    Empty,
    /// It has no byte yet, and a line feed would belong to the carriage return before it.
    AfterReturn,
    /// It is a comment outside of an event: a piece of its own.
    Comment,
    /// It has bytes.
    Begun,
}

// === impl Meter ===

impl Meter {
    /// For events of at most `limit` bytes, field names and line ends included.
    pub const fn new(limit: u64) -> Self {
        Self { limit, event: 0, line: Line::Empty }
    }

    /// The next bytes of the stream.
    ///
    /// # Errors
    /// [`Overflow`]: an event is larger than the limit. The stream must be given up.
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), Overflow> {
        let mut rest = bytes;
        while let Some(first) = rest.first() {
            let is_end = matches!(first, b'\n' | b'\r');
            let length = if is_end { 1 } else { line_length(rest) };
            if is_end {
                self.end_line(*first)
            } else {
                self.begin_line(*first, length)
            }
            if self.event > self.limit {
                return Err(Overflow);
            }
            rest = rest.get(length..).unwrap_or_default();
        }
        Ok(())
    }

    fn begin_line(&mut self, first: u8, length: usize) {
        let begins = matches!(self.line, Line::Empty | Line::AfterReturn);
        if begins {
            self.line = if first == b':' && self.event == 0 { Line::Comment } else { Line::Begun };
        }
        self.event = self.event.saturating_add(length as u64);
    }

    fn end_line(&mut self, end: u8) {
        if end == b'\n' && self.line == Line::AfterReturn {
            self.line = Line::Empty;
            // Of an event that goes on; the end of one that is over is not counted for the next.
            self.event = if self.event == 0 { 0 } else { self.event.saturating_add(1) };
            return;
        }
        let over = matches!(self.line, Line::Empty | Line::AfterReturn | Line::Comment);
        self.event = if over { 0 } else { self.event.saturating_add(1) };
        self.line = if end == b'\r' { Line::AfterReturn } else { Line::Empty };
    }
}

fn line_length(bytes: &[u8]) -> usize {
    bytes.iter().position(|b| matches!(b, b'\n' | b'\r')).unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::sse::Splitter;

    /// What the splitter says of the same stream, given in chunks of the same size.
    fn splits(stream: &[u8], limit: usize, chunk: usize) -> bool {
        let mut splitter = Splitter::new(limit);
        stream.chunks(chunk).all(|chunk| splitter.push(chunk, &mut Vec::new()).is_ok())
    }

    fn meters(stream: &[u8], limit: usize, chunk: usize) -> bool {
        let mut meter = Meter::new(limit as u64);
        stream.chunks(chunk).all(|chunk| meter.add(chunk).is_ok())
    }

    #[test]
    fn a_stream_of_small_events_never_ends_and_a_large_event_does() {
        let mut meter = Meter::new(20);
        for _ in 0..1000 {
            assert_eq!(meter.add(b"data: 12345678\n\n: comment\n"), Ok(()));
        }
        assert_eq!(meter.add(b"data: 123456"), Ok(()));
        assert_eq!(meter.add(b"78901234"), Ok(()));
        assert_eq!(meter.add(b"5"), Err(Overflow));
    }

    #[test]
    fn it_refuses_what_the_splitter_refuses_give_or_take_the_line_ends() {
        let pieces: [&[u8]; 8] =
            [b"data: a", b"data: 1234567890", b":", b"id", b"", b"event: x", b"\xff", b": a longer comment"];
        let ends: [&[u8]; 3] = [b"\n", b"\r\n", b"\r"];
        let mut state = 7_u32;
        let mut next = |below: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as usize % below
        };
        for _ in 0..3000 {
            let end = ends[next(3)];
            let stream: Vec<u8> = (0..next(12))
                .flat_map(|_| [pieces[next(8)], end, if next(3) == 0 { end } else { b"" }].concat())
                .collect();
            let limit = 4 + next(40);
            for chunk in [1, 3, 1000] {
                if splits(&stream, limit, chunk) {
                    assert!(meters(&stream, limit, chunk), "limit {limit}, {stream:?}");
                } else {
                    assert!(!meters(&stream, limit - 3, chunk), "limit {limit}, {stream:?}");
                }
            }
        }
    }
}
