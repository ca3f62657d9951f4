use std::collections::{BTreeMap, HashSet};

use proptest::prelude::*;

use super::*;

const A: Holder = Holder(1);
const B: Holder = Holder(2);

/// Tags that share a set.
fn tag(n: u8) -> Tag {
    let mut bytes = [0; 16];
    bytes[14] = n;
    Tag(bytes)
}

fn secs(secs: u64) -> Timestamp {
    Timestamp::from_secs(1_790_000_000 + secs)
}

/// A store with one set, and what each VM knows of itself.
struct OneSet {
    bytes: Vec<u8>,
    held: BTreeMap<(u8, u64), u32>,
}

impl OneSet {
    fn new() -> Self {
        Self { bytes: empty_set(), held: BTreeMap::new() }
    }

    fn acquire(&mut self, who: u8, holder: Holder, most: u32, at: u64) -> Outcome {
        let held = self.held.entry((who, holder.0)).or_default();
        let acquired = acquire(Some(&self.bytes), tag(who), holder, *held, most, secs(at));
        *held += u32::from(acquired.outcome == Outcome::Admitted);
        self.bytes = acquired.bytes.unwrap_or(std::mem::take(&mut self.bytes));
        acquired.outcome
    }

    fn release(&mut self, who: u8, holder: Holder, at: u64) {
        let held = self.held.entry((who, holder.0)).or_default();
        *held = held.saturating_sub(1);
        let count = *held;
        self.renew(who, holder, count, at);
    }

    fn renew(&mut self, who: u8, holder: Holder, count: u32, at: u64) {
        if let Some(bytes) = hold(Some(&self.bytes), tag(who), holder, count, secs(at)) {
            self.bytes = bytes;
        }
    }

    /// A VM dies: it knows nothing any more and says nothing.
    fn forget(&mut self, holder: Holder) {
        self.held.retain(|(_, held), _| *held != holder.0);
    }
}

#[test]
fn keys_are_of_a_fixed_number_and_carry_the_layout() {
    let keys: HashSet<String> = all_keys().collect();
    assert_eq!(keys.len(), usize::from(SETS));
    assert!((0..=255).all(|n| keys.contains(&set_key(Tag([n; 16]), Salt::new([1; 16])))));
    assert!(keys.iter().all(|k| k.starts_with("wicketgate.streams.v3.")));
}

#[test]
fn all_vms_together_hold_no_more_than_the_most() {
    let mut set = OneSet::new();
    for holder in [A, B, A] {
        assert_eq!(set.acquire(1, holder, 3, 0), Outcome::Admitted);
    }
    assert_eq!((set.acquire(1, A, 3, 0), set.acquire(1, B, 3, 0)), (Outcome::Refused, Outcome::Refused));
    assert_eq!(set.acquire(2, B, 3, 0), Outcome::Admitted, "another principal counts for himself");
    set.release(1, A, 1);
    assert_eq!((set.acquire(1, B, 3, 1), set.acquire(1, A, 3, 1)), (Outcome::Admitted, Outcome::Refused));
    for (who, holder) in [(1, A), (1, B), (1, B), (2, B)] {
        set.release(who, holder, 2);
    }
    assert_eq!(set.bytes, empty_set(), "nothing is left of what has ended");
}

#[test]
fn what_a_dead_vm_held_is_free_when_its_term_is_over() {
    let mut set = OneSet::new();
    for _ in 0..2 {
        assert_eq!(set.acquire(1, A, 2, 0), Outcome::Admitted);
    }
    set.forget(A);
    assert_eq!(set.acquire(1, B, 2, 29), Outcome::Refused);
    assert_eq!(set.acquire(1, B, 2, 30), Outcome::Admitted);
    // Who lives renews.
    set.renew(1, B, 1, 59);
    assert_eq!(set.acquire(1, A, 1, 88), Outcome::Refused);
    assert_eq!(set.acquire(1, A, 1, 89), Outcome::Admitted);
    // One that was only held up says again what it holds.
    set.renew(1, B, 1, 90);
    assert_eq!(set.acquire(1, Holder(3), 2, 90), Outcome::Refused);
}

#[test]
fn a_clock_set_back_ends_terms_all_the_same() {
    let mut set = OneSet::new();
    assert_eq!(set.acquire(1, A, 1, 1_000_000), Outcome::Admitted);
    set.forget(A);
    assert_eq!(set.acquire(1, B, 1, 0), Outcome::Refused);
    assert_eq!(set.acquire(1, B, 1, 29), Outcome::Refused);
    assert_eq!(set.acquire(1, B, 1, 30), Outcome::Admitted);
}

#[test]
fn a_full_set_admits_nobody_new() {
    let mut set = OneSet::new();
    for n in 0..256 {
        assert_eq!(set.acquire(u8::try_from(n % 128).unwrap(), Holder(n / 128), 9, 0), Outcome::Admitted);
    }
    assert_eq!(set.acquire(200, A, 9, 1), Outcome::Full);
    assert_eq!(set.acquire(0, A, 9, 1), Outcome::Admitted, "who has a row has room");
    let full = set.bytes.clone();
    assert_eq!(hold(Some(&full), tag(200), A, 1, secs(1)), None);
    assert_eq!(set.acquire(200, A, 9, 30), Outcome::Admitted, "and terms end");
}

#[test]
fn every_outcome_but_one_denies_and_bytes_that_are_not_ours_do() {
    assert_eq!(Outcome::Admitted.admitted(3), Ok(()));
    assert_eq!(Outcome::Refused.admitted(3), Err(Denial::TooManyStreams(3)));
    assert!(matches!(Outcome::Full.admitted(3), Err(Denial::Unavailable(_))));
    assert!(matches!(Outcome::Corrupt.admitted(3), Err(Denial::Internal(_))));
    let mut set = OneSet::new();
    set.acquire(1, A, 1, 0);
    for end in 0..set.bytes.len() {
        let bytes = &set.bytes[..end];
        let acquired = acquire(Some(bytes), tag(1), A, 0, 9, secs(0));
        assert_eq!((acquired.outcome, acquired.bytes), (Outcome::Corrupt, None));
        assert_eq!(hold(Some(bytes), tag(1), A, 1, secs(0)), None);
    }
}

proptest! {
    /// As long as every VM renews in time, no principal holds more than the most, and a refusal means that he does.
    #[test]
    fn the_count_is_exact(
        steps in proptest::collection::vec((0..3_u8, 0..3_u64, 0..3_u8, 0..9_u64), 1..200),
        most in 1..5_u32,
    ) {
        let (mut set, mut at) = (OneSet::new(), 0);
        for (who, holder, what, forward) in steps {
            at += forward;
            let all: Vec<_> = set.held.iter().map(|(k, v)| (*k, *v)).collect();
            for ((who, holder), count) in all {
                set.renew(who, Holder(holder), count, at);
            }
            let held = |set: &OneSet| set.held.iter().filter(|((w, _), _)| *w == who).map(|(_, n)| n).sum::<u32>();
            let before = held(&set);
            if what == 0 {
                set.release(who, Holder(holder), at);
            } else {
                let outcome = set.acquire(who, Holder(holder), most, at);
                prop_assert_eq!(outcome == Outcome::Admitted, before < most);
                prop_assert_eq!(outcome == Outcome::Refused, before >= most);
            }
            prop_assert!(held(&set) <= most);
        }
    }

    /// Threads that read, think and swap in any order: a swap that lost its race counts nothing.
    #[test]
    fn races_of_compare_and_swap_admit_no_more(steps in proptest::collection::vec((0..4_u8, any::<bool>()), 1..100)) {
        let (mut stored, mut version) = (empty_set(), 0);
        let mut pending: [Option<(u32, Acquired)>; 4] = Default::default();
        let mut held = [0_u32; 4];
        for (vm, read) in steps {
            let at = usize::from(vm);
            if read {
                let acquired = acquire(Some(&stored), tag(7), Holder(u64::from(vm)), held[at], 5, secs(0));
                pending[at] = Some((version, acquired));
            } else if let Some((seen, Acquired { outcome: Outcome::Admitted, bytes: Some(bytes) })) = pending[at].take()
                && seen == version
            {
                (stored, version) = (bytes, version + 1);
                held[at] += 1;
            }
        }
        prop_assert!(held.iter().sum::<u32>() <= 5);
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), now in any::<u64>(),
            held in any::<u32>(), most in any::<u32>()) {
        let now = Timestamp::from_nanos(now);
        prop_assert_eq!(acquire(Some(&bytes), tag(1), A, held, most, now).outcome, Outcome::Corrupt);
        let acquired = acquire(None, tag(1), A, held, most, now);
        prop_assert_eq!(acquired.outcome == Outcome::Admitted, held < most);
        let _ = hold(acquired.bytes.as_deref(), tag(1), B, held, now);
    }
}
