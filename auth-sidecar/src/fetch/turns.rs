//! Who asks, where several want to know the same thing at once? One does; the others wait, and then know what it learned.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;

/// What is being asked now. It holds no more than there are requests under way.
pub(crate) struct Turns(Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>);

// === impl Turns ===

impl Turns {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    /// Waits until nobody else asks about `name`; until what it returns is dropped, nobody else does.
    pub(crate) async fn of(&self, name: &str) -> OwnedMutexGuard<()> {
        let turn = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match all.get(name).and_then(Weak::upgrade) {
                Some(turn) => turn,
                None => {
                    all.retain(|_, turn| turn.strong_count() > 0);
                    let turn = Arc::default();
                    all.insert(name.to_owned(), Arc::downgrade(&turn));
                    turn
                }
            }
        };
        turn.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_asks_at_a_time_and_nothing_is_left() {
        let turns = Turns::new();
        let first = turns.of("a").await;
        let other = turns.of("b").await;
        let second = turns.of("a");
        tokio::pin!(second);
        assert!(futures_are_pending(second.as_mut()));
        drop(first);
        drop(second.await);
        drop(other);
        drop(turns.of("c").await);
        assert_eq!(turns.0.lock().unwrap().len(), 1, "what is over is forgotten");
    }

    fn futures_are_pending(future: std::pin::Pin<&mut impl Future>) -> bool {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        future.poll(&mut context).is_pending()
    }
}
