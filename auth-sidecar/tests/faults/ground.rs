//! What a flow goes over: one server all the way, or one that is killed and started again before every step.

use crate::served::Served;
use crate::world::World;

pub(crate) enum Ground<'a> {
    Steady(&'a World),
    Broken(&'a mut Served),
}

// === impl Ground ===

impl Ground<'_> {
    pub(crate) fn world(&self) -> &World {
        match self {
            Self::Steady(world) => world,
            Self::Broken(served) => &served.world,
        }
    }

    /// A step comes.
    pub(crate) async fn next(&mut self) {
        if let Self::Broken(served) = self {
            served.kill();
            served.start();
        }
    }
}
