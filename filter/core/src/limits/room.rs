//! How much do requests of one VM hold together whose bodies are awaited, and how much of it those of one asker? As of places
//! ([`super::places`]) nobody gets more than he leaves free, so that one who sends many heads and no bodies leaves room to others.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use super::places::Crowded;
use super::tag::Tag;

/// What is held, in bytes. It remembers nobody who holds nothing.
#[derive(Debug, Default)]
pub(super) struct Room {
    used: Cell<u64>,
    askers: RefCell<BTreeMap<Tag, u64>>,
}

/// What one request holds of it; given back when it is dropped, however the request ends.
#[derive(Debug)]
pub struct Part {
    room: Rc<Room>,
    limit: u64,
    asker: Tag,
    bytes: u64,
}

// === impl Room ===

impl Room {
    /// The bytes held now.
    pub(super) fn bytes(&self) -> u64 {
        self.used.get()
    }

    /// A part for `asker` that holds nothing yet, where all together may hold `limit`.
    pub(super) fn part(self: &Rc<Self>, limit: u64, asker: Tag) -> Part {
        Part { room: Rc::clone(self), limit, asker, bytes: 0 }
    }

    fn of(&self, asker: Tag) -> u64 {
        self.askers.try_borrow().map_or(u64::MAX, |askers| askers.get(&asker).copied().unwrap_or_default())
    }

    fn change(&self, asker: Tag, before: u64, after: u64) {
        self.used.set(self.used.get().saturating_sub(before).saturating_add(after));
        let Ok(mut askers) = self.askers.try_borrow_mut() else { return };
        let holds = askers.get(&asker).copied().unwrap_or_default();
        match holds.saturating_sub(before).saturating_add(after) {
            0 => drop(askers.remove(&asker)),
            holds => drop(askers.insert(asker, holds)),
        }
    }
}

// === impl Part ===

impl Part {
    /// The request holds `bytes` now.
    ///
    /// # Errors
    /// It holds more than before and there is no room for it, or none for its asker; the request must be given up.
    pub fn set(&mut self, bytes: usize) -> Result<(), Crowded> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let grows = bytes > self.bytes;
        self.room.change(self.asker, self.bytes, bytes);
        self.bytes = bytes;
        if grows { self.fits() } else { Ok(()) }
    }

    /// From now on it is known to be `asker`'s.
    ///
    /// # Errors
    /// There is no room for him; the request must be given up.
    pub fn belongs_to(&mut self, asker: Tag) -> Result<(), Crowded> {
        if asker == self.asker {
            return Ok(());
        }
        self.room.change(self.asker, self.bytes, 0);
        self.room.change(asker, 0, self.bytes);
        self.asker = asker;
        self.fits()
    }

    /// Whoever holds nothing else may have all that is free: how large one request may be is for its server to say.
    fn fits(&self) -> Result<(), Crowded> {
        let free = self.limit.checked_sub(self.room.bytes()).ok_or(Crowded::All)?;
        let holds = self.room.of(self.asker);
        if holds > self.bytes && holds > free { Err(Crowded::Own) } else { Ok(()) }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.room.change(self.asker, self.bytes, 0);
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use proptest::prelude::*;

    use super::{Crowded, Part, Room};
    use crate::limits::tag::Tag;

    fn asker(n: usize) -> Tag {
        Tag::asker(None, Some(&format!("192.0.2.{n}")))
    }

    /// Holds parts of `bytes` until there is no room for another.
    fn fill(room: &Rc<Room>, n: usize, bytes: usize) -> (Vec<Part>, Crowded) {
        let mut held = Vec::new();
        for _ in 0..1000 {
            let mut part = room.part(64, asker(n));
            match part.set(bytes) {
                Ok(()) => held.push(part),
                Err(why) => return (held, why),
            }
        }
        panic!("there is room without end")
    }

    #[test]
    fn nobody_holds_more_than_he_leaves_free() {
        let room = Rc::new(Room::default());
        let all: Vec<_> = (0..8).map(|n| fill(&room, n, 1)).collect();
        assert_eq!(all.iter().map(|(held, _)| held.len()).collect::<Vec<_>>(), [32, 16, 8, 4, 2, 1, 1, 0]);
        assert_eq!((all[0].1, all[7].1, room.bytes()), (Crowded::Own, Crowded::All, 64));
        drop(all);
        assert!(room.bytes() == 0 && room.askers.borrow().is_empty());
    }

    #[test]
    fn one_request_may_be_as_large_as_what_is_free() {
        let room = Rc::new(Room::default());
        let (mut large, mut small) = (room.part(64, asker(1)), room.part(64, asker(1)));
        assert_eq!((large.set(64), large.set(65)), (Ok(()), Err(Crowded::All)));
        assert_eq!((large.set(40), small.set(1)), (Ok(()), Err(Crowded::Own)));
    }

    #[test]
    fn what_is_known_to_be_anothers_counts_for_him() {
        let room = Rc::new(Room::default());
        let (mut first, mut second) = (room.part(64, asker(1)), room.part(64, asker(2)));
        assert_eq!((first.set(30), second.set(30)), (Ok(()), Ok(())));
        assert_eq!(second.belongs_to(asker(2)), Ok(()));
        assert_eq!(second.belongs_to(asker(1)), Err(Crowded::Own));
        assert_eq!((room.of(asker(1)), room.of(asker(2)), room.bytes()), (60, 0, 60));
    }

    proptest! {
        #[test]
        fn room_is_neither_lost_nor_made_up(
            steps in prop::collection::vec((0..6_usize, 0..4_usize, 0..40_usize, 0..4_u8), 0..200),
        ) {
            let room = Rc::new(Room::default());
            let mut parts: Vec<(usize, usize, Part)> = Vec::new();
            for (which, n, bytes, what) in steps {
                match parts.get_mut(which) {
                    Some((_, _, _)) if what == 0 => drop(parts.remove(which)),
                    Some((of, _, part)) if what == 1 => {
                        let _ = part.belongs_to(asker(n));
                        *of = n;
                    }
                    Some((_, holds, part)) => {
                        let _ = part.set(bytes);
                        *holds = bytes;
                    }
                    None => parts.push((n, 0, room.part(64, asker(n)))),
                }
                let sum = |n| parts.iter().filter(|(of, ..)| *of == n).map(|(_, bytes, _)| *bytes as u64).sum::<u64>();
                for n in 0..4 {
                    prop_assert_eq!((room.of(asker(n)), room.askers.borrow().contains_key(&asker(n))), (sum(n), sum(n) > 0));
                }
                prop_assert_eq!(room.bytes(), (0..4).map(sum).sum::<u64>());
            }
            parts.clear();
            prop_assert!(room.bytes() == 0 && room.askers.borrow().is_empty());
        }
    }
}
