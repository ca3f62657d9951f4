//! What do the headers of a request or a response say? Every value as received, repeats kept.

pub mod passing;

/// A header list in the order received; names as Envoy gives them (lower case), values raw bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, Vec<u8>)>);

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
    /// `x-request-id` as Envoy made or accepted it.
    pub request_id: Option<String>,
    /// The route that Envoy chose (`xds.route_name`); `None` when the host gives none.
    pub route: Option<String>,
}

/// The head of a response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseHead {
    /// `:status`; 0 if absent or unreadable.
    pub status: u16,
    /// Whether Envoy is known to have made it itself (`response.code_details`): no upstream has.
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
    /// From pairs as the host gives them.
    pub fn new(pairs: Vec<(String, Vec<u8>)>) -> Self {
        Self(pairs)
    }

    /// All values of `name` (lower case), in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_slice())
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

    /// Those whose names begin so (lower case).
    #[must_use]
    pub fn beginning(mut self, prefix: &str) -> Self {
        self.0.retain(|(name, _)| name.get(..prefix.len()).is_some_and(|n| n.eq_ignore_ascii_case(prefix)));
        self.0.shrink_to_fit();
        self
    }

    /// The bytes of all names and values.
    pub fn size(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value.len()).sum()
    }

    /// Name and value of every header, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(n, v)| (n.as_str(), v.as_slice()))
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
