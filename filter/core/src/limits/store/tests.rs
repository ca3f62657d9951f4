use std::collections::HashSet;
use std::time::Duration;

use proptest::prelude::*;

use super::{Outcome, SETS, STRANGERS_SETS, Tag, WAYS, all_keys, empty_set, give_back, set_key, take};
use crate::denial::Denial;
use crate::limits::rate::Rate;
use crate::limits::token_bucket::tests::{rates, within_bound};
use crate::salt::Salt;
use crate::time::Timestamp;

const START: u64 = 1_790_000_000_000_000_000;
const MINUTE: Rate = Rate { burst: 2, tokens: 2, per: Duration::from_secs(60) };

/// Tags that share a set.
fn tag(n: u8) -> Tag {
    let mut bytes = [0; 16];
    bytes[14] = n;
    Tag(bytes)
}

fn secs(secs: u64) -> Timestamp {
    Timestamp::from_nanos(START).plus(Duration::from_secs(secs))
}

/// A store with one set, as the adapter uses it.
#[derive(Default)]
struct OneSet(Option<Vec<u8>>);

impl OneSet {
    fn take(&mut self, tag: Tag, rate: Rate, cost: u32, now: Timestamp) -> Outcome {
        let taken = take(self.0.as_deref(), tag, rate, cost, now);
        if taken.bytes.is_some() {
            self.0 = taken.bytes;
        }
        taken.outcome
    }
}

fn admitted(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Admitted { .. })
}

#[test]
fn keys_are_of_a_fixed_number_and_carry_the_layout() {
    let keys: HashSet<String> = all_keys().collect();
    assert_eq!(keys.len(), usize::from(SETS) + usize::from(STRANGERS_SETS));
    for n in 0..=255 {
        let key = set_key(Tag([n; 16]), Salt::new([1; 16]));
        let table = if n % 2 == 1 { "wicketgate.strangers.v3." } else { "wicketgate.limits.v3." };
        assert!(keys.contains(&key) && key.starts_with(table), "{key}");
    }
}

#[test]
fn a_crowd_of_strangers_shuts_out_no_newcomer_and_only_the_fullest_is_forgotten() {
    let mut set = OneSet(Some(empty_set()));
    let stranger = |n| {
        let Tag(mut bytes) = tag(n);
        bytes[15] |= 1;
        Tag(bytes)
    };
    assert_eq!(set.take(stranger(0), MINUTE, 2, secs(0)), Outcome::Admitted { remaining: 0 });
    for n in 1..=200 {
        assert!(admitted(set.take(stranger(n), MINUTE, 1, secs(0))), "{n}");
    }
    assert!(!admitted(set.take(stranger(0), MINUTE, 1, secs(0))), "the emptiest was kept");
}

#[test]
fn tokens_are_taken_refused_and_given_back() {
    let mut set = OneSet(Some(empty_set()));
    assert_eq!(set.take(tag(1), MINUTE, 1, secs(0)), Outcome::Admitted { remaining: 1 });
    assert_eq!(set.take(tag(1), MINUTE, 1, secs(0)), Outcome::Admitted { remaining: 0 });
    let refused = take(set.0.as_deref(), tag(1), MINUTE, 1, secs(0));
    assert_eq!(refused.outcome, Outcome::Refused { retry_after: Duration::from_secs(30) });
    assert_eq!(refused.bytes, None, "a refusal changes nothing");
    set.0 = give_back(set.0.as_deref(), tag(1), MINUTE, 1, secs(0));
    assert_eq!(set.take(tag(1), MINUTE, 1, secs(0)), Outcome::Admitted { remaining: 0 });
    assert_eq!(give_back(set.0.as_deref(), tag(2), MINUTE, 1, secs(0)), None, "never taken");
    assert_eq!(give_back(None, tag(1), MINUTE, 1, secs(0)), None);
}

#[test]
fn only_full_buckets_make_room() {
    let mut set = OneSet::default();
    for n in 0..u8::try_from(WAYS).unwrap() {
        assert!(admitted(set.take(tag(n), MINUTE, 2, secs(0))));
    }
    let before = set.0.clone();
    assert_eq!(set.take(tag(99), MINUTE, 1, secs(59)), Outcome::Full);
    assert_eq!(set.0, before);
    // Who is in keeps being served.
    assert!(admitted(set.take(tag(0), MINUTE, 1, secs(59))));
    // Full since 60 s, forgotten a second later (and a nanosecond, for parts).
    assert_eq!(set.take(tag(99), MINUTE, 1, secs(61)), Outcome::Full);
    assert!(admitted(set.take(tag(99), MINUTE, 1, secs(62))));
    assert_eq!(set.0.as_ref().unwrap().len(), 3 + 2 * 36 + 4, "the rest was full and is forgotten");
}

#[test]
fn a_bucket_from_a_wrong_future_does_not_hold_its_place_for_ever() {
    let mut set = OneSet::default();
    for n in 0..u8::try_from(WAYS).unwrap() {
        assert!(admitted(set.take(tag(n), MINUTE, 2, secs(400_000_000))));
    }
    assert_eq!(set.take(tag(99), MINUTE, 1, secs(0)), Outcome::Full);
    assert!(matches!(set.take(tag(0), MINUTE, 1, secs(29)), Outcome::Refused { .. }));
    assert!(admitted(set.take(tag(0), MINUTE, 1, secs(30))));
    assert!(admitted(set.take(tag(99), MINUTE, 1, secs(62))));
}

#[test]
fn bytes_that_are_not_ours_deny() {
    let mut set = OneSet::default();
    set.take(tag(1), MINUTE, 1, secs(0));
    set.take(tag(2), MINUTE, 1, secs(0));
    let good = set.0.unwrap();
    let mut bad: Vec<Vec<u8>> = (0..good.len()).map(|n| good[..n].to_vec()).collect();
    bad.extend((0..good.len() * 8).map(|bit| {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        bytes
    }));
    bad.extend([[good.clone(), good.clone()].concat(), vec![0; 79], b"true".to_vec()]);
    for bytes in bad {
        let taken = take(Some(&bytes), tag(1), MINUTE, 1, secs(0));
        assert_eq!((taken.outcome, taken.bytes), (Outcome::Corrupt, None));
        assert_eq!(give_back(Some(&bytes), tag(1), MINUTE, 1, secs(0)), None);
    }
}

#[test]
fn every_outcome_but_one_denies_in_its_own_way() {
    let wait = Duration::from_secs(3);
    assert_eq!(Outcome::Admitted { remaining: 4 }.admitted("a"), Ok(4));
    assert_eq!(
        Outcome::Refused { retry_after: wait }.admitted("a"),
        Err(Denial::RateLimited(wait, "a".into()))
    );
    assert!(matches!(Outcome::Full.admitted("a"), Err(Denial::Unavailable(_))));
    assert!(matches!(Outcome::Corrupt.admitted("a"), Err(Denial::Internal(_))));
}

proptest! {
    /// Sharing a set changes nothing for anybody, as long as there is room.
    #[test]
    fn colliding_principals_do_not_affect_each_other(
        rate in rates(),
        steps in proptest::collection::vec((0..8_u8, 0..9_000_000_000_u64, 1..4_u32), 1..80),
    ) {
        let mut shared = OneSet::default();
        let mut own: Vec<OneSet> = (0..8).map(|_| OneSet::default()).collect();
        let mut clock = START;
        for (who, forward, cost) in steps {
            clock += forward;
            let now = Timestamp::from_nanos(clock);
            let alone = own[usize::from(who)].take(tag(who), rate, cost, now);
            prop_assert_eq!(shared.take(tag(who), rate, cost, now), alone);
        }
    }

    /// More principals than places, clocks read out of order: eviction grants nothing.
    #[test]
    fn eviction_never_grants_tokens(
        rate in rates(),
        steps in proptest::collection::vec(
            (0..20_u8, prop_oneof![0..200_000_000_u64, 0..40_000_000_000_u64], 0..1_000_000_000_u64, 1..4_u32), 1..160),
    ) {
        let mut set = OneSet::default();
        let mut logs = vec![Vec::new(); 20];
        let mut clock = START;
        for (who, forward, late, cost) in steps {
            clock += forward;
            let now = clock - late.min(clock - START);
            if admitted(set.take(tag(who), rate, cost, Timestamp::from_nanos(now))) {
                logs[usize::from(who)].push((now, cost));
            }
            prop_assert!(set.0.as_ref().is_none_or(|bytes| bytes.len() <= 3 + WAYS * 36 + 4));
        }
        prop_assert!(logs.iter().all(|log| within_bound(log, rate)));
    }

    /// Threads that read, think and swap in any order: a swap that lost its race counts nothing.
    #[test]
    fn races_of_compare_and_swap_admit_no_more(
        rate in rates(),
        steps in proptest::collection::vec((0..4_usize, 0..2_000_000_000_u64, any::<bool>()), 1..160),
    ) {
        let (mut stored, mut version) = (Some(empty_set()), 0);
        let mut pending: [Option<(u32, u64, super::Taken)>; 4] = Default::default();
        let (mut clock, mut log) = (START, Vec::new());
        for (thread, forward, read) in steps {
            clock += if read { forward } else { 0 };
            if read {
                let taken = take(stored.as_deref(), tag(7), rate, 1, Timestamp::from_nanos(clock));
                pending[thread] = Some((version, clock, taken));
            } else if let Some((seen, now, taken)) = pending[thread].take()
                && seen == version
                && admitted(taken.outcome)
            {
                (stored, version) = (taken.bytes, version + 1);
                log.push((now, 1));
            }
        }
        prop_assert!(within_bound(&log, rate));
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), now in any::<u64>(), cost in any::<u32>(),
            burst in any::<u32>(), tokens in any::<u32>(), per in any::<u64>()) {
        let rate = Rate { burst, tokens, per: Duration::from_secs(per) };
        let now = Timestamp::from_nanos(now);
        let taken = take(Some(&bytes), tag(1), rate, cost, now);
        prop_assert_eq!(taken.outcome, Outcome::Corrupt);
        let mut set = OneSet::default();
        set.take(tag(1), rate, cost, now);
        let later = Timestamp::from_nanos(now.as_nanos() ^ u64::from(cost));
        set.take(tag(1), rate, cost, later);
        prop_assert!(give_back(set.0.as_deref(), tag(1), rate, cost, later).is_none_or(|b| b.len() == 43));
    }
}
