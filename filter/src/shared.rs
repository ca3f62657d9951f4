//! How are token buckets exact across Envoy's workers? They lie in shared data and change by compare-and-swap only.
//!
//! Which slot, what bytes and who is evicted is the core's (`limits::store`); here is only the loop around the host.

use wicketgate_core::exchange::step::Take;
use wicketgate_core::limits::store::{self, Outcome};
use wicketgate_core::time::Timestamp;

use crate::host::{self, Fault};

/// Each try loses only to another worker that succeeded, so a handful is rare and this many is a broken host.
const TRIES: usize = 256;

/// Creates every set of slots that does not exist: creation cannot be compared-and-swapped, so it is done at configure,
/// before traffic.
pub(crate) fn prepare() -> Result<(), Fault> {
    for key in store::all_keys() {
        if host::shared(&key)?.is_none() {
            host::set_shared(&key, &store::empty_set(), 0)?;
        }
    }
    Ok(())
}

/// One token from each bucket, or from none; `None` when the host fails.
pub(crate) fn take(takes: &[Take], now: Timestamp) -> Option<Outcome> {
    let mut outcome = None;
    for (index, bucket) in takes.iter().enumerate() {
        outcome = take_one(bucket, now).ok();
        if !matches!(outcome, Some(Outcome::Admitted { .. })) {
            for earlier in takes.iter().take(index) {
                // Lost only if the store broke meanwhile: then one token too few is left, never one too many.
                let _ = change(earlier, |set| (store::give_back(set, earlier.tag, earlier.rate, 1, now), ()));
            }
            break;
        }
    }
    outcome
}

fn take_one(bucket: &Take, now: Timestamp) -> Result<Outcome, Fault> {
    change(bucket, |set| {
        let taken = store::take(set, bucket.tag, bucket.rate, 1, now);
        (taken.bytes, taken.outcome)
    })
}

/// Reads a set, lets `next` make new bytes of it, and writes them if nobody was faster; else again.
fn change<T>(bucket: &Take, next: impl Fn(Option<&[u8]>) -> (Option<Vec<u8>>, T)) -> Result<T, Fault> {
    let key = store::set_key(bucket.tag);
    for _ in 0..TRIES {
        // A set that is not there was never prepared: without its number nothing can be swapped safely.
        let Some((bytes, cas)) = host::shared(&key)? else { return Err(Fault(u32::MAX)) };
        let (new, outcome) = next(Some(&bytes));
        let Some(new) = new else { return Ok(outcome) };
        if host::set_shared(&key, &new, cas)? {
            return Ok(outcome);
        }
    }
    Err(Fault(u32::MAX))
}
