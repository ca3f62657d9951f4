use std::time::Duration;

use super::*;
use crate::store::embedded::EmbeddedStore;

const PUBLISHED_FOR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn whoever_comes_after_a_change_was_due_has_it_though_another_is_still_writing_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(EmbeddedStore::open(&folder.path().join("auth.redb")).unwrap());
    let schedule = Schedule {
        held: vec![SigningAlgorithm::Es256],
        rotate_every: None,
        publish_before: PUBLISHED_FOR,
        longest_token: Duration::from_secs(600),
    };
    let keys = Keys::new(SealingKey::derived_from("a key of this test"), schedule, SigningAlgorithm::Es256);
    let start = UnixTime(1_800_000_000);
    keys.keep_current(&store, start).await.unwrap();
    keys.rotate(&store, start, false).await.unwrap();
    let of = |state| keys.list().into_iter().find(|key| key.state == state).map(|key| key.kid);
    let next = of(KeyState::Next).unwrap();

    let due = start.plus(PUBLISHED_FOR);
    let come = || async {
        let moved_on = keys.keep_current(&store, due).await.unwrap();
        (moved_on, of(KeyState::Active).unwrap())
    };
    let (first, second, third) = tokio::join!(come(), come(), come());
    assert_eq!([first, second, third], [(true, next.clone()), (false, next.clone()), (false, next)]);
}
