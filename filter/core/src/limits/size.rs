//! Is it too big? What a request declares, and what really came.

use crate::denial::Denial;
use crate::head::RequestHead;

/// Counts the bytes of a body as they come, against one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    limit: u64,
    seen: u64,
}

/// More came than the limit allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded;

/// The declared length of a request's body; `None` when it declares none.
///
/// # Errors
/// [`Denial::InvalidRequest`] when it is repeated or not a plain number (RFC 9110 section 8.6: parts of the path could
/// read different lengths), [`Denial::TooLarge`] above `limit`.
pub fn declared(head: &RequestHead, limit: u64) -> Result<Option<u64>, Denial> {
    let value = head.headers.one("content-length").map_err(|_| Denial::InvalidRequest("content-length"))?;
    let Some(value) = value else { return Ok(None) };
    if value.is_empty() || !value.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Denial::InvalidRequest("content-length"));
    }
    let length = value.parse().map_err(|_| Denial::TooLarge(limit))?;
    if length > limit { Err(Denial::TooLarge(limit)) } else { Ok(Some(length)) }
}

// === impl Counted ===

impl Counted {
    /// Nothing seen yet.
    pub const fn new(limit: u64) -> Self {
        Self { limit, seen: 0 }
    }

    /// `bytes` more came.
    ///
    /// # Errors
    /// [`Exceeded`] once they are more than the limit in all, and ever after.
    pub fn add(&mut self, bytes: usize) -> Result<(), Exceeded> {
        self.seen = self.seen.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        if self.seen > self.limit { Err(Exceeded) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Counted, Exceeded, declared};
    use crate::denial::Denial;
    use crate::head::{Headers, RequestHead};

    fn head(lengths: &[&str]) -> RequestHead {
        let pairs = lengths.iter().map(|v| ("content-length".to_owned(), v.as_bytes().to_vec())).collect();
        RequestHead { headers: Headers::new(pairs), ..RequestHead::default() }
    }

    #[test]
    fn a_declared_length_is_one_plain_number_within_the_limit() {
        assert_eq!(declared(&head(&[]), 10), Ok(None));
        assert_eq!(declared(&head(&["10"]), 10), Ok(Some(10)));
        assert_eq!(declared(&head(&["0010"]), 10), Ok(Some(10)));
        for large in ["11", "18446744073709551616", &"9".repeat(100)] {
            assert_eq!(declared(&head(&[large]), 10), Err(Denial::TooLarge(10)));
        }
        for bad in ["", "+1", "-1", "1, 1", "1 1", "0x1", "1.0", "١"] {
            assert!(matches!(declared(&head(&[bad]), 10), Err(Denial::InvalidRequest(_))), "{bad}");
        }
        assert!(matches!(declared(&head(&["5", "5"]), 10), Err(Denial::InvalidRequest(_))));
    }

    #[test]
    fn counting_stops_at_the_limit_and_stays_there() {
        let mut counted = Counted::new(10);
        assert_eq!((counted.add(4), counted.add(6)), (Ok(()), Ok(())));
        assert_eq!(counted.add(1), Err(Exceeded));
        assert_eq!(counted.add(0), Err(Exceeded));
        assert_eq!(counted.add(usize::MAX), Err(Exceeded));
    }
}
