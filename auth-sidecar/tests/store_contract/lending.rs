//! Token buckets from which all gateways take: never more than capacity and refill, whoever asks and however many at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use wicketgate_auth::clock::{Clock as _, SystemClock};
use wicketgate_auth::store::Store;
use wicketgate_auth::store::bucket::{MOST_SPAN, MOST_TOKENS, Shape};

/// Gains nothing while a test runs.
const SLOW: Shape = Shape { capacity: 100, tokens: 1, per: MOST_SPAN };

pub(super) async fn contract(store: &Arc<Store>) {
    let lend =
        async |bucket, shape, wanted| store.lend(bucket, shape, wanted, SystemClock.millis()).await.unwrap();
    let all = lend("a", SLOW, 60).await;
    assert_eq!((all.granted, all.retry_after), (60, None));
    let fewer = lend("a", SLOW, 60).await;
    assert_eq!(fewer.granted, 40);
    let none = lend("a", SLOW, 1).await;
    assert_eq!(none.granted, 0);
    let span = Duration::from_secs(MOST_SPAN.into());
    for lent in [fewer, none] {
        let wait = lent.retry_after.unwrap();
        assert!(wait <= span && wait > span - Duration::from_secs(600), "{wait:?}");
    }
    assert_eq!(lend("b", SLOW, 100).await.granted, 100, "another bucket is another's");
    let other = Shape { capacity: 101, ..SLOW };
    assert_eq!(lend("a", other, 101).await.granted, 101, "so is one of another shape");
    let largest = Shape { capacity: MOST_TOKENS, tokens: 1, per: MOST_SPAN };
    for (wanted, granted) in [(MOST_TOKENS - 1, MOST_TOKENS - 1), (9, 1), (9, 0)] {
        assert_eq!(lend("largest", largest, wanted).await.granted, granted, "no number is too large");
    }
    assert_eq!(race(&[Arc::clone(store)], "race").await, 100);
    refill(store).await;
}

/// What many who ask at once get together of a bucket of 100.
pub(super) async fn race(stores: &[Arc<Store>], bucket: &'static str) -> u32 {
    let mut asking = JoinSet::new();
    for at in 0..30 {
        let store = Arc::clone(&stores[at % stores.len()]);
        asking.spawn(async move { store.lend(bucket, SLOW, 7, SystemClock.millis()).await.unwrap().granted });
    }
    asking.join_all().await.iter().sum()
}

/// It goes on after the bucket was empty, and not faster than it should.
async fn refill(store: &Store) {
    let shape = Shape { capacity: 5, tokens: 500, per: 1 };
    let (began, mut granted) = (Instant::now(), 0_u64);
    while granted < 50 {
        granted += u64::from(store.lend("quick", shape, 5, SystemClock.millis()).await.unwrap().granted);
        // Both ends of a moment are cut to milliseconds.
        let refilled = u64::try_from(began.elapsed().as_millis() + 2).unwrap() / 2;
        assert!(granted <= 5 + refilled, "{granted} of {refilled}");
        assert!(began.elapsed() < Duration::from_secs(20), "it does not fill");
    }
}
