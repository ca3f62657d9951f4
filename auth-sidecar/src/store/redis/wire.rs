//! How does a record lie in Redis? As `<id of the write> <end>\n<JSON>`: the id tells two writes of the same words apart, so that a
//! lost answer can be found out about. What was taken or removed leaves a trace for a while, a record that has ended: it tells by whom.

use super::super::StoreError;
use super::super::backend::{NEVER, Row};
use crate::clock::UnixTime;
use crate::secret::random_text;

/// Bytes of randomness in the id of a write.
const ID: usize = 12;

/// A fresh id of a write.
pub(crate) fn write_id() -> Result<String, StoreError> {
    Ok(random_text::<ID>()?)
}

/// A record as it is written.
#[must_use]
pub fn record(id: &str, json: &[u8], until: UnixTime) -> Vec<u8> {
    [format!("{id} {}\n", until.0).as_bytes(), json].concat()
}

/// What lies where a record was taken or removed, before what was taken.
pub(super) fn trace(id: &str) -> Vec<u8> {
    record(id, b"", UnixTime(0))
}

/// What was taken, where this is the trace of that write.
pub(super) fn taken<'a>(bytes: &'a [u8], id: &str) -> Option<&'a [u8]> {
    bytes.strip_prefix(trace(id).as_slice())
}

/// Whether these bytes are of that write.
pub(super) fn is_of(bytes: &[u8], id: &str) -> bool {
    bytes.strip_prefix(id.as_bytes()).is_some_and(|rest| rest.starts_with(b" "))
}

/// A record as it was read; `None` where it has ended.
///
/// # Errors
/// [`StoreError::Corrupt`] for what this server did not write.
pub fn row(bytes: &[u8], now: UnixTime) -> Result<Option<Row>, StoreError> {
    let corrupt = || StoreError::Corrupt("not written by this server".into());
    let end = bytes.iter().position(|byte| *byte == b'\n').ok_or_else(corrupt)?;
    let (head, json) = bytes.split_at_checked(end).ok_or_else(corrupt)?;
    let head = std::str::from_utf8(head).map_err(|_| corrupt())?;
    let (id, until) = head.split_once(' ').ok_or_else(corrupt)?;
    let until = UnixTime(until.parse().map_err(|_| corrupt())?);
    let json = json.get(1..).unwrap_or_default().to_vec();
    Ok((now < until || until == NEVER).then(|| Row { json, until, written: id.to_owned() }))
}

/// A counter, `<sum> <end>`, if it is one: a record has a second line.
pub(super) fn counter(bytes: &[u8]) -> Option<(u32, UnixTime)> {
    let (sum, until) = std::str::from_utf8(bytes).ok()?.split_once(' ')?;
    Some((sum.parse().ok()?, UnixTime(until.parse().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_until_it_ends() {
        let id = write_id().unwrap();
        let bytes = record(&id, b"{\"a\":\n1}", UnixTime(10));
        let kept = row(&bytes, UnixTime(9)).unwrap().unwrap();
        assert_eq!((kept.json.as_slice(), kept.until, kept.written), (&b"{\"a\":\n1}"[..], UnixTime(10), id));
        assert_eq!(row(&bytes, UnixTime(10)).unwrap(), None);
        assert!(row(&record("x", b"1", NEVER), NEVER).unwrap().is_some());
    }

    #[test]
    fn a_trace_has_ended_and_tells_who_took() {
        let kept = record("first", b"1", NEVER);
        let bytes = [trace("second"), kept.clone()].concat();
        assert_eq!(row(&bytes, UnixTime(0)).unwrap(), None);
        assert_eq!((taken(&bytes, "second"), taken(&bytes, "secon")), (Some(kept.as_slice()), None));
        assert_eq!((is_of(&bytes, "second"), is_of(&bytes, "secon")), (true, false));
    }

    #[test]
    fn what_somebody_else_wrote_is_refused() {
        for bytes in [&b""[..], b"text", b"id\n{}", b"id many\n{}", b"\xff 1\n{}"] {
            assert!(matches!(row(bytes, UnixTime(0)), Err(StoreError::Corrupt(_))), "{bytes:?}");
        }
    }
}
