//! How do headers lie in memory? As the block of bytes in which a host hands them over, so that none is copied by itself.

use std::fmt;
use std::ops::Range;

/// A header list in the order received; names as Envoy gives them (lower case), values raw bytes.
#[derive(Clone, Default)]
pub struct Headers {
    bytes: Vec<u8>,
    /// Where each stands.
    fields: Vec<Field>,
}

#[derive(Clone)]
struct Field {
    /// Sound UTF-8.
    name: Range<usize>,
    value: Range<usize>,
}

// === impl Headers ===

impl Headers {
    /// From pairs.
    pub fn new(pairs: Vec<(String, Vec<u8>)>) -> Self {
        pairs.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect()
    }

    /// From the block of a proxy-wasm host: the number of pairs, the lengths of each, then each name and value with a NUL
    /// behind (numbers are 32 bits, little-endian). `None` where it is not so, or a name is no text.
    pub fn from_block(bytes: Vec<u8>) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::default());
        }
        let (count, mut sizes) = bytes.split_first_chunk::<4>()?;
        let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
        let mut at = count.checked_mul(8)?.checked_add(4)?;
        // Their lengths stand in the block, so there are no more than it has room for.
        let mut fields = Vec::with_capacity(count.min(bytes.len() / 8));
        for _ in 0..count {
            let (name, value) = (length(&mut sizes)?, length(&mut sizes)?);
            let name = at..at.checked_add(name)?;
            let value = name.end.checked_add(1)?..name.end.checked_add(1)?.checked_add(value)?;
            at = value.end.checked_add(1)?;
            std::str::from_utf8(bytes.get(name.clone())?).ok()?;
            bytes.get(value.clone())?;
            fields.push(Field { name, value });
        }
        Some(Self { bytes, fields })
    }

    /// The value of a pseudo header; empty where it is not there or no text, which no route and no verb equals.
    pub fn pseudo(&self, name: &str) -> String {
        let found = self.raw().find(|(n, _)| *n == name.as_bytes());
        found.and_then(|(_, v)| String::from_utf8(v.to_vec()).ok()).unwrap_or_default()
    }

    /// Without pseudo headers, which are no headers (RFC 9113 section 8.3).
    #[must_use]
    pub fn without_pseudo(mut self) -> Self {
        let bytes = &self.bytes;
        self.fields.retain(|field| bytes.get(field.name.start) != Some(&b':'));
        self
    }

    /// Name and value of every header, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.raw().map(|(name, value)| (std::str::from_utf8(name).unwrap_or_default(), value))
    }

    pub(super) fn raw(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let part = |range: &Range<usize>| self.bytes.get(range.clone()).unwrap_or_default();
        self.fields.iter().map(move |field| (part(&field.name), part(&field.value)))
    }
}

impl<'a> FromIterator<(&'a str, &'a [u8])> for Headers {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a [u8])>>(pairs: I) -> Self {
        let mut headers = Self::default();
        let mut append = |part: &[u8]| {
            let from = headers.bytes.len();
            headers.bytes.extend_from_slice(part);
            from..headers.bytes.len()
        };
        for (name, value) in pairs {
            let (name, value) = (append(name.as_bytes()), append(value));
            headers.fields.push(Field { name, value });
        }
        headers
    }
}

impl PartialEq for Headers {
    fn eq(&self, other: &Self) -> bool {
        self.raw().eq(other.raw())
    }
}

impl Eq for Headers {}

/// Names alone: a value may be a credential.
impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

fn length(sizes: &mut &[u8]) -> Option<usize> {
    let (size, rest) = sizes.split_first_chunk::<4>()?;
    *sizes = rest;
    usize::try_from(u32::from_le_bytes(*size)).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Headers;

    fn block(pairs: &[(String, Vec<u8>)]) -> Vec<u8> {
        let word = |n: usize| u32::try_from(n).unwrap().to_le_bytes();
        let mut block = word(pairs.len()).to_vec();
        block.extend(pairs.iter().flat_map(|(n, v)| [word(n.len()), word(v.len())]).flatten());
        for (name, value) in pairs {
            block.extend([name.as_bytes(), &[0], value, &[0]].concat());
        }
        block
    }

    #[test]
    fn pseudo_headers_are_told_apart() {
        let pair = |n: &str, v: &[u8]| (n.to_owned(), v.to_vec());
        let pairs = [pair(":method", b"POST"), pair(":path", b"\xff"), pair("a", b"1")];
        let headers = Headers::from_block(block(&pairs)).unwrap();
        assert_eq!((headers.pseudo(":method"), headers.pseudo(":path")), ("POST".into(), String::new()));
        assert_eq!(headers.without_pseudo(), Headers::new(vec![pair("a", b"1")]));
        assert_eq!(Headers::from_block(Vec::new()), Some(Headers::default()));
        assert_eq!(
            Headers::from_block(block(&[pair("a", b"s3cr3t")])).map(|h| format!("{h:?}")),
            Some("[\"a\"]".into())
        );
    }

    #[test]
    fn a_block_that_is_cut_or_whose_names_are_no_text_is_refused() {
        let good = block(&[("name".into(), b"value".to_vec())]);
        for end in 1..good.len() - 1 {
            assert_eq!(Headers::from_block(good[..end].to_vec()), None, "{end}");
        }
        let mut bad = good;
        bad[12] = 0xff;
        assert_eq!(Headers::from_block(bad), None);
        assert_eq!(Headers::from_block(vec![0xff; 4]), None, "more than it has room for");
    }

    proptest! {
        #[test]
        fn what_is_in_a_block_is_read(pairs in prop::collection::vec((".{0,9}", prop::collection::vec(any::<u8>(), 0..9)), 0..9)) {
            prop_assert_eq!(Headers::from_block(block(&pairs)), Some(Headers::new(pairs)));
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = Headers::from_block(bytes);
        }
    }
}
