use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::identity::dpop::Thumbprint;

fn secs(secs: u64) -> Timestamp {
    Timestamp::from_secs(1_900_000_000 + secs)
}

fn key(byte: u8) -> Thumbprint {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode([byte; 32]);
    Thumbprint::parse(&text).unwrap()
}

fn proof(id: &str, until: u64) -> Use {
    Use::from(&Shown { key: key(1), id: id.to_owned(), until: secs(until) })
}

/// One set, whatever is put into it.
struct OneSet(Vec<u8>);

impl OneSet {
    fn note(&mut self, proof: &Use, at: u64) -> Outcome {
        let Noted { outcome, bytes } = note(Some(&self.0), proof, secs(at));
        assert_eq!(bytes.is_some(), outcome == Outcome::First);
        self.0 = bytes.unwrap_or(std::mem::take(&mut self.0));
        outcome
    }
}

#[test]
fn a_proof_works_once_and_is_forgotten_when_it_is_too_old() {
    let mut set = OneSet(empty_set());
    assert_eq!(set.note(&proof("a", 60), 0), Outcome::First);
    for at in [0, 30, 60, 61, 10_000] {
        assert_eq!(set.note(&proof("a", 60), at), Outcome::Again, "{at}");
    }
    // Another one makes room; nobody would take the first any more.
    assert_eq!(set.note(&proof("b", 121), 61), Outcome::First);
    assert_eq!(set.note(&proof("a", 60), 61), Outcome::Again);
    assert_eq!(set.note(&proof("c", 122), 62), Outcome::First);
    assert_eq!(set.note(&proof("a", 60), 62), Outcome::First);
}

#[test]
fn a_clock_that_was_set_back_brings_no_proof_back() {
    let mut set = OneSet(empty_set());
    assert_eq!(set.note(&proof("a", 3660), 3600), Outcome::First);
    assert_eq!(set.note(&proof("b", 60), 0), Outcome::First);
    assert_eq!(set.note(&proof("a", 3660), 3600), Outcome::Again);
}

#[test]
fn a_full_set_refuses_and_forgets_nothing() {
    let mut set = OneSet(empty_set());
    for n in 0..WAYS {
        assert_eq!(set.note(&proof(&n.to_string(), 60), 0), Outcome::First);
    }
    assert_eq!(set.note(&proof("one more", 60), 0), Outcome::Full);
    for n in 0..WAYS {
        assert_eq!(set.note(&proof(&n.to_string(), 60), 0), Outcome::Again);
    }
    assert_eq!(set.note(&proof("one more", 122), 62), Outcome::First);
    assert_eq!(Outcome::Full.admitted(), Err(Denial::Unavailable("room for proofs")));
    assert_eq!(Outcome::Corrupt.admitted(), Err(Denial::Internal("proof store")));
    assert_eq!(Outcome::Again.admitted(), Err(Denial::InvalidProof("proof used before")));
}

#[test]
fn bytes_of_another_writer_say_nothing() {
    for bytes in [&b""[..], b"x", &[0; 100]] {
        assert_eq!(note(Some(bytes), &proof("a", 60), secs(0)).outcome, Outcome::Corrupt);
    }
    let one = proof("a", 60);
    let twice = encode(&[one, one]);
    assert_eq!(note(Some(&twice), &one, secs(0)).outcome, Outcome::Corrupt);
    assert_eq!(note(None, &one, secs(0)).outcome, Outcome::First);
}

#[test]
fn keys_and_names_are_apart() {
    let shown = |byte, id: &str| Use::from(&Shown { key: key(byte), id: id.to_owned(), until: secs(60) });
    assert_ne!(shown(1, "a").name, shown(2, "a").name);
    assert_ne!(shown(1, "a").name, shown(1, "b").name);
    assert_eq!(all_keys().collect::<HashSet<_>>().len(), usize::from(SETS));
    let key = set_key(&shown(1, "a"), Salt::new([5; 16]));
    assert!(key.starts_with("wicketgate.proofs.v1."), "{key}");
    assert!(all_keys().any(|known| known == key));
}

proptest! {
    /// Whatever is presented in whatever order, a proof that may still count is admitted once.
    #[test]
    fn no_proof_works_twice_while_it_counts(presented in prop::collection::vec((0_u8..60, 0_u64..3), 1..200)) {
        let (mut set, mut at, mut admitted) = (OneSet(empty_set()), 0, HashSet::new());
        for (id, passes) in presented {
            at += passes;
            // Made when its number says, good for a minute.
            let made = u64::from(id);
            if !(made..made + 60).contains(&at) {
                continue;
            }
            let outcome = set.note(&proof(&id.to_string(), made + 60), at);
            prop_assert!(outcome != Outcome::First || admitted.insert(id));
            prop_assert!(outcome != Outcome::Again || admitted.contains(&id));
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = note(Some(&bytes), &proof("a", 60), secs(0));
    }
}
