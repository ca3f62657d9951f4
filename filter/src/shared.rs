//! How do Envoy's workers know the same? Token buckets, used proofs, owners and counts of streams lie in shared data and change
//! by compare-and-swap only.
//!
//! Which slot, what bytes and who is evicted is the core's (`limits::store`, `limits::used_proofs`, `limits::lease`,
//! `bindings::table`); here is only the loop around the host.

use std::cell::Cell;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::iter::once;

use wicketgate_core::bindings::owner::{Binding, Kind};
use wicketgate_core::bindings::table::{self, Finding};
use wicketgate_core::exchange::step::{Consult, Next, Take};
use wicketgate_core::guard::Guard;
use wicketgate_core::limits::store::{self, Outcome};
use wicketgate_core::limits::used_proofs::{self, Use};
use wicketgate_core::limits::{lease, roll};
use wicketgate_core::salt::Salt;
use wicketgate_core::time::Timestamp;
use wicketgate_core::tools::book::Book;

use crate::host::{self, Fault, Level};

/// Each try loses only to another worker that succeeded, so a handful is rare and this many is a broken host.
const TRIES: usize = 256;

thread_local! {
    static SALT: Cell<Option<Salt>> = const { Cell::new(None) };
}

/// Creates every set of slots that does not exist: creation cannot be compared-and-swapped, so it is done at configure,
/// before traffic.
pub(crate) fn prepare(guard: &Guard) -> Result<(), Fault> {
    // Too short to be one: none is drawn yet.
    create(&mut once(Salt::KEY.to_owned()), &[0])?;
    create(&mut store::all_keys(), &store::empty_set())?;
    create(&mut used_proofs::all_keys(), &used_proofs::empty_set())?;
    create(&mut lease::all_keys(), &lease::empty_set())?;
    create(&mut roll::all_keys(), &roll::free())?;
    for kind in [Kind::Session, Kind::Task] {
        create(&mut table::all_keys(kind), &table::empty_set())?;
    }
    // As many as there are servers in configurations, each of a bounded size.
    for server in guard.servers.iter().filter(|server| server.tools.is_some()) {
        create(&mut once(Book::key(&server.name)), &Book::empty())?;
    }
    Ok(())
}

/// Sets are created in order and never vanish: where the last one is, all are.
fn create(keys: &mut dyn DoubleEndedIterator<Item = String>, empty: &[u8]) -> Result<(), Fault> {
    let Some(last) = keys.next_back() else { return Ok(()) };
    if host::shared(&last)?.is_some() {
        return Ok(());
    }
    for key in keys.chain(once(last)) {
        if host::shared(&key)?.is_none() {
            host::set_shared(&key, empty, 0)?;
        }
    }
    Ok(())
}

/// The number that chooses sets, the same for all VMs of this Envoy: the first that needs one draws it. Read at each tick
/// again, should another VM have drawn at the same moment.
pub(crate) fn salt() -> Result<Salt, Fault> {
    SALT.get().map_or_else(agree_on_salt, Ok)
}

/// Reads it from the store, drawing it if it is not there.
pub(crate) fn agree_on_salt() -> Result<Salt, Fault> {
    let drawn = change(Salt::KEY, |bytes| match bytes.and_then(Salt::read) {
        Some(salt) => (None, salt),
        None => {
            let salt = Salt::new(random());
            (Some(salt.bytes().to_vec()), salt)
        }
    });
    SALT.set(drawn.as_ref().ok().copied());
    drawn
}

/// Random bytes: the standard library asks the host for the keys of its hashes.
fn random() -> [u8; 16] {
    let draw = || RandomState::new().build_hasher().finish().to_be_bytes();
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(draw().into_iter().chain(draw())).for_each(|(to, from)| *to = from);
    bytes
}

/// One token from each bucket, or from none, and the last bucket that was asked; `None` when the host fails.
pub(crate) fn take(takes: &[Take], now: Timestamp) -> (Option<Outcome>, usize) {
    let mut outcome = None;
    for (index, bucket) in takes.iter().enumerate() {
        outcome = take_one(bucket, now).ok();
        if !matches!(outcome, Some(Outcome::Admitted { .. })) {
            // Lost only if the store broke meanwhile: then one token too few is left, never one too many.
            for earlier in takes.iter().take(index) {
                let _ = give_back(earlier, now);
            }
            return (outcome, index);
        }
    }
    (outcome, takes.len().saturating_sub(1))
}

/// A token that was taken for what did not happen.
pub(crate) fn give_back(bucket: &Take, now: Timestamp) -> Result<(), Fault> {
    change(&store::set_key(bucket.tag, salt()?), |set| {
        (store::give_back(set, bucket.tag, bucket.rate, 1, now), ())
    })
}

fn take_one(bucket: &Take, now: Timestamp) -> Result<Outcome, Fault> {
    change(&store::set_key(bucket.tag, salt()?), |set| {
        let taken = store::take(set, bucket.tag, bucket.rate, 1, now);
        (taken.bytes, taken.outcome)
    })
}

/// Uses up a proof of possession; `None` when the host fails.
pub(crate) fn use_proof(proof: &Use, now: Timestamp) -> Option<used_proofs::Outcome> {
    let noted = change(&used_proofs::set_key(proof, salt().ok()?), |set| {
        let noted = used_proofs::note(set, proof, now);
        (noted.bytes, noted.outcome)
    });
    noted.ok()
}

/// Whose it is; `None` when the host fails.
pub(crate) fn consult(consult: &Consult, now: Timestamp) -> Option<Finding> {
    let Consult { binding, question } = consult;
    let found = change(&table::set_key(binding, salt().ok()?), |set| {
        let found = table::ask(set, binding, *question, now);
        (found.bytes, found.finding)
    });
    found.ok()
}

/// Changes what is known of the tools of a server; `false` when the host fails.
pub(crate) fn page(key: &str, next: &mut Next<'_>) -> bool {
    swap(key, next).is_ok()
}

/// Forgets whose it is. Where the host fails it stays with its owner, whom that harms no more than anybody.
pub(crate) fn forget(binding: &Binding) {
    let forgotten = salt()
        .and_then(|salt| change(&table::set_key(binding, salt), |set| (table::forget(set, binding), ())));
    if forgotten.is_err() {
        host::log(Level::Warn, "what has ended could not be forgotten");
    }
}

/// Reads a set, lets `next` make new bytes of it, and writes them if nobody was faster; else again.
pub(crate) fn change<T>(key: &str, next: impl Fn(Option<&[u8]>) -> (Option<Vec<u8>>, T)) -> Result<T, Fault> {
    let mut outcome = None;
    swap(key, &mut |set| {
        let (bytes, told) = next(set);
        outcome = Some(told);
        bytes
    })?;
    outcome.ok_or(Fault(u32::MAX))
}

/// The loop, once in the module for all that is changed.
fn swap(key: &str, next: &mut Next<'_>) -> Result<(), Fault> {
    for _ in 0..TRIES {
        // A set that is not there was never prepared: without its number nothing can be swapped safely.
        let Some((bytes, cas)) = host::shared(key)? else { return Err(Fault(u32::MAX)) };
        let Some(new) = next(Some(&bytes)) else { return Ok(()) };
        if host::set_shared(key, &new, cas)? {
            return Ok(());
        }
    }
    Err(Fault(u32::MAX))
}
