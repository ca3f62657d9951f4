//! What stands where something was? `[redacted:email]`, or `[redacted:email:` with sixteen letters that are the same for the
//! same value: letters alone, so that no detector takes them for anything.

use std::fmt::Write as _;
use std::ops::Range;

use sha2::{Digest, Sha256};

use crate::salt::Salt;

const OPENS: &str = "[redacted:";
/// Letters of a digest in a mark: 64 bits.
const LETTERS: usize = 16;
/// What stands at the end of a text that was cut.
pub(super) const CUT: &str = "[cut]";

/// The mark of this name; with a salt, that of this value.
pub(super) fn mark(name: &str, value: Option<(&str, &Salt)>) -> String {
    let mut mark = format!("{OPENS}{name}");
    if let Some((value, salt)) = value {
        mark.push(':');
        for byte in digest(name, value, salt).into_iter().take(LETTERS / 2) {
            for half in [byte >> 4, byte & 15] {
                mark.push(char::from(b'a' + half));
            }
        }
    }
    // Writing to a String cannot fail.
    let _ = mark.write_char(']');
    mark
}

/// A number in place of another: nine digits, so that none of them is a card's.
pub(super) fn number(name: &str, value: &str, salt: &Salt) -> String {
    let seed = digest(name, value, salt).into_iter().take(8).fold(0_u64, |n, b| n << 8 | u64::from(b));
    (100_000_000 + seed % 900_000_000).to_string()
}

/// Keyed by what one Envoy drew at its start, so that nobody can try values; the name sets detectors apart.
fn digest(name: &str, value: &str, salt: &Salt) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"wicketgate content mark");
    hash.update(salt.bytes());
    hash.update((name.len() as u64).to_be_bytes());
    hash.update(name);
    hash.update(value);
    hash.finalize().into()
}

/// The marks in `text` that have one of these `names`: what is within them is left alone.
pub(super) fn marks(text: &str, names: &[String]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(next) = text.get(at..).and_then(|rest| rest.find(OPENS)) {
        let start = at + next;
        at = start + OPENS.len();
        let Some(rest) = text.get(at..) else { break };
        let Some(end) = rest.bytes().take(96).position(|b| b == b']') else { continue };
        let inner = rest.get(..end).unwrap_or_default();
        let (name, letters) = inner.split_once(':').unwrap_or((inner, ""));
        let sound = letters.is_empty()
            || letters.len() == LETTERS && letters.bytes().all(|b| matches!(b, b'a'..=b'p'));
        if sound && names.iter().any(|known| known == name) {
            found.push(start..at + end + 1);
            at += end + 1;
        }
    }
    found
}
