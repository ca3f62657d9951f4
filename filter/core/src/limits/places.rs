//! How many questions of one kind may a VM have under way, and how many of them on behalf of one asker? Nobody gets more places than
//! he leaves free: alone he may have half of them, and whoever comes after him still finds some.

use std::collections::BTreeMap;
use std::time::Duration;

use super::tag::Tag;
use crate::time::Timestamp;

/// No question goes on for longer: `issuers[].jwks.timeout` may be as long.
const MOST_PATIENCE: Duration = Duration::from_secs(30);

/// The places of one VM for one kind of questions. It remembers no more askers than there are places.
#[derive(Debug)]
pub struct Places {
    most: usize,
    taken: usize,
    askers: BTreeMap<Tag, usize>,
    /// Places of which nobody waits for the answer any more, and until when they count.
    left: Vec<(Timestamp, Option<Tag>)>,
}

/// Why there is no place, or no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crowded {
    /// All are taken.
    All,
    /// Whoever asks has as many as are free.
    Own,
}

// === impl Places ===

impl Places {
    /// So many, all free.
    pub const fn new(most: usize) -> Self {
        Self { most, taken: 0, askers: BTreeMap::new(), left: Vec::new() }
    }

    /// How many are taken.
    pub const fn taken(&self) -> usize {
        self.taken
    }

    /// Takes one on behalf of an asker; `None`: the VM's own, which only needs a free one.
    ///
    /// # Errors
    /// There is none, or none for him.
    pub fn take(&mut self, asker: Option<Tag>) -> Result<(), Crowded> {
        self.take_among(self.most, asker)
    }

    /// The same where there are fewer places than at other times: so many.
    ///
    /// # Errors
    /// There is none, or none for him.
    pub fn take_among(&mut self, most: usize, asker: Option<Tag>) -> Result<(), Crowded> {
        let free = most.min(self.most).saturating_sub(self.taken);
        if free == 0 {
            return Err(Crowded::All);
        }
        if let Some(asker) = asker {
            let has = self.askers.get(&asker).copied().unwrap_or_default();
            if has >= free {
                return Err(Crowded::Own);
            }
            self.askers.insert(asker, has.saturating_add(1));
        }
        self.taken = self.taken.saturating_add(1);
        Ok(())
    }

    /// One that `asker` took is free again.
    pub fn give_back(&mut self, asker: Option<Tag>) {
        self.taken = self.taken.saturating_sub(1);
        let Some(asker) = asker else { return };
        match self.askers.get_mut(&asker) {
            Some(has) if *has > 1 => *has = has.saturating_sub(1),
            _ => drop(self.askers.remove(&asker)),
        }
    }

    /// Nobody waits for the answer to what `asker` asked. The question goes on all the same, so its place counts until `ends`.
    pub fn leave(&mut self, asker: Option<Tag>, ends: Timestamp) {
        self.left.push((ends, asker));
    }

    /// Gives back those that were left and whose time is over. One that ends later than a question that begins now was left before the
    /// clock was set back: how long ago, nobody knows.
    pub fn give_back_due(&mut self, now: Timestamp) {
        let latest = now.plus(MOST_PATIENCE);
        let goes_on = |(ends, _): &(Timestamp, _)| now < *ends && *ends <= latest;
        let (goes_on, over) = std::mem::take(&mut self.left).into_iter().partition::<Vec<_>, _>(goes_on);
        self.left = goes_on;
        for (_, asker) in over {
            self.give_back(asker);
        }
    }
}

// === impl Crowded ===

impl Crowded {
    /// As records call it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::All => "room for questions",
            Self::Own => "room for more questions of one caller",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::{Crowded, MOST_PATIENCE, Places};
    use crate::limits::tag::Tag;
    use crate::time::Timestamp;

    fn asker(n: u8) -> Option<Tag> {
        Some(Tag::asker(None, Some(&format!("192.0.2.{n}"))))
    }

    /// Takes as many as there are for him.
    fn fill(places: &mut Places, asker: Option<Tag>) -> usize {
        (0..).take_while(|_| places.take(asker).is_ok()).count()
    }

    #[test]
    fn nobody_gets_more_than_he_leaves_free() {
        let mut places = Places::new(64);
        let got: Vec<usize> = (0..8).map(|n| fill(&mut places, asker(n))).collect();
        assert_eq!(got, [32, 16, 8, 4, 2, 1, 1, 0]);
        assert_eq!(places.take(asker(0)), Err(Crowded::All));
        places.give_back(asker(1));
        assert_eq!(places.take(asker(0)), Err(Crowded::Own));
        assert_eq!(places.take(asker(9)), Ok(()));
    }

    #[test]
    fn the_vm_itself_may_have_all() {
        let mut places = Places::new(64);
        assert_eq!(fill(&mut places, None), 64);
        assert_eq!(places.taken(), 64);
    }

    #[test]
    fn what_nobody_waits_for_counts_until_its_time_is_over() {
        let mut places = Places::new(4);
        let (now, a_second) = (Timestamp::from_secs(100), Duration::from_secs(1));
        assert_eq!(fill(&mut places, asker(1)), 2);
        places.leave(asker(1), now.plus(a_second));
        places.give_back_due(now);
        assert_eq!(places.take(asker(1)), Err(Crowded::Own));
        places.give_back_due(now.plus(a_second));
        assert_eq!(places.take(asker(1)), Ok(()));
        assert_eq!(places.taken(), 2);
    }

    #[test]
    fn those_that_were_left_before_the_clock_was_set_back_do_not_wait_for_it() {
        let mut places = Places::new(4);
        let (now, a_second) = (Timestamp::from_secs(1_000), Duration::from_secs(1));
        for ends in [now.plus(MOST_PATIENCE), now.plus(MOST_PATIENCE + a_second)] {
            places.take(asker(1)).unwrap();
            places.leave(asker(1), ends);
        }
        places.give_back_due(now);
        assert_eq!(places.taken(), 1);
    }

    #[test]
    fn where_there_are_fewer_for_a_time_nobody_gets_more_than_he_leaves_free_of_those() {
        let mut places = Places::new(16);
        let fill =
            |places: &mut Places, n| (0..).take_while(|_| places.take_among(8, asker(n)).is_ok()).count();
        assert_eq!([1, 2, 3, 4, 5].map(|n| fill(&mut places, n)), [4, 2, 1, 1, 0]);
        assert_eq!(places.take_among(8, asker(5)), Err(Crowded::All));
        assert_eq!(places.take(asker(5)), Ok(()), "there are more again");
    }

    proptest! {
        #[test]
        fn places_are_neither_lost_nor_made_up(steps in proptest::collection::vec((0_u8..6, 0_u8..3), 0..200)) {
            let mut places = Places::new(16);
            let mut held: Vec<Option<Tag>> = Vec::new();
            let mut left = 0;
            for (n, what) in steps {
                let asker = if n == 5 { None } else { asker(n) };
                let at = held.iter().position(|of| *of == asker);
                match (what, at) {
                    (0, _) => held.extend(places.take(asker).is_ok().then_some(asker)),
                    (1, Some(at)) => places.give_back(held.swap_remove(at)),
                    (_, Some(at)) => {
                        places.leave(held.swap_remove(at), Timestamp::from_secs(5));
                        left += 1;
                    }
                    _ => {}
                }
                prop_assert_eq!(places.taken(), held.len() + left);
                prop_assert!(places.askers.len() <= 16 && places.taken() <= 16);
            }
            places.give_back_due(Timestamp::from_secs(5));
            held.drain(..).for_each(|asker| places.give_back(asker));
            prop_assert_eq!((places.taken(), places.askers.len()), (0, 0));
        }
    }
}
