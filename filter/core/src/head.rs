//! What do the headers of a request or a response say? Every value as received, repeats kept.

mod block;
mod certificate;
pub mod passing;
pub mod trace;

pub use block::Headers;
pub use certificate::PeerCertificate;

/// The head of a request, taken apart by the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestHead {
    /// `:method`, for example `POST`; empty if absent.
    pub method: String,
    /// `:authority`; empty if absent.
    pub authority: String,
    /// `:path` with its query, as received.
    pub path: String,
    /// All headers, pseudo headers excluded.
    pub headers: Headers,
    /// The peer's address without port as Envoy reports it (`source.address`); `None` when the host gives none.
    pub source: Option<String>,
    /// The certificate that the client showed on its connection, and the host has checked; `None` where it shows none, where the
    /// host tells nothing of it, and where no server looks at it.
    pub certificate: Option<PeerCertificate>,
    /// `x-request-id` as Envoy made or accepted it.
    pub request_id: Option<String>,
}

/// The head of a response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseHead {
    /// `:status`; 0 if absent or unreadable.
    pub status: u16,
    /// Whether Envoy is known to have made it itself (`response.code_details`), no upstream; asked of errors only.
    pub by_host: bool,
    /// All headers, pseudo headers excluded.
    pub headers: Headers,
}

/// Why a header that may stand once at most cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderFault {
    /// It stands more than once.
    Repeated,
    /// Its value is not visible ASCII, spaces and tabs (RFC 9110 section 5.5, without obs-text).
    NotText,
}

// === impl Headers ===

impl Headers {
    /// All values of `name` (lower case), in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.raw().filter(move |(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, v)| v)
    }

    /// Whether `name` stands at all.
    pub fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// The only value of `name`, outer spaces and tabs removed; `None` if it does not stand.
    ///
    /// # Errors
    /// [`HeaderFault`] when it stands twice or is not plain text: the caller refuses the request, because the
    /// upstream may read the other value.
    pub fn one<'a>(&'a self, name: &'a str) -> Result<Option<&'a str>, HeaderFault> {
        let mut values = self.all(name);
        let Some(first) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(HeaderFault::Repeated);
        }
        if !first.iter().all(|b| matches!(b, b'\t' | b' '..=b'~')) {
            return Err(HeaderFault::NotText);
        }
        let text = std::str::from_utf8(first).map_err(|_| HeaderFault::NotText)?;
        Ok(Some(text.trim_matches([' ', '\t'])))
    }

    /// Those whose names begin so (lower case); they take no more room than they need.
    #[must_use]
    pub fn beginning(&self, prefix: &str) -> Self {
        let begins = |name: &str| name.get(..prefix.len()).is_some_and(|n| n.eq_ignore_ascii_case(prefix));
        self.iter().filter(|(name, _)| begins(name)).collect()
    }

    /// The bytes of all names and values.
    pub fn size(&self) -> usize {
        self.raw().map(|(name, value)| name.len() + value.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_or_unprintable_header_is_a_fault_not_a_guess() {
        let h = Headers::new(vec![
            ("a".into(), b"1".to_vec()),
            ("a".into(), b"2".to_vec()),
            ("b".into(), b" x\t".to_vec()),
            ("c".into(), b"\xff".to_vec()),
        ]);
        assert_eq!(h.one("a"), Err(HeaderFault::Repeated));
        assert_eq!(h.one("b"), Ok(Some("x")));
        assert_eq!(h.one("c"), Err(HeaderFault::NotText));
        assert_eq!(h.one("d"), Ok(None));
    }
}
