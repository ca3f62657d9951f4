//! Which exchanges must end, and when? The root context's tick closes those whose time has come: no callback of their own may
//! come for hours.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use wicketgate_core::time::Timestamp;

use crate::host::{self, Half, Level};

/// An exchange that ends when its time has come, as long as this is not dropped.
pub(crate) struct Watched {
    context: u32,
    deadline: Timestamp,
    closed: Rc<Cell<bool>>,
}

struct Entry {
    deadline: Timestamp,
    closed: Rc<Cell<bool>>,
}

thread_local! {
    /// By context id, of which a VM gives each once.
    static OPEN: RefCell<BTreeMap<u32, Entry>> = const { RefCell::new(BTreeMap::new()) };
}

/// From now on the stream of this context is closed when `deadline` has come.
pub(crate) fn watch(context: u32, deadline: Timestamp) -> Watched {
    let closed = Rc::new(Cell::new(false));
    OPEN.with(|open| {
        if let Ok(mut open) = open.try_borrow_mut() {
            open.insert(context, Entry { deadline, closed: Rc::clone(&closed) });
        }
    });
    Watched { context, deadline, closed }
}

/// Closes every stream whose time has come. `root` is the context that is being called, to which the host's view returns.
/// The host puts the closing off until this call is over, so nothing of ours is called meanwhile.
pub(crate) fn close_due(root: u32, now: Timestamp) {
    OPEN.with(|open| {
        let Ok(mut open) = open.try_borrow_mut() else { return };
        let before = open.len();
        open.retain(|context, entry| now < entry.deadline || !close(*context, &entry.closed));
        if open.len() < before && host::act_for(root).is_err() {
            host::log(Level::Error, "the host did not return from a stream that was closed");
        }
    });
}

/// Whether the stream need not be looked at again. Never an answer from here: that would end the whole process.
fn close(context: u32, closed: &Cell<bool>) -> bool {
    if host::act_for(context).is_err() {
        return true;
    }
    closed.set(true);
    let done = host::close(Half::Response);
    if done.is_err() {
        host::log(Level::Error, "a stream whose time has come could not be closed");
    }
    done.is_ok()
}

// === impl Watched ===

impl Watched {
    /// Its time.
    pub(crate) fn deadline(&self) -> Timestamp {
        self.deadline
    }

    /// Whether it was closed because its time had come.
    pub(crate) fn was_closed(&self) -> bool {
        self.closed.get()
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
