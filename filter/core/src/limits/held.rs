//! How much do all streams of this VM hold back together? Each may hold an event up to its own limit; so many of them
//! would fill the VM, and a full VM takes every stream with it.

use std::cell::Cell;
use std::rc::Rc;

use super::room::{Part, Room};
use super::size::Exceeded;
use super::tag::Tag;

/// The bytes that one VM holds, of so many at most. Its copies count together.
#[derive(Clone, Debug)]
pub struct Held {
    used: Rc<Cell<u64>>,
    /// The same of requests whose bodies are awaited: apart, so that no crowd of them ends a stream.
    waiting: Rc<Room>,
    limit: u64,
}

/// What one stream holds of it; given back when it is dropped, however the stream ends.
#[derive(Debug)]
pub struct Share {
    used: Rc<Cell<u64>>,
    limit: u64,
    bytes: u64,
}

// === impl Held ===

impl Held {
    /// Nothing held yet.
    pub fn new(limit: u64) -> Self {
        Self { used: Rc::default(), waiting: Rc::default(), limit }
    }

    /// The same count under another limit; what is held already stays, even if it is more.
    #[must_use]
    pub fn limited(&self, limit: u64) -> Self {
        Self { limit, ..self.clone() }
    }

    /// The bytes held now.
    pub fn bytes(&self) -> u64 {
        self.used.get().saturating_add(self.waiting.bytes())
    }

    /// A stream's share that holds nothing yet.
    pub fn share(&self) -> Share {
        Share { used: Rc::clone(&self.used), limit: self.limit, bytes: 0 }
    }

    /// The same for a request of `asker` whose body is awaited: all of them together may hold a quarter as much, besides.
    pub fn waiting(&self, asker: Tag) -> Part {
        self.waiting.part(self.limit / 4, asker)
    }
}

// === impl Share ===

impl Share {
    /// The stream holds `bytes` now.
    ///
    /// # Errors
    /// [`Exceeded`] when it holds more than before and all together hold more than the limit; the stream must be given up.
    pub fn set(&mut self, bytes: usize) -> Result<(), Exceeded> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let grows = bytes > self.bytes;
        let used = self.used.get().saturating_sub(self.bytes).saturating_add(bytes);
        self.used.set(used);
        self.bytes = bytes;
        if grows && used > self.limit { Err(Exceeded) } else { Ok(()) }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.used.set(self.used.get().saturating_sub(self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::places::Crowded;
    use proptest::prelude::*;

    #[test]
    fn one_stream_too_many_is_given_up_and_the_others_go_on() {
        let held = Held::new(100);
        let (mut first, mut second) = (held.share(), held.share());
        assert_eq!((first.set(60), second.set(40), held.bytes()), (Ok(()), Ok(()), 100));
        assert_eq!(second.set(41), Err(Exceeded));
        drop(second);
        assert_eq!((held.bytes(), first.set(100), held.bytes()), (60, Ok(()), 100));
    }

    #[test]
    fn a_smaller_limit_ends_nothing_that_does_not_grow() {
        let held = Held::new(100);
        let mut stream = held.share();
        assert_eq!(stream.set(80), Ok(()));
        let smaller = held.limited(10);
        assert_eq!((stream.set(70), smaller.bytes()), (Ok(()), 70));
        assert_eq!(smaller.share().set(1), Err(Exceeded));
    }

    #[test]
    fn no_crowd_that_waits_ends_a_stream() {
        let held = Held::new(100);
        let [one, two] = ["192.0.2.1", "192.0.2.2"].map(|source| Tag::asker(None, Some(source)));
        let (mut stream, mut one, mut two) = (held.share(), held.waiting(one), held.waiting(two));
        assert_eq!((one.set(25), two.set(1)), (Ok(()), Err(Crowded::All)));
        drop(two);
        assert_eq!((stream.set(100), held.bytes()), (Ok(()), 125));
        drop(one);
        assert_eq!(held.bytes(), 100);
    }

    proptest! {
        #[test]
        fn what_is_held_is_the_sum_of_the_shares(steps in prop::collection::vec((0..5usize, 0..1000usize), 0..200)) {
            let held = Held::new(2000);
            let mut shares: Vec<(Share, u64)> = Vec::new();
            for (which, bytes) in steps {
                match shares.get_mut(which) {
                    Some((share, now)) if bytes > 0 => {
                        let _ = share.set(bytes);
                        *now = bytes as u64;
                    }
                    Some(_) => drop(shares.remove(which)),
                    None => shares.push((held.share(), 0)),
                }
                prop_assert_eq!(held.bytes(), shares.iter().map(|(_, n)| n).sum::<u64>());
            }
        }
    }
}
