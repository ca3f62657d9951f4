//! What has this VM under way, and who else is alive? Each VM says it in a row of its own in shared data, so that what dies
//! with a VM is known: the others find its row when its term is over, and one of them counts it.
//!
//! A number costs one plain write, because nobody else writes a row whose term runs. Taking a seat and clearing one are swaps.

use std::cell::RefCell;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use wicketgate_core::limits::roll::{self, IssuerTag, Load, Row, Seat, Totals};
use wicketgate_core::limits::streams::Holder;
use wicketgate_core::time::Timestamp;

use crate::host::{self, Level};
use crate::metrics::Metrics;
use crate::root::now;

/// One exchange, from its first header to its completion record; counts until it is dropped.
pub(crate) struct UnderWay {
    decided: bool,
    streaming: bool,
}

struct Book {
    /// This VM. Random, because nothing else tells it from one that died.
    holder: Holder,
    seat: Option<u16>,
    /// Its key.
    key: String,
    /// The end of its term, as last written.
    until: Timestamp,
    load: Load,
    /// Root contexts of this VM; with the last one the VM ends in good order.
    roots: u32,
}

/// So many looks, one a second, at which a lapsed row must stand as it did.
const PATIENCE: u8 = 2;

thread_local! {
    /// Lapsed rows: which seat, whose, until when, how often seen.
    static SILENT: RefCell<Vec<(u16, Holder, Timestamp, u8)>> = const { RefCell::new(Vec::new()) };
    static BOOK: RefCell<Book> = RefCell::new(Book {
        holder: Holder(RandomState::new().build_hasher().finish()),
        seat: None,
        key: String::new(),
        until: Timestamp::default(),
        load: Load::default(),
        roots: 0,
    });
}

/// One exchange more is under way.
pub(crate) fn begin() -> UnderWay {
    write(|load| load.undecided = load.undecided.saturating_add(1));
    UnderWay { decided: false, streaming: false }
}

/// Once a second: says that this VM is alive and what it holds. The first of all VMs also looks after the others.
pub(crate) fn call(held: u64, keys: Vec<(IssuerTag, Option<Timestamp>)>, metrics: &Metrics, now: Timestamp) {
    let seat = BOOK.with(|book| {
        let mut book = book.try_borrow_mut().ok()?;
        (book.load.held, book.load.keys) = (held, keys);
        if !book.renew(now) {
            book.sit_down(metrics, now);
        }
        book.seat
    });
    if seat.is_some_and(|seat| is_first(seat, now)) {
        metrics.totals(&look_around(metrics, now), now);
    }
}

/// A root context is there.
pub(crate) fn root_begins() {
    BOOK.with(|book| {
        if let Ok(mut book) = book.try_borrow_mut() {
            book.roots = book.roots.saturating_add(1);
        }
    });
}

/// A root context is gone. The last one takes the row along: this VM did not die.
pub(crate) fn root_ends() {
    BOOK.with(|book| {
        let Ok(mut book) = book.try_borrow_mut() else { return };
        book.roots = book.roots.saturating_sub(1);
        if book.roots == 0 && book.load.undecided == 0 && book.load.decided == 0 {
            book.stand_up();
        }
    });
}

/// Changes what is under way and says so. Where it cannot be said now the next tick does.
fn write(change: impl FnOnce(&mut Load)) {
    BOOK.with(|book| {
        let Ok(mut book) = book.try_borrow_mut() else { return };
        change(&mut book.load);
        if let Some(now) = now() {
            book.renew(now);
        }
    });
}

/// Whether nobody who is alive sits before this seat.
fn is_first(own: u16, now: Timestamp) -> bool {
    (0..own).all(|seat| !matches!(look(seat, now), Some((Seat::Taken(_), _))))
}

/// All live VMs together; what dead ones had under way is counted, and their seats are cleared.
fn look_around(metrics: &Metrics, now: Timestamp) -> Totals {
    let mut totals = Totals::default();
    for seat in 0..roll::SEATS {
        match look(seat, now) {
            Some((Seat::Taken(row), cas)) => {
                if roll::is_beyond(&row, now) {
                    let _ = host::set_shared(
                        &roll::seat_key(seat),
                        &roll::write(row.holder, &row.load, now).0,
                        cas,
                    );
                }
                totals.add(&row.load);
            }
            Some((Seat::Lapsed(row), cas)) if has_been_silent(seat, &row) => {
                if matches!(host::set_shared(&roll::seat_key(seat), &roll::free(), cas), Ok(true)) {
                    mourn(&row, metrics);
                }
            }
            _ => {}
        }
    }
    totals
}

/// Whether a lapsed row has stood so for some looks of this VM. A machine that was stopped, or whose clock was set, wakes with
/// all rows lapsed: who is alive says so within a tick.
fn has_been_silent(seat: u16, row: &Row) -> bool {
    SILENT.with_borrow_mut(|silent| {
        if !silent.iter().any(|(of, ..)| *of == seat) {
            silent.push((seat, row.holder, row.until, 0));
        }
        let Some((_, holder, until, looks)) = silent.iter_mut().find(|(of, ..)| *of == seat) else {
            return false;
        };
        if (*holder, *until) != (row.holder, row.until) {
            (*holder, *until, *looks) = (row.holder, row.until, 0);
        }
        *looks = looks.saturating_add(1);
        *looks > PATIENCE
    })
}

fn look(seat: u16, now: Timestamp) -> Option<(Seat, u32)> {
    let (bytes, cas) = host::shared(&roll::seat_key(seat)).ok()??;
    Some((roll::read(&bytes, now), cas))
}

/// A VM has died with this under way. Only who swapped its row away calls it.
fn mourn(row: &Row, metrics: &Metrics) {
    metrics.lost(row.load.undecided, row.load.decided);
    let text = format!(
        "a VM has died with {} exchange(s) under way, {} of them undecided",
        row.load.undecided.saturating_add(row.load.decided),
        row.load.undecided
    );
    host::log(Level::Error, &text);
}

// === impl Book ===

impl Book {
    /// Says what is under way, where this VM has a seat that is still its own.
    fn renew(&mut self, now: Timestamp) -> bool {
        let Some(seat) = self.seat else { return false };
        let (bytes, until) = roll::write(self.holder, &self.load, now);
        // Half a term is left, and nobody else touches the row before it is over.
        let cas = if now.plus(roll::TERM / 2) < self.until && self.until <= until {
            Some(0)
        } else {
            self.still_own(seat, now)
        };
        let written = cas.is_some_and(|cas| host::set_shared(&self.key, &bytes, cas) == Ok(true));
        if written {
            self.until = until;
        } else {
            self.seat = None;
        }
        written
    }

    /// The number with which the row can be swapped, unless another sits there by now.
    fn still_own(&self, seat: u16, now: Timestamp) -> Option<u32> {
        match look(seat, now)? {
            (Seat::Taken(row) | Seat::Lapsed(row), cas) if row.holder == self.holder => Some(cas),
            _ => None,
        }
    }

    fn sit_down(&mut self, metrics: &Metrics, now: Timestamp) {
        let (bytes, until) = roll::write(self.holder, &self.load, now);
        for seat in 0..roll::SEATS {
            let Some((found, cas)) = look(seat, now) else { continue };
            let vacant = match &found {
                Seat::Free => true,
                Seat::Lapsed(row) => has_been_silent(seat, row),
                _ => false,
            };
            if !vacant {
                continue;
            }
            if !matches!(host::set_shared(&roll::seat_key(seat), &bytes, cas), Ok(true)) {
                continue;
            }
            if let Seat::Lapsed(row) = found {
                mourn(&row, metrics);
            }
            (self.seat, self.key, self.until) = (Some(seat), roll::seat_key(seat), until);
            return;
        }
        metrics.table_full(crate::metrics::Table::Vms);
    }

    fn stand_up(&mut self) {
        let Some((seat, now)) = self.seat.take().zip(now()) else { return };
        if let Some(cas) = self.still_own(seat, now) {
            let _ = host::set_shared(&roll::seat_key(seat), &roll::free(), cas);
        }
    }
}

// === impl UnderWay ===

impl UnderWay {
    /// Its decision record is Envoy's now.
    pub(crate) fn decided(&mut self) {
        if !std::mem::replace(&mut self.decided, true) {
            write(|load| {
                load.undecided = load.undecided.saturating_sub(1);
                load.decided = load.decided.saturating_add(1);
            });
        }
    }

    /// Whether its answer is an event stream.
    pub(crate) fn streaming(&mut self, streaming: bool) {
        if streaming && !std::mem::replace(&mut self.streaming, true) {
            write(|load| load.streams = load.streams.saturating_add(1));
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let Self { decided, streaming } = *self;
        write(|load| {
            let of = if decided { &mut load.decided } else { &mut load.undecided };
            *of = of.saturating_sub(1);
            load.streams = load.streams.saturating_sub(u32::from(streaming));
        });
        BOOK.with(|book| {
            let Ok(mut book) = book.try_borrow_mut() else { return };
            if book.roots == 0 && book.load.undecided == 0 && book.load.decided == 0 {
                book.stand_up();
            }
        });
    }
}
