use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use proptest::prelude::*;

use super::*;

const START: u64 = 1_790_000_000;

/// Things that share a set.
fn binding(thing: u8, owner: u8) -> Binding {
    let mut handle = [0; 16];
    handle[15] = thing;
    Binding { kind: Kind::Session, handle: Handle(handle), owner: Owner([owner; 16]) }
}

fn secs(secs: u64) -> Timestamp {
    Timestamp::from_secs(START + secs)
}

/// A store with one set, as the adapter uses it.
struct OneSet(Vec<u8>);

impl OneSet {
    fn new() -> Self {
        Self(empty_set())
    }

    fn ask(&mut self, binding: Binding, question: Question, now: Timestamp) -> Finding {
        let found = ask(Some(&self.0), &binding, question, now);
        self.0 = found.bytes.unwrap_or(std::mem::take(&mut self.0));
        found.finding
    }

    fn claim(&mut self, thing: u8, owner: u8, at: u64) -> Finding {
        self.ask(binding(thing, owner), Question::Claim, secs(at))
    }

    fn check(&mut self, thing: u8, owner: u8, at: u64) -> Finding {
        self.ask(binding(thing, owner), Question::Check, secs(at))
    }
}

#[test]
fn keys_are_of_a_fixed_number_and_carry_kind_and_layout() {
    let keys: HashSet<String> = all_keys(Kind::Session).chain(all_keys(Kind::Task)).collect();
    assert_eq!(keys.len(), 2 * usize::from(SETS));
    assert!(keys.contains("wicketgate.tasks.v3.fff"));
    for n in 0..=255 {
        let binding = Binding { handle: Handle([n; 16]), ..binding(0, 0) };
        let key = set_key(&binding, Salt::new([1; 16]));
        assert!(key.starts_with("wicketgate.sessions.v3.") && keys.contains(&key), "{key}");
    }
}

#[test]
fn a_thing_is_its_owners_until_it_is_forgotten() {
    let mut set = OneSet::new();
    assert_eq!(set.check(1, 1, 0), Finding::Unknown, "asking binds nothing");
    assert_eq!(set.claim(1, 1, 0), Finding::Own);
    assert_eq!((set.check(1, 1, 1), set.check(1, 2, 1)), (Finding::Own, Finding::Foreign));
    assert_eq!(set.claim(1, 2, 1), Finding::Foreign, "and no claim moves it");
    assert_eq!(forget(Some(&set.0), &binding(1, 2)), None, "nobody ends what is another's");
    set.0 = forget(Some(&set.0), &binding(1, 1)).unwrap();
    assert_eq!(forget(Some(&set.0), &binding(1, 1)), None);
    assert_eq!((set.check(1, 1, 2), set.claim(1, 2, 2)), (Finding::Unknown, Finding::Own));
}

#[test]
fn the_store_is_written_about_once_a_minute() {
    let mut set = OneSet::new();
    set.claim(1, 1, 100);
    let written =
        |set: &OneSet, at| ask(Some(&set.0), &binding(1, 1), Question::Check, secs(at)).bytes.is_some();
    assert!(!written(&set, 159) && written(&set, 160));
    assert!(!written(&set, 41) && written(&set, 40), "also when the clock was set back");
}

#[test]
fn a_full_set_gives_up_the_owners_own_oldest_first() {
    let mut set = OneSet::new();
    for thing in 0..16 {
        assert_eq!(set.claim(thing, if thing < 14 { 1 } else { 2 }, u64::from(thing)), Finding::Own);
    }
    // 0 is the oldest of all, 14 the oldest of 2.
    assert_eq!(set.claim(99, 2, 20), Finding::Own);
    assert_eq!((set.check(14, 2, 20), set.check(15, 2, 20)), (Finding::Unknown, Finding::Own));
    assert_eq!(set.check(0, 1, 120), Finding::Own, "seen again");
    assert_eq!(set.claim(100, 3, 121), Finding::Own, "an owner without any");
    assert_eq!((set.check(0, 1, 121), set.check(1, 1, 121)), (Finding::Own, Finding::Unknown));
}

#[test]
fn a_time_ahead_of_a_corrected_clock_keeps_nothing_for_ever() {
    let mut set = OneSet::new();
    for thing in 0..16 {
        set.claim(thing, thing, 1_000_000);
    }
    assert_eq!(set.check(7, 7, 0), Finding::Own, "seen by the corrected clock");
    for thing in 0..15 {
        assert_eq!(set.claim(100 + thing, 100 + thing, 1 + u64::from(thing)), Finding::Own);
    }
    let left: Vec<u8> = (0..16).filter(|thing| set.check(*thing, *thing, 20) == Finding::Own).collect();
    assert_eq!(left, [7], "whatever was not seen since goes before what is new");
    assert_eq!(set.claim(200, 200, 21), Finding::Own);
    assert_eq!((set.check(7, 7, 21), set.check(101, 101, 21)), (Finding::Unknown, Finding::Own));
}

#[test]
fn bytes_that_are_not_ours_deny() {
    let mut set = OneSet::new();
    set.claim(1, 1, 0);
    set.claim(2, 2, 0);
    let mut bad: Vec<Vec<u8>> = (0..set.0.len()).map(|n| set.0[..n].to_vec()).collect();
    let row = binding(1, 1);
    let twice = Row { handle: row.handle, owner: row.owner, seen: 0 };
    bad.extend([vec![0; 87], b"true".to_vec(), encode(&[twice, twice]), encode(&[twice; WAYS + 1])]);
    for bytes in bad {
        for question in [Question::Check, Question::Claim] {
            let found = ask(Some(&bytes), &row, question, secs(0));
            assert_eq!((found.finding, found.bytes), (Finding::Corrupt, None));
        }
        assert_eq!(forget(Some(&bytes), &row), None);
    }
}

proptest! {
    /// Two principals never see each other's things: whatever is claimed, checked, forgotten and pushed out, only who
    /// claimed a thing last is told that it is his.
    #[test]
    fn a_thing_never_has_two_owners(
        steps in proptest::collection::vec((0..40_u8, 0..5_u8, 0..3_u8, 0..200_u64), 1..300),
    ) {
        let mut set = OneSet::new();
        let mut owners: BTreeMap<u8, u8> = BTreeMap::new();
        for (thing, owner, what, at) in steps {
            let known = owners.get(&thing).copied();
            match what {
                0 => match set.claim(thing, owner, at) {
                    Finding::Own => drop(owners.insert(thing, owner)),
                    other => prop_assert!(other == Finding::Foreign && known.is_some_and(|k| k != owner)),
                },
                1 => match set.check(thing, owner, at) {
                    Finding::Own => prop_assert_eq!(known, Some(owner)),
                    Finding::Foreign => prop_assert!(known.is_some_and(|k| k != owner)),
                    // Pushed out, or never there.
                    other => prop_assert_eq!(other, Finding::Unknown),
                },
                _ => if let Some(bytes) = forget(Some(&set.0), &binding(thing, owner)) {
                    set.0 = bytes;
                    prop_assert_eq!(owners.remove(&thing), Some(owner));
                },
            }
            prop_assert!(set.0.len() <= 3 + WAYS * 40 + 4);
        }
    }

    /// Whoever begins as much as he likes pushes out at most one thing of others from a set.
    #[test]
    fn a_flood_of_one_owner_costs_others_one_at_most(before in proptest::collection::vec((0..16_u8, 1..6_u8), 0..40), flood in 17..200_u8) {
        let mut set = OneSet::new();
        for (at, (thing, owner)) in before.iter().enumerate() {
            set.claim(*thing, *owner, at as u64);
        }
        let own = |set: &mut OneSet| (0..16_u8).flat_map(|t| (1..6_u8).map(move |o| (t, o)))
            .filter(|(t, o)| set.check(*t, *o, 50) == Finding::Own).count();
        let had = own(&mut set);
        for thing in 16..=flood {
            set.claim(thing, 9, 60);
        }
        prop_assert!(own(&mut set) + 1 >= had);
    }

    /// Threads that read, think and swap in any order: of several that claim one thing one gets it, whoever lost the race
    /// asks again and is told so.
    #[test]
    fn a_lost_swap_binds_nothing(steps in proptest::collection::vec((0..4_u8, any::<bool>()), 1..80)) {
        let (mut stored, mut version) = (empty_set(), 0);
        let mut pending: [Option<(u32, Found)>; 4] = Default::default();
        let mut told: Vec<u8> = Vec::new();
        for (thread, read) in steps {
            let slot = &mut pending[usize::from(thread)];
            if read {
                *slot = Some((version, ask(Some(&stored), &binding(7, thread), Question::Claim, secs(0))));
            } else if let Some((seen, found)) = slot.take() {
                match found.bytes {
                    Some(_) if seen != version => {}
                    Some(bytes) => {
                        (stored, version) = (bytes, version + 1);
                        told.push(thread);
                    }
                    None if found.finding == Finding::Own => told.push(thread),
                    None => prop_assert_eq!(found.finding, Finding::Foreign),
                }
            }
        }
        told.dedup();
        prop_assert!(told.len() <= 1, "{:?}", told);
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), now in any::<u64>()) {
        let now = Timestamp::from_nanos(now);
        prop_assert_eq!(ask(Some(&bytes), &binding(1, 1), Question::Claim, now).finding, Finding::Corrupt);
        let mut set = OneSet::new();
        set.claim(1, 1, 0);
        prop_assert_eq!(set.ask(binding(1, 1), Question::Check, now), Finding::Own);
        prop_assert!(set.0.len() == 47 && Duration::ZERO < GRAIN);
    }
}
