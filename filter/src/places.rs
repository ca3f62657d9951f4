//! How much may be asked at a time? Of each who is asked, and for each kind of questions, so much: where one hangs, all wait for
//! it who need it, and nobody else.

use std::cell::RefCell;
use std::rc::Rc;

use wicketgate_core::limits::places::{Crowded, Places};
use wicketgate_core::limits::tag::Tag;
use wicketgate_core::time::Timestamp;

use crate::root::Active;
use crate::sidecar::NotSent;

/// Questions of one kind (about tokens, for leases) that one VM may have under way together to one who is asked; more would only
/// wait behind each other.
const MAX_QUESTIONS: usize = 64;

/// Questions of one kind that are under way to one who is asked.
pub(crate) struct Questions(RefCell<Places>);

/// Those of one kind to the issuer, or of the server, with this index; `None` where there is none.
pub(crate) type UnderWay = fn(&Active, usize) -> Option<&Questions>;

/// The place of one among them. Where the client leaves, Envoy asks on and tells nobody what came of it, so the place counts until
/// the question would have timed out.
pub(crate) struct Place {
    active: Rc<Active>,
    of: (UnderWay, usize),
    asker: Option<Tag>,
    ends: Option<Timestamp>,
}

// === impl Questions ===

impl Questions {
    /// As many as there may be together.
    pub(crate) fn at_most(most: usize) -> Self {
        Self(RefCell::new(Places::new(most)))
    }

    /// For each of so many who are asked.
    pub(crate) fn for_each(asked: usize) -> Vec<Self> {
        (0..asked).map(|_| Self::default()).collect()
    }

    /// Takes a place as `take` does.
    pub(crate) fn place(&self, take: impl FnOnce(&mut Places) -> Result<(), Crowded>) -> Result<(), NotSent> {
        let mut places = self.0.try_borrow_mut().map_err(|_| NotSent::Crowded(Crowded::All))?;
        take(&mut places).map_err(NotSent::Crowded)
    }

    /// One that `asker` took is free again.
    pub(crate) fn give_back(&self, asker: Option<Tag>) {
        if let Ok(mut places) = self.0.try_borrow_mut() {
            places.give_back(asker);
        }
    }

    /// Those that nobody waits for count until they would have timed out.
    pub(crate) fn let_unanswered_go(&self, now: Timestamp) {
        if let Ok(mut places) = self.0.try_borrow_mut() {
            places.give_back_due(now);
        }
    }

    /// Whether half of the places are taken.
    pub(crate) fn are_many(&self) -> bool {
        self.0.try_borrow().map_or(true, |places| places.taken() >= MAX_QUESTIONS / 2)
    }
}

impl Default for Questions {
    fn default() -> Self {
        Self::at_most(MAX_QUESTIONS)
    }
}

// === impl Place ===

impl Place {
    /// One more on behalf of `asker`, if there may be.
    pub(crate) fn of(
        active: &Rc<Active>,
        (under_way, at): (UnderWay, usize),
        asker: Option<Tag>,
    ) -> Result<Self, NotSent> {
        let questions = under_way(active, at).ok_or(NotSent::Away)?;
        questions.place(|places| places.take(asker))?;
        Ok(Self { active: Rc::clone(active), of: (under_way, at), asker, ends: None })
    }

    /// It was sent, and will have timed out then.
    pub(crate) fn sent(&mut self, ends: Option<Timestamp>) {
        self.ends = ends;
    }

    /// The answer has come.
    pub(crate) fn answered(mut self) {
        self.ends = None;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let (under_way, at) = self.of;
        let Some(questions) = under_way(&self.active, at) else { return };
        let Ok(mut places) = questions.0.try_borrow_mut() else { return };
        match self.ends {
            Some(ends) => places.leave(self.asker, ends),
            None => places.give_back(self.asker),
        }
    }
}
