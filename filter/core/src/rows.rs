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

/// The key of a set of rows, or of one, that has this number in its table. The layout's version is part of it: a module with
/// another layout uses other keys, because old and new modules share the store during a rollout.
pub(crate) fn key(table: &str, version: u8, number: u16) -> String {
    let mut key = String::with_capacity(40);
    key.push_str("wicketgate.");
    key.push_str(table);
    key.push_str(".v");
    key.extend(char::from_digit(u32::from(version), 36));
    key.push('.');
    key.extend([8, 4, 0].iter().filter_map(|by| char::from_digit(u32::from(number >> by & 0xf), 16)));
    key
}

/// One row of these parts, which are as long as it is together.
pub(crate) fn row<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    let mut row = [0; N];
    let mut rest = &mut row[..];
    for part in parts {
        let Some((to, behind)) = rest.split_at_mut_checked(part.len()) else { break };
        to.copy_from_slice(part);
        rest = behind;
    }
    row
}

/// The bytes of these rows.
pub(crate) fn seal<const N: usize>(version: u8, rows: impl ExactSizeIterator<Item = [u8; N]>) -> Vec<u8> {
    let count = u16::try_from(rows.len()).unwrap_or(u16::MAX);
    let mut bytes = Vec::with_capacity(3 + rows.len() * N + 4);
    bytes.push(version);
    bytes.extend_from_slice(&count.to_be_bytes());
    for row in rows {
        bytes.extend_from_slice(&row);
    }
    let sum = check_sum(&bytes);
    bytes.extend(sum.to_be_bytes());
    bytes
}

/// The rows in the bytes, none where nothing stands; `None` unless every byte is as [`seal`] writes it and there are at
/// most `most` rows.
pub(crate) fn open<const N: usize>(version: u8, most: usize, bytes: Option<&[u8]>) -> Option<&[[u8; N]]> {
    let Some(bytes) = bytes else { return Some(&[]) };
    let (body, sum) = bytes.split_last_chunk::<4>()?;
    let (head, rest) = body.split_first_chunk::<3>()?;
    let [found, high, low] = *head;
    let count = usize::from(u16::from_be_bytes([high, low]));
    let whole = rest.len() == count * N && count <= most;
    if found != version || !whole || check_sum(body) != u32::from_be_bytes(*sum) {
        return None;
    }
    Some(rest.as_chunks::<N>().0)
}

/// Finds accidents and other writers, not forgers: who can write here is trusted like the proxy itself. FNV's step, but by
/// eight bytes at a time, and the high half folded down after each because a product moves bits upwards only.
fn check_sum(bytes: &[u8]) -> u32 {
    let step = |sum: u64, word: u64| {
        let product = (sum ^ word).wrapping_mul(0x0000_0100_0000_01b3);
        product ^ (product >> 32)
    };
    let (words, rest) = bytes.as_chunks::<8>();
    let sum = words.iter().fold(0xcbf2_9ce4_8422_2325, |sum, word| step(sum, u64::from_le_bytes(*word)));
    let sum = rest.iter().fold(sum, |sum, byte| step(sum, u64::from(*byte)));
    u32::try_from(sum & u64::from(u32::MAX)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{key, open, row, seal};

    #[test]
    fn any_other_byte_is_not_ours() {
        let good = seal(1, [[1_u8, 2], [3, 4]].into_iter());
        assert_eq!(open(1, 2, Some(&good)), Some(&[[1, 2], [3, 4]][..]));
        assert_eq!(open::<2>(1, 2, None), Some(&[][..]));
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

    #[test]
    fn a_key_names_its_table_version_and_number() {
        assert_eq!(key("tasks", 2, 0xfff), "wicketgate.tasks.v2.fff");
        assert_eq!(key("strangers", 3, 0x1a), "wicketgate.strangers.v3.01a");
    }

    #[test]
    fn a_row_is_its_parts() {
        assert_eq!(row::<5>(&[&[1, 2], &[], &[3, 4, 5]]), [1, 2, 3, 4, 5]);
    }

    proptest! {
        #[test]
        fn what_is_sealed_is_opened(rows in proptest::collection::vec(any::<[u8; 5]>(), 0..300)) {
            let bytes = seal(7, rows.iter().copied());
            prop_assert_eq!(open::<5>(7, 300, Some(&bytes)), Some(&rows[..]));
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = open::<5>(1, 10, Some(&bytes));
        }
    }
}
