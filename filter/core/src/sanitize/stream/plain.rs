//! How is an event written so that every client reads in it what was judged?
//!
//! Clients disagree on where a line ends: the WHATWG HTML standard (section 9.2.6) says at a line feed, a carriage return or
//! both; some know line feeds alone (Go's `bufio.Scanner`), some also U+0085, U+2028 and the separators of ASCII (Python's
//! `str.splitlines`). They disagree on white space around fields, too. What one takes for a comment, another takes for data.

use crate::denial::Denial;
use crate::mcp::sse::{MARK, data_value, lines};

/// Fields that say something beside the data.
const FIELDS: [&[u8]; 3] = [b"event", b"id", b"retry"];

/// Characters beyond ASCII that end a line for some, and how JSON writes them.
const ENDS: [(&[u8], &[u8]); 3] =
    [(b"\xc2\x85", br"\u0085"), (b"\xe2\x80\xa8", br"\u2028"), (b"\xe2\x80\xa9", br"\u2029")];

/// Writes the event `raw` with `data` in place of its data: lines end in a line feed, JSON stands on one of them, what is no
/// field of the standard is left out, and so is a byte order mark.
///
/// # Errors
/// `UnsafeResponse`: a character that ends a line for some clients only stands where it cannot be written otherwise. Nothing
/// was written.
pub(super) fn write(raw: &[u8], data: &[u8], out: &mut Vec<u8>) -> Result<(), Denial> {
    if raw == MARK {
        return Ok(());
    }
    let before = out.len();
    let written = write_lines(raw, data, out);
    if written.is_err() {
        out.truncate(before);
    }
    written
}

fn write_lines(raw: &[u8], data: &[u8], out: &mut Vec<u8>) -> Result<(), Denial> {
    let mut data = Some(data);
    for (line, end) in lines(raw) {
        if data_value(line).is_some() {
            let Some(data) = data.take() else { continue };
            write_data(data, out)?;
        } else if line.is_empty() || line.starts_with(b":") || is_field(line) {
            out.extend_from_slice(undisputed(line)?);
        } else {
            continue;
        }
        if !end.is_empty() {
            out.push(b'\n');
        }
    }
    Ok(())
}

fn is_field(line: &[u8]) -> bool {
    let name = line.split(|b| *b == b':').next().unwrap_or_default();
    FIELDS.contains(&name)
}

/// As the lines of the field. JSON has line feeds between its tokens only, where a space means the same.
fn write_data(data: &[u8], out: &mut Vec<u8>) -> Result<(), Denial> {
    out.extend_from_slice(b"data: ");
    let is_json = data.iter().any(|b| matches!(b, b'{' | b'['));
    if !is_json {
        for (at, line) in data.split(|b| *b == b'\n').enumerate() {
            out.extend_from_slice(if at > 0 { b"\ndata: " } else { b"" });
            out.extend_from_slice(undisputed(line)?);
        }
        return Ok(());
    }
    let mut rest = data;
    while let Some(at) = rest.iter().position(|b| may_end(*b)) {
        let (before, tail) = rest.split_at(at);
        out.extend_from_slice(before);
        let ends = ENDS.iter().find(|(ends, _)| tail.starts_with(ends));
        let (instead, length) = match (ends, tail) {
            (Some((ends, escaped)), _) => (*escaped, ends.len()),
            (None, [b'\n', ..]) => (&b" "[..], 1),
            // The first byte of another character.
            (None, [0xc2 | 0xe2, ..]) => (tail.get(..1).unwrap_or_default(), 1),
            _ => return Err(disputed()),
        };
        out.extend_from_slice(instead);
        rest = tail.get(length..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    Ok(())
}

/// The line, if it is one for every client.
fn undisputed(line: &[u8]) -> Result<&[u8], Denial> {
    // Of what may end it, only bytes beyond ASCII may as well begin another character.
    let ends = |rest: &[u8]| {
        rest.first().is_some_and(u8::is_ascii) || ENDS.iter().any(|(ends, _)| rest.starts_with(ends))
    };
    let mut suspects = line.iter().enumerate().filter(|(_, byte)| may_end(**byte));
    let is_one = !suspects.any(|(at, _)| line.get(at..).is_some_and(ends));
    if is_one { Ok(line) } else { Err(disputed()) }
}

/// Whether a byte ends a line for somebody, or begins a character that does.
const fn may_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r' | 0x0b | 0x0c | 0x1c..=0x1e | 0xc2 | 0xe2)
}

const fn disputed() -> Denial {
    Denial::UnsafeResponse("an event has a line that not every client ends at the same place")
}

#[cfg(test)]
mod tests {
    use super::write;

    fn written(raw: &str, data: &str) -> Option<String> {
        let mut out = b"before".to_vec();
        let result = write(raw.as_bytes(), data.as_bytes(), &mut out);
        let out = String::from_utf8(out).unwrap();
        let new = out.strip_prefix("before").unwrap();
        assert!(result.is_ok() || new.is_empty(), "{out}");
        result.ok().map(|()| new.to_owned())
    }

    #[test]
    fn every_client_reads_the_same_lines() {
        for (raw, data, wanted) in [
            ("data: {}\n\n", "{}", Some("data: {}\n\n")),
            ("data:{}\r\n\r\n", "{}", Some("data: {}\n\n")),
            // For who knows line feeds only, the data of this is the list.
            ("data: \r{\"result\":{\"tools\":[]}}\n\n", "", Some("data: \n\n")),
            ("data: {}\r \rdata: x\r\r", "{}", Some("data: {}\n\n")),
            (" data: {\"a\":1}\n\u{feff}data: 2\nData: 3\ndata : 4\n\n", "", Some("\n")),
            (
                "event: message\nid: 7\nretry: 10\nid\ndata\n\n",
                "",
                Some("event: message\nid: 7\nretry: 10\nid\ndata: \n\n"),
            ),
            ("data: [\ndata: 1]\nid: 2\n\n", "[\n1]", Some("data: [ 1]\nid: 2\n\n")),
            ("data: a\ndata: b\n\n", "a\nb", Some("data: a\ndata: b\n\n")),
            (
                "data: {\"a\":\"\u{2028}\u{85}é€\u{2029}\"}\n\n",
                "{\"a\":\"\u{2028}\u{85}é€\u{2029}\"}",
                Some("data: {\"a\":\"\\u2028\\u0085é€\\u2029\"}\n\n"),
            ),
            ("data: a\u{2028}data: b\n\n", "a\u{2028}data: b", None),
            ("data: {\u{b}}\n\n", "{\u{b}}", None),
            (":\u{2028}data: {}\u{2028}\u{2028}\n", "", None),
            ("id: 1\u{1d}data: {}\n\n", "", None),
            ("event: \u{85}data: {}\n\n", "", None),
            (": é€ stays\n", "", Some(": é€ stays\n")),
            ("\u{feff}", "", Some("")),
            ("data: {}", "{}", Some("data: {}")),
        ] {
            assert_eq!(written(raw, data).as_deref(), wanted, "{raw:?}");
        }
    }
}
