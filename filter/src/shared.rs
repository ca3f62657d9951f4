//! How do Envoy's workers know the same? Token buckets, leases, used proofs, owners, counts of streams, what was done before
//! and what tools were said to be lie in shared data and change by compare-and-swap only.
//!
//! Which slot, what bytes and who is evicted is the core's (`limits::store`, `limits::lease`, `limits::used_proofs`, `limits::streams`,
//! `bindings::table`, `history::table`, `tools::table`); here is only the loop around the host.

use std::cell::Cell;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::iter::once;
use std::time::Duration;

use wicketgate_core::bindings::owner::{Binding, Kind};
use wicketgate_core::bindings::table::{self, Finding};
use wicketgate_core::exchange::step::{Consult, Next, Recall, Take};
use wicketgate_core::guard::Guard;
use wicketgate_core::history::table as history;
use wicketgate_core::limits::lease::{self, Ask, Grant, Need};
use wicketgate_core::limits::rate::Rate;
use wicketgate_core::limits::tag::Tag;
use wicketgate_core::limits::taking::{self, Taken};
use wicketgate_core::limits::used_proofs::{self, Use};
use wicketgate_core::limits::{roll, store, streams};
use wicketgate_core::salt::Salt;
use wicketgate_core::time::Timestamp;
use wicketgate_core::tools::book::Book;
use wicketgate_core::tools::listed::{Listed, ToolTag};
use wicketgate_core::tools::table as tools;

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
    create(&mut streams::all_keys(), &streams::empty_set())?;
    if guard.leases.is_some() {
        create(&mut lease::all_keys(), &lease::empty_set())?;
    }
    create(&mut roll::all_keys(), &roll::free())?;
    create(&mut history::all_keys(), &history::empty_set())?;
    create(&mut tools::all_keys(), &tools::empty_set())?;
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

/// One token from each bucket, or from none; what the outcome is `None` of, the host could not do.
pub(crate) fn take(takes: &[Take], now: Timestamp) -> Option<Taken> {
    Some(taking::take(takes, salt().ok()?, now, &mut |key, next| swap(key, next).is_ok()))
}

/// A token that was taken for what did not happen.
pub(crate) fn give_back(bucket: &Take, now: Timestamp) {
    if let Ok(salt) = salt() {
        bucket.give_back(now, salt, now, &mut |key, next| swap(key, next).is_ok());
    }
}

/// How many tokens of a bucket are to be asked for; others learn that they are.
pub(crate) fn want(
    bucket: (Tag, Rate),
    need: Need,
    patience: Duration,
    now: Timestamp,
) -> Result<Option<Ask>, Fault> {
    change(&lease::set_key(bucket.0, salt()?), |set| {
        let (ask, bytes) = lease::want(set, bucket, need, patience, now);
        (bytes, ask)
    })
}

/// Keeps what was granted ahead of need.
pub(crate) fn keep(grant: &Grant, rate: Rate, now: Timestamp) -> Result<(), Fault> {
    change(&lease::set_key(grant.tag, salt()?), |set| (lease::keep(set, grant.tag, rate, grant, now), ()))
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

/// Asks what was done before, and marks what is done now; `None` when the host fails.
pub(crate) fn recall(recall: &Recall, now: Timestamp) -> Option<history::Outcome> {
    let noted = change(&history::set_key(recall.slots, salt().ok()?), |set| {
        let noted = history::ask(set, &recall.asks, now);
        (noted.bytes, noted.outcome)
    });
    noted.ok()
}

/// How a tool was last listed; `None` where that is not known, or the host fails.
pub(crate) fn recall_tool(tag: ToolTag) -> Option<Listed> {
    let (bytes, _) = host::shared(&tools::set_key(tag, salt().ok()?)).ok()??;
    tools::recall(Some(&bytes), tag)
}

/// Keeps how a tool is listed now; whether it is kept.
pub(crate) fn learn_tool(tag: ToolTag, listed: Listed, now: Timestamp) -> bool {
    let learnt = salt().and_then(|salt| {
        change(&tools::set_key(tag, salt), |set| match tools::learn(set, tag, listed, now) {
            Ok(bytes) => (bytes, true),
            Err(tools::Corrupt) => (None, false),
        })
    });
    learnt.unwrap_or(false)
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
