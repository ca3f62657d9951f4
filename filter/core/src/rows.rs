//! How do rows stand as bytes, in a store that several threads and modules write? Under a version, a count and a check
//! sum, so that bytes of another writer are never taken for ours.
//!
//! Layout, big-endian: version 1, number of rows 2, rows of one size, check sum 4.

use sha2::{Digest, Sha256};

/// What stands for something in a row: the first 128 bits of SHA-256 over `kind` and the fields, lengths in front, so that
/// ("ab", "c") is not ("a", "bc"). Nothing of the fields can be read from it.
pub(crate) fn name(kind: &[u8], fields: &[&[u8]]) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update(kind);
    for field in fields {
        hash.update((field.len() as u64).to_be_bytes());
        hash.update(field);
    }
    let whole: [u8; 32] = hash.finalize().into();
    let mut half = [0; 16];
    half.iter_mut().zip(whole).for_each(|(to, from)| *to = from);
    half
}

/// The bytes of these rows.
pub(crate) fn seal<const N: usize>(version: u8, rows: impl ExactSizeIterator<Item = [u8; N]>) -> Vec<u8> {
    let count = u16::try_from(rows.len()).unwrap_or(u16::MAX);
    let mut bytes = Vec::with_capacity(3 + rows.len() * N + 4);
    bytes.push(version);
    bytes.extend(count.to_be_bytes());
    bytes.extend(rows.flatten());
    let sum = check_sum(&bytes);
    bytes.extend(sum.to_be_bytes());
    bytes
}

/// The rows in the bytes, none where nothing stands; `None` unless every byte is as [`seal`] writes it and there are at
/// most `most` rows.
pub(crate) fn open<const N: usize>(version: u8, most: usize, bytes: Option<&[u8]>) -> Option<Vec<[u8; N]>> {
    let Some(bytes) = bytes else { return Some(Vec::new()) };
    let (body, sum) = bytes.split_last_chunk::<4>()?;
    let (head, rest) = body.split_first_chunk::<3>()?;
    let [found, high, low] = *head;
    let count = usize::from(u16::from_be_bytes([high, low]));
    let whole = rest.len() == count * N && count <= most;
    if found != version || !whole || check_sum(body) != u32::from_be_bytes(*sum) {
        return None;
    }
    let (rows, _) = rest.as_chunks::<N>();
    Some(rows.to_vec())
}

/// FNV-1a: finds accidents and other writers, not forgers; who can write here is trusted like the proxy itself.
pub(crate) fn check_sum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |sum, b| (sum ^ u32::from(*b)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{open, seal};

    #[test]
    fn any_other_byte_is_not_ours() {
        let good = seal(1, [[1_u8, 2], [3, 4]].into_iter());
        assert_eq!(open::<2>(1, 2, Some(&good)), Some(vec![[1, 2], [3, 4]]));
        assert_eq!(open::<2>(1, 2, None), Some(vec![]));
        assert_eq!(open::<2>(2, 2, Some(&good)), None, "another layout");
        assert_eq!(open::<2>(1, 1, Some(&good)), None, "more than there may be");
        assert_eq!(open::<4>(1, 2, Some(&good)), None, "rows of another size");
        for at in 0..good.len() {
            assert_eq!(open::<2>(1, 2, Some(&good[..at])), None);
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                assert_eq!(open::<2>(1, 2, Some(&bad)), None, "byte {at} bit {bit}");
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_sealed_is_opened(rows in proptest::collection::vec(any::<[u8; 5]>(), 0..300)) {
            let bytes = seal(7, rows.iter().copied());
            prop_assert_eq!(open::<5>(7, 300, Some(&bytes)), Some(rows));
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = open::<5>(1, 10, Some(&bytes));
        }
    }
}
