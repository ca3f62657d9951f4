//! Was this proof used before? Each is good for one request (RFC 9449 section 11.1), whichever worker that reaches: the
//! memory stands in sets of fixed number and size, as bytes for a store that can only compare and swap whole values.
//!
//! Pure: the adapter reads the set of a proof, calls [`note`], and swaps the new bytes in; if another thread was faster it
//! asks again. A proof is used once a swap has succeeded. None is forgotten before it is too old for anybody; where a set is
//! full of such, one more is refused.

use std::time::Duration;

use crate::denial::Denial;
use crate::identity::dpop::Shown;
use crate::rows;
use crate::salt::Salt;
use crate::time::Timestamp;

/// The number of sets. With [`WAYS`] proofs each, 131072 fit, in some 3 MiB; half as many in practice.
pub const SETS: u16 = 4096;

/// The most proofs of one set.
pub const WAYS: usize = 32;

/// How long a proof is remembered when it is too old. Threads read the clock in one order and ask in another.
const GRACE: Duration = Duration::from_secs(1);

/// Part of every key, too: a module with another layout uses other keys, because old and new modules share the store
/// during a rollout.
const VERSION: u8 = 1;
const ROW_BYTES: usize = 24;

/// That a proof is used: the first 128 bits of SHA-256 over its key and its id, and until when that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    name: [u8; 16],
    until: u64,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was never used before.
    First,
    /// It was.
    Again,
    /// No room to remember it. Denied, because it could be used again.
    Full,
    /// The bytes are not a set of ours: nothing is known. Denied.
    Corrupt,
}

/// An [`Outcome`], and the set as it must stand for it to be true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    /// What became of it, if the bytes can be swapped in.
    pub outcome: Outcome,
    /// The set's new bytes; `None` if nothing changed.
    pub bytes: Option<Vec<u8>>,
}

/// The key of the set that holds it.
pub fn set_key(proof: &Use, salt: Salt) -> String {
    key(salt.set_of(proof.name, SETS))
}

/// The keys of all sets. The adapter creates at start those that are absent, with [`empty_set`]: a swap protects updates,
/// not creation.
pub fn all_keys() -> impl DoubleEndedIterator<Item = String> {
    (0..SETS).map(key)
}

/// The bytes of a set without proofs.
pub fn empty_set() -> Vec<u8> {
    encode(&[])
}

/// Uses the proof. `set` is what stands under [`set_key`]; `None` if nothing does.
pub fn note(set: Option<&[u8]>, proof: &Use, now: Timestamp) -> Noted {
    let refused = |outcome| Noted { outcome, bytes: None };
    let Some(mut uses) = decode(set) else { return refused(Outcome::Corrupt) };
    if uses.iter().any(|other| other.name == proof.name) {
        return refused(Outcome::Again);
    }
    // Of a clock that was set back those that lie ahead stay: their proofs will be good again.
    uses.retain(|other| now <= Timestamp::from_nanos(other.until).plus(GRACE));
    if uses.len() >= WAYS {
        return refused(Outcome::Full);
    }
    uses.push(*proof);
    Noted { outcome: Outcome::First, bytes: Some(encode(&uses)) }
}

// === impl Use ===

impl From<&Shown> for Use {
    fn from(shown: &Shown) -> Self {
        let name = rows::name(b"proof", &[shown.key.bytes(), shown.id.as_bytes()]);
        Self { name, until: shown.until.as_nanos() }
    }
}

// === impl Outcome ===

impl Outcome {
    /// Whether the request goes on.
    ///
    /// # Errors
    /// [`Denial::InvalidProof`] for one that was used, [`Denial::Unavailable`] when there is no room, [`Denial::Internal`]
    /// for corrupt bytes.
    pub fn admitted(self) -> Result<(), Denial> {
        match self {
            Self::First => Ok(()),
            Self::Again => Err(Denial::InvalidProof("proof used before")),
            Self::Full => Err(Denial::Unavailable("room for proofs")),
            Self::Corrupt => Err(Denial::Internal("proof store")),
        }
    }
}

fn encode(uses: &[Use]) -> Vec<u8> {
    let row = |one: &Use| rows::row::<ROW_BYTES>(&[&one.name, &one.until.to_be_bytes()]);
    rows::seal(VERSION, uses.iter().map(row))
}

/// The proofs of the bytes; `None` unless they are as we write them, each once.
fn decode(bytes: Option<&[u8]>) -> Option<Vec<Use>> {
    let mut uses: Vec<Use> = Vec::with_capacity(WAYS);
    for row in rows::open::<ROW_BYTES>(VERSION, WAYS, bytes)? {
        let (name, rest) = row.split_first_chunk::<16>()?;
        let (until, _) = rest.split_first_chunk::<8>()?;
        if uses.iter().any(|other| other.name == *name) {
            return None;
        }
        uses.push(Use { name: *name, until: u64::from_be_bytes(*until) });
    }
    Some(uses)
}

fn key(set: u16) -> String {
    rows::key("proofs", VERSION, set)
}

#[cfg(test)]
mod tests;
