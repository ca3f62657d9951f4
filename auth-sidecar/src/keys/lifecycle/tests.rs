use std::convert::Infallible;

use super::*;

const DAY: u64 = 24 * 60 * 60;

fn schedule(held: &[SigningAlgorithm]) -> Schedule {
    Schedule {
        held: held.to_vec(),
        rotate_every: Some(Duration::from_secs(30 * DAY)),
        publish_before: Duration::from_secs(3600),
        longest_token: Duration::from_secs(600),
    }
}

/// A key whose name says when it was made.
fn made(algorithm: SigningAlgorithm, state: KeyState, now: u64) -> StoredKey {
    let kid = format!("{}-{now}", algorithm.as_str());
    StoredKey {
        kid,
        algorithm,
        state,
        created_at: UnixTime(now),
        since: UnixTime(now),
        sealed: String::new(),
    }
}

fn step(schedule: &Schedule, keys: Vec<StoredKey>, now: u64) -> Vec<StoredKey> {
    let make = |algorithm, state| Ok::<_, Infallible>(made(algorithm, state, now));
    schedule.step(keys, UnixTime(now), make).unwrap()
}

fn shown(keys: &[StoredKey]) -> Vec<(&str, KeyState)> {
    keys.iter().map(|key| (key.kid.as_str(), key.state)).collect()
}

#[test]
fn a_key_is_published_then_signs_then_is_kept_and_then_is_gone() {
    let schedule = schedule(&[SigningAlgorithm::Es256]);
    let first = step(&schedule, vec![], 0);
    assert_eq!(shown(&first), [("ES256-0", KeyState::Active)]);

    let successor_at = 30 * DAY - 3600;
    assert_eq!(schedule.next_change(&first), UnixTime(successor_at));
    assert_eq!(step(&schedule, first.clone(), successor_at - 1), first, "nothing happens before");
    let both = step(&schedule, first, successor_at);
    let successor = format!("ES256-{successor_at}");
    assert_eq!(shown(&both), [("ES256-0", KeyState::Active), (&successor, KeyState::Next)]);

    assert_eq!(schedule.next_change(&both), UnixTime(30 * DAY));
    assert_eq!(step(&schedule, both.clone(), 30 * DAY - 1), both);
    let rotated = step(&schedule, both, 30 * DAY);
    assert_eq!(shown(&rotated), [("ES256-0", KeyState::Retired), (&successor, KeyState::Active)]);

    let gone = 30 * DAY + 600 + 60;
    assert_eq!(schedule.next_change(&rotated), UnixTime(gone));
    assert_eq!(step(&schedule, rotated.clone(), gone - 1), rotated);
    assert_eq!(shown(&step(&schedule, rotated, gone)), [(successor.as_str(), KeyState::Active)]);
}

#[test]
fn every_algorithm_that_is_held_has_one_active_key() {
    let both = schedule(&[SigningAlgorithm::Es256, SigningAlgorithm::Rs256]);
    let keys = step(&both, vec![], 0);
    assert_eq!(shown(&keys), [("ES256-0", KeyState::Active), ("RS256-0", KeyState::Active)]);
    let without = schedule(&[SigningAlgorithm::Es256]);
    let keys = step(&without, keys, 10);
    assert_eq!(shown(&keys), [("ES256-0", KeyState::Active), ("RS256-0", KeyState::Retired)]);
    assert_eq!(step(&without, keys, 10 + 660).len(), 1);
}

#[test]
fn without_a_schedule_keys_stay() {
    let schedule = Schedule { rotate_every: None, ..schedule(&[SigningAlgorithm::Es256]) };
    let keys = step(&schedule, vec![], 0);
    assert_eq!(schedule.next_change(&keys), UnixTime(u64::MAX));
    assert_eq!(step(&schedule, keys.clone(), 10_000 * DAY), keys);
}

#[test]
fn somebody_may_ask_for_a_new_key() {
    let schedule = Schedule { rotate_every: None, ..schedule(&[SigningAlgorithm::Es256]) };
    let rotate = |keys, now, at_once| {
        let make = |algorithm, state| Ok::<_, Infallible>(made(algorithm, state, now));
        schedule.rotate(keys, UnixTime(now), at_once, make).unwrap()
    };
    let keys = rotate(step(&schedule, vec![], 0), 10, false);
    assert_eq!(shown(&keys), [("ES256-0", KeyState::Active), ("ES256-10", KeyState::Next)]);
    assert_eq!(rotate(keys.clone(), 20, false), keys, "one successor is enough");
    let keys = rotate(keys, 30, true);
    assert_eq!(shown(&keys), [("ES256-0", KeyState::Retired), ("ES256-10", KeyState::Active)]);
    let keys = rotate(keys, 30, true);
    assert_eq!(shown(&keys).last(), Some(&("ES256-30", KeyState::Active)), "twice in one second");
    assert_eq!(keys.iter().filter(|key| key.state == KeyState::Active).count(), 1);
}
