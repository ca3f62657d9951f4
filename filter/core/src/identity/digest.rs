//! What stands for bytes that are too long, or too secret, to keep? SHA-256, inlined in one place: the module is small.

use sha2::{Digest, Sha256};

/// SHA-256 over the parts, one after the other.
#[inline(never)]
pub(super) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}
