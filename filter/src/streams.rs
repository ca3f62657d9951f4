//! How many streams has a principal open? Each VM counts its own and says so in shared data, as rows that it renews: what
//! a VM that died had counted is free again when their term is over.
//!
//! Most requests end soon and another of the same principal follows, so a few places that have become free are kept until
//! the next tick instead of being given back and taken again.

use std::cell::RefCell;
use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, Hasher};

use wicketgate_core::exchange::step::StreamOf;
use wicketgate_core::limits::streams::{self, Holder, Outcome, TERM};
use wicketgate_core::limits::tag::Tag;
use wicketgate_core::time::Timestamp;

use crate::root::now;
use crate::shared;

/// One that counts, until it is dropped.
pub(crate) struct Stream(Tag);

struct Book {
    /// This VM. Random, because nothing else tells it from one that died.
    holder: Holder,
    held: BTreeMap<Tag, Places>,
    /// Principals of whom more is said than is open. Bounded, because a tick gives it all back.
    spared: BTreeSet<Tag>,
    renewed: Timestamp,
}

/// Those of one principal.
#[derive(Clone, Copy, Default)]
struct Places {
    open: u32,
    /// As shared data has it; never less than are open.
    said: u32,
    /// It counts for the others until then.
    until: Timestamp,
    /// So many there may be.
    most: u32,
}

/// Of so many principals places are kept at a time.
const SPARED: usize = 256;

thread_local! {
    static BOOK: RefCell<Book> = RefCell::new(Book {
        holder: Holder(RandomState::new().build_hasher().finish()),
        held: BTreeMap::new(),
        spared: BTreeSet::new(),
        renewed: Timestamp::default(),
    });
}

/// Counts one more, if there may be; the outcome is `None` when the host fails.
pub(crate) fn open(wanted: &StreamOf, now: Timestamp) -> (Option<Outcome>, Option<Stream>) {
    BOOK.with(|book| {
        let Ok(mut book) = book.try_borrow_mut() else { return (None, None) };
        let outcome = book.open(wanted, now);
        (outcome, (outcome == Some(Outcome::Admitted)).then(|| Stream(wanted.tag)))
    })
}

/// Once a second: gives back what was kept, and says again what this VM holds before its rows end.
pub(crate) fn renew(now: Timestamp) {
    BOOK.with(|book| {
        let Ok(mut book) = book.try_borrow_mut() else { return };
        for tag in std::mem::take(&mut book.spared) {
            book.say(tag, now);
        }
        // A clock that was set back says nothing about how long ago that was.
        if book.renewed <= now && now.since(book.renewed) < TERM / 3 {
            return;
        }
        book.renewed = now;
        let tags: Vec<Tag> = book.held.keys().copied().collect();
        for tag in tags {
            book.say(tag, now);
        }
    });
}

// === impl Book ===

impl Book {
    fn open(&mut self, wanted: &StreamOf, now: Timestamp) -> Option<Outcome> {
        let StreamOf { tag, most } = *wanted;
        let places = self.held.get(&tag).copied().unwrap_or_default();
        let open = places.open.saturating_add(1);
        // A clock that was set back says nothing about how long ago it was said.
        let counts = now < places.until && places.until <= now.plus(TERM);
        if open <= places.said.min(most) && counts {
            self.held.insert(tag, Places { open, most, ..places });
            return Some(Outcome::Admitted);
        }
        let outcome = shared::salt().and_then(|salt| {
            shared::change(&streams::set_key(tag, salt), |set| {
                let acquired = streams::acquire(set, tag, self.holder, places.open, most, now);
                (acquired.bytes, acquired.outcome)
            })
        });
        let outcome = outcome.ok()?;
        if outcome == Outcome::Admitted {
            self.held.insert(tag, Places { open, said: open, until: now.plus(TERM), most });
        }
        Some(outcome)
    }

    fn close(&mut self, tag: Tag, now: Option<Timestamp>) {
        let Some(places) = self.held.get_mut(&tag) else { return };
        places.open = places.open.saturating_sub(1);
        let kept = places.said.saturating_sub(places.open) <= streams::spare(places.most);
        if kept && (self.spared.contains(&tag) || self.spared.len() < SPARED) {
            self.spared.insert(tag);
        } else if let Some(now) = now {
            self.say(tag, now);
        }
    }

    /// Says how many are open. Where the host fails the old row stands until its term is over or the next renewal.
    fn say(&mut self, tag: Tag, now: Timestamp) {
        let Some(places) = self.held.get_mut(&tag) else { return };
        let open = places.open;
        let said = shared::salt().and_then(|salt| {
            shared::change(&streams::set_key(tag, salt), |set| {
                (streams::hold(set, tag, self.holder, open, now), ())
            })
        });
        if said.is_ok() {
            (places.said, places.until) = (open, now.plus(TERM));
        }
        if open == 0 {
            self.held.remove(&tag);
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        BOOK.with(|book| {
            if let Ok(mut book) = book.try_borrow_mut() {
                book.close(self.0, now());
            }
        });
    }
}
