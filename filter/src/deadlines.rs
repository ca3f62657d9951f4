//! Which exchanges must end, and when? The root context's tick closes those whose time has come, or whose credential is not
//! good any more: no callback of their own may come for hours.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use wicketgate_core::exchange::step::Event;
use wicketgate_core::identity::footing::{Footing, Standing};
use wicketgate_core::identity::validation::Question;
use wicketgate_core::time::Timestamp;

use crate::host::{self, Half, Level};
use crate::root::Active;

/// An exchange that ends when its time has come, as long as this is not dropped.
pub(crate) struct Watched {
    context: u32,
    deadline: Timestamp,
    rests: bool,
    closed: Rc<Cell<Option<Why>>>,
}

/// Why the root context closed a stream.
#[derive(Clone, Copy)]
enum Why {
    Expired,
    Withdrawn,
}

/// What a stream rests on, besides time.
struct Rest {
    active: Rc<Active>,
    footing: Footing,
    gone: bool,
}

struct Entry {
    deadline: Timestamp,
    rest: Option<Rest>,
    closed: Rc<Cell<Option<Why>>>,
}

thread_local! {
    /// By context id, of which a VM gives each once.
    static OPEN: RefCell<BTreeMap<u32, Entry>> = const { RefCell::new(BTreeMap::new()) };
}

/// From now on the stream of this context is closed when `deadline` has come, or what it rests on is gone.
pub(crate) fn watch(context: u32, deadline: Timestamp, rest: Option<(&Rc<Active>, &Footing)>) -> Watched {
    let closed = Rc::new(Cell::new(None));
    let rest = rest.map(|(active, footing)| Rest {
        active: Rc::clone(active),
        footing: footing.clone(),
        gone: false,
    });
    let rests = rest.is_some();
    OPEN.with(|open| {
        if let Ok(mut open) = open.try_borrow_mut() {
            open.insert(context, Entry { deadline, rest, closed: Rc::clone(&closed) });
        }
    });
    Watched { context, deadline, rests, closed }
}

/// Has `ask` ask the issuers whose word for streams is over, once for all streams of a token; it says whether the question
/// went out.
pub(crate) fn ask_due(now: Timestamp, mut ask: impl FnMut(&Rc<Active>, &Question) -> bool) {
    let mut sent: Vec<(Rc<Active>, Question)> = Vec::new();
    rests(|rest| {
        if rest.stands(now) != Standing::Ask {
            return;
        }
        let Some(question) = rest.footing.ask(now) else { return };
        let goes_along = sent.iter().any(|(active, known)| rest.is_of(active) && *known == question);
        if goes_along || ask(&rest.active, &question) {
            rest.footing.asked(now);
            if !goes_along {
                sent.push((Rc::clone(&rest.active), question));
            }
        }
    });
}

/// What the issuer answered to a question about streams; `None` for nothing. The next tick draws the consequence.
pub(crate) fn answered(active: &Rc<Active>, question: &Question, answer: Option<&[u8]>, now: Timestamp) {
    rests(|rest| {
        if rest.is_of(active) && rest.footing.asks(question) {
            rest.gone |= rest.footing.answered(answer, &active.guard.issuers, now) == Standing::Gone;
        }
    });
}

fn rests(mut each: impl FnMut(&mut Rest)) {
    OPEN.with(|open| {
        let Ok(mut open) = open.try_borrow_mut() else { return };
        open.values_mut().filter_map(|entry| entry.rest.as_mut()).for_each(&mut each);
    });
}

/// Closes every stream whose time has come. `root` is the context that is being called, to which the host's view returns.
/// The host puts the closing off until this call is over, so nothing of ours is called meanwhile.
pub(crate) fn close_due(root: u32, now: Timestamp) {
    OPEN.with(|open| {
        let Ok(mut open) = open.try_borrow_mut() else { return };
        let before = open.len();
        open.retain(|context, entry| match entry.over(now) {
            None => true,
            Some(why) => !close(*context, why, &entry.closed),
        });
        if open.len() < before && host::act_for(root).is_err() {
            host::log(Level::Error, "the host did not return from a stream that was closed");
        }
    });
}

/// Whether the stream need not be looked at again. Never an answer from here: that would end the whole process.
fn close(context: u32, why: Why, closed: &Cell<Option<Why>>) -> bool {
    if host::act_for(context).is_err() {
        return true;
    }
    closed.set(Some(why));
    let done = host::close(Half::Response);
    if done.is_err() {
        host::log(Level::Error, "a stream whose time has come could not be closed");
    }
    done.is_ok()
}

// === impl Rest ===

impl Rest {
    /// Whether it began under this configuration.
    fn is_of(&self, active: &Rc<Active>) -> bool {
        Rc::ptr_eq(&self.active, active)
    }

    fn stands(&self, now: Timestamp) -> Standing {
        match self.active.memory.try_borrow() {
            _ if self.gone => Standing::Gone,
            Ok(memory) => self.footing.stands(&memory, now),
            // Never while the root context is called; the next tick looks again.
            Err(_) => Standing::Firm,
        }
    }
}

// === impl Entry ===

impl Entry {
    fn over(&self, now: Timestamp) -> Option<Why> {
        if self.deadline <= now {
            return Some(Why::Expired);
        }
        let gone = self.rest.as_ref().is_some_and(|rest| rest.stands(now) == Standing::Gone);
        gone.then_some(Why::Withdrawn)
    }
}

// === impl Watched ===

impl Watched {
    /// Its time.
    pub(crate) fn deadline(&self) -> Timestamp {
        self.deadline
    }

    /// Whether what it rests on is watched too.
    pub(crate) fn rests(&self) -> bool {
        self.rests
    }

    /// What the exchange is told if it was closed from here.
    pub(crate) fn ending(&self) -> Option<Event<'static>> {
        self.closed.get().map(|why| match why {
            Why::Expired => Event::Expired,
            Why::Withdrawn => Event::Withdrawn,
        })
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        OPEN.with(|open| {
            if let Ok(mut open) = open.try_borrow_mut() {
                open.remove(&self.context);
            }
        });
    }
}
