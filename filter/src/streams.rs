//! How many streams has a principal open? Each VM counts its own and says so in shared data, as leases that it renews: what
//! a VM that died had counted is free again when their term is over.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use wicketgate_core::exchange::step::Lease;
use wicketgate_core::limits::lease::{self, Holder, Outcome};
use wicketgate_core::limits::tag::Tag;
use wicketgate_core::time::Timestamp;

use crate::root::now;
use crate::shared;

/// One that counts, until it is dropped.
pub(crate) struct Stream(Tag);

struct Book {
    /// This VM. Random, because nothing else tells it from one that died.
    holder: Holder,
    held: BTreeMap<Tag, u32>,
    renewed: Timestamp,
}

thread_local! {
    static BOOK: RefCell<Book> = RefCell::new(Book {
        holder: Holder(RandomState::new().build_hasher().finish()),
        held: BTreeMap::new(),
        renewed: Timestamp::default(),
    });
}

/// Counts one more, if there may be; the outcome is `None` when the host fails.
pub(crate) fn open(wanted: &Lease, now: Timestamp) -> (Option<Outcome>, Option<Stream>) {
    let Lease { tag, most } = *wanted;
    BOOK.with(|book| {
        let Ok(mut book) = book.try_borrow_mut() else { return (None, None) };
        let (holder, held) = (book.holder, book.held.get(&tag).copied().unwrap_or_default());
        let outcome = shared::salt().and_then(|salt| {
            shared::change(&lease::set_key(tag, salt), |set| {
                let acquired = lease::acquire(set, tag, holder, held, most, now);
                (acquired.bytes, acquired.outcome)
            })
        });
        let outcome = outcome.ok();
        let stream = (outcome == Some(Outcome::Admitted)).then(|| {
            book.held.insert(tag, held.saturating_add(1));
            Stream(tag)
        });
        (outcome, stream)
    })
}

/// Says again what this VM holds, before its leases end.
pub(crate) fn renew(now: Timestamp) {
    BOOK.with(|book| {
        let Ok(mut book) = book.try_borrow_mut() else { return };
        // A clock that was set back says nothing about how long ago that was.
        if book.renewed <= now && now.since(book.renewed) < lease::TERM / 3 {
            return;
        }
        book.renewed = now;
        for (tag, held) in &book.held {
            say(*tag, book.holder, *held, now);
        }
    });
}

/// Where the host fails the old row stands until its term is over or the next renewal.
fn say(tag: Tag, holder: Holder, held: u32, now: Timestamp) {
    let _ = shared::salt().and_then(|salt| {
        shared::change(&lease::set_key(tag, salt), |set| (lease::hold(set, tag, holder, held, now), ()))
    });
}

impl Drop for Stream {
    fn drop(&mut self) {
        BOOK.with(|book| {
            let Ok(mut book) = book.try_borrow_mut() else { return };
            let left = book.held.get(&self.0).copied().unwrap_or_default().saturating_sub(1);
            if left == 0 {
                book.held.remove(&self.0);
            } else {
                book.held.insert(self.0, left);
            }
            if let Some(now) = now() {
                say(self.0, book.holder, left, now);
            }
        });
    }
}
