//! What does a token of a bucket cost, in an empty and in a full set, without the store's own calls.
#![expect(clippy::unwrap_used, reason = "a benchmark")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use wicketgate_core::identity::principal::Principal;
use wicketgate_core::limits::rate::Rate;
use wicketgate_core::limits::store::{Outcome, WAYS, set_key, take};
use wicketgate_core::limits::tag::Tag;
use wicketgate_core::salt::Salt;
use wicketgate_core::time::Timestamp;

const RATE: Rate = Rate { burst: u32::MAX, tokens: 1_000_000, per: Duration::from_secs(1) };

fn tag(source: usize) -> Tag {
    Tag::caller("sample", &Principal::Anonymous, Some(&source.to_string()), RATE)
}

fn bench(c: &mut Criterion) {
    let now = Timestamp::from_secs(1_790_000_000);
    let mut full = None;
    for n in 0..WAYS {
        full = take(full.as_deref(), tag(n), RATE, 1, now).bytes;
    }
    let full = full.unwrap();
    c.bench_function("tag and key", |b| b.iter(|| set_key(tag(black_box(7)), Salt::new([1; 16]))));
    c.bench_function("take from an empty set", |b| b.iter(|| take(None, black_box(tag(0)), RATE, 1, now)));
    let last = tag(WAYS - 1);
    assert!(matches!(take(Some(&full), last, RATE, 1, now).outcome, Outcome::Admitted { .. }));
    c.bench_function("take from a full set", |b| b.iter(|| take(Some(&full), black_box(last), RATE, 1, now)));
}

criterion_group!(benches, bench);
criterion_main!(benches);
