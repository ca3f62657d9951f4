use std::time::Duration;

use proptest::prelude::*;

use super::Bucket;
use crate::limits::rate::Rate;
use crate::time::Timestamp;

const START: u64 = 1_790_000_000_000_000_000;
const SEVEN: Rate = Rate { burst: 3, tokens: 7, per: Duration::from_secs(1) };

fn at(nanos: u64) -> Timestamp {
    Timestamp::from_nanos(START + nanos)
}

#[test]
fn a_full_bucket_gives_its_burst_and_then_says_when_to_come_back() {
    let mut bucket = Bucket::full(at(0));
    for left in [2, 1, 0] {
        let (next, remaining) = bucket.take(SEVEN, 1, at(0)).unwrap();
        assert_eq!(remaining, left);
        bucket = next;
    }
    // A seventh of a second is no whole number of nanoseconds: rounded up.
    let wait = bucket.take(SEVEN, 1, at(0)).unwrap_err();
    assert_eq!(wait, Duration::from_nanos(142_857_143));
    assert!(bucket.take(SEVEN, 1, at(142_857_142)).is_err());
    assert!(bucket.take(SEVEN, 1, at(142_857_143)).is_ok());
    assert_eq!(bucket.take(SEVEN, 4, at(0)), Err(Duration::MAX), "more than it ever holds");
    assert_eq!(bucket.take(SEVEN, 3, at(1_000_000_000)).unwrap().1, 0, "never more than the burst");
}

#[test]
fn refilling_loses_nothing_over_time() {
    // Taking each token at the first nanosecond that it exists: seven in every second, for ever.
    let (mut bucket, _) = Bucket::full(at(0)).take(SEVEN, 3, at(0)).unwrap();
    for n in 1..=7_000_u64 {
        let due = (n * 1_000_000_000).div_ceil(7);
        assert!(bucket.take(SEVEN, 1, at(due - 1)).is_err(), "{n}");
        bucket = bucket.take(SEVEN, 1, at(due)).unwrap().0;
    }
}

#[test]
fn what_is_given_back_can_be_taken_again_but_no_more() {
    let (bucket, _) = Bucket::full(at(0)).take(SEVEN, 2, at(0)).unwrap();
    assert_eq!(bucket.give_back(SEVEN, 1, at(0)).take(SEVEN, 2, at(0)).unwrap().1, 0);
    let over = bucket.give_back(SEVEN, u32::MAX, at(0));
    assert_eq!(over.take(SEVEN, 3, at(0)).unwrap().1, 0);
    assert!(over.take(SEVEN, 4, at(0)).is_err());
}

#[test]
fn a_clock_that_was_years_ahead_does_not_lock_a_bucket() {
    let year = Duration::from_secs(365 * 86_400);
    let (bucket, _) = Bucket::full(at(0).plus(year)).take(SEVEN, 2, at(0).plus(year)).unwrap();
    assert_eq!(bucket.take(SEVEN, 1, at(0)).unwrap().1, 0, "as many tokens as it had");
    assert!(bucket.take(SEVEN, 2, at(0)).is_err());
    assert_eq!(
        bucket.settled(at(0)).take(SEVEN, 2, at(142_857_143)).unwrap().1,
        0,
        "and it refills from now"
    );
    // A small step back is no correction: no refill until the clock has caught up, and the wait says so.
    let (bucket, _) = Bucket::full(at(1_000)).take(SEVEN, 3, at(1_000)).unwrap();
    assert_eq!(bucket.take(SEVEN, 1, at(0)), Err(Duration::from_nanos(142_857_143 + 1_000)));
}

#[test]
fn extreme_rates_neither_overflow_nor_give_more() {
    let slow = Rate { burst: u32::MAX, tokens: 1, per: Duration::from_secs(86_400) };
    // Taking all of it would fill up again after the end of time.
    assert!(Bucket::full(at(0)).take(slow, u32::MAX, at(0)).is_err());
    assert!(Bucket::full(at(0)).take(slow, 1_000, at(0)).is_ok());
    let fast = Rate { burst: u32::MAX, tokens: u32::MAX, per: Duration::from_secs(1) };
    let (bucket, left) = Bucket::full(at(0)).take(fast, u32::MAX, at(0)).unwrap();
    assert_eq!(left, 0);
    assert!(bucket.take(fast, 5, at(1)).is_err() && bucket.take(fast, 4, at(1)).is_ok());
    let end = Timestamp::from_nanos(u64::MAX);
    assert!(Bucket::full(end).take(SEVEN, 1, end).is_err());
    assert!(!Bucket::full(at(0)).take(SEVEN, 1, at(0)).unwrap().0.is_forgettable(at(1_000_000_000)));
}

pub(crate) fn rates() -> impl Strategy<Value = Rate> {
    let per = prop_oneof![Just(1_u64), Just(60), Just(3600), 1..86_400_u64];
    (1..20_u32, 1..50_u32, per).prop_map(|(burst, tokens, per)| Rate {
        burst,
        tokens,
        per: Duration::from_secs(per),
    })
}

/// Whether in every window of these admissions (time, cost) at most `burst + refill * T` were let through.
pub(crate) fn within_bound(admitted: &[(u64, u32)], rate: Rate) -> bool {
    let per = rate.per.as_nanos();
    (0..admitted.len()).all(|first| {
        let (mut cost, mut from, mut to) = (0_u128, u64::MAX, 0);
        admitted[first..].iter().all(|(now, taken)| {
            cost += u128::from(*taken);
            (from, to) = (from.min(*now), to.max(*now));
            cost * per <= u128::from(rate.burst) * per + u128::from(rate.tokens) * u128::from(to - from)
        })
    })
}

proptest! {
    /// House section 6: in any window T admitted <= burst + refill * T, with clock readings out of order by up to a second.
    #[test]
    fn no_window_admits_more_than_burst_and_refill(
        rate in rates(),
        steps in proptest::collection::vec((0..3_000_000_000_u64, 0..1_000_000_000_u64, 1..4_u32), 1..80),
    ) {
        let (mut clock, mut bucket, mut admitted) = (START, Bucket::full(at(0)), Vec::new());
        for (forward, late, cost) in steps {
            clock += forward;
            let now = clock - late.min(clock - START);
            if let Ok((next, _)) = bucket.take(rate, cost, Timestamp::from_nanos(now)) {
                bucket = next;
                admitted.push((now, cost));
            }
        }
        prop_assert!(within_bound(&admitted, rate));
    }

    /// However the clock jumps, tokens come only from time that went forward.
    #[test]
    fn a_clock_that_jumps_back_mints_nothing(
        rate in rates(),
        times in proptest::collection::vec((0..400_000_000_000_u64, 1..4_u32), 1..80),
    ) {
        let (mut bucket, mut last, mut forward, mut taken) = (Bucket::full(at(0)), 0, 0_u128, 0_u128);
        for (now, cost) in times {
            forward += u128::from(now.saturating_sub(last));
            last = now;
            bucket = bucket.settled(at(now));
            if let Ok((next, _)) = bucket.take(rate, cost, at(now)) {
                bucket = next;
                taken += u128::from(cost);
            }
        }
        let per = rate.per.as_nanos();
        prop_assert!(taken * per <= u128::from(rate.burst) * per + u128::from(rate.tokens) * forward);
    }

    /// After the time that a refusal names, and not a nanosecond before, the tokens are there.
    #[test]
    fn retry_after_is_exact(rate in rates(), first in 1..20_u32, cost in 1..20_u32, later in 0..10_000_000_000_u64) {
        let Ok((bucket, _)) = Bucket::full(at(0)).take(rate, first, at(0)) else { return Ok(()) };
        if let Err(wait) = bucket.take(rate, cost, at(later)) && wait < Duration::MAX {
            let due = at(later).plus(wait);
            prop_assert!(bucket.take(rate, cost, due).is_ok());
            prop_assert!(bucket.take(rate, cost, Timestamp::from_nanos(due.as_nanos() - 1)).is_err());
        }
    }
}
