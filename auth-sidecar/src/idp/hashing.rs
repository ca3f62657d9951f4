//! How many passwords are hashed at once? As many as there are cores; the rest waits for its turn, and not for ever.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::Busy;
use super::password::{self, Workspace};

/// How long a sign-in waits for its turn to hash.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Turns, and the memory that each works in (19 MiB): it goes from one to the next, since an allocator that gets it back would keep it
/// for every thread that ever hashed.
pub(super) struct Hashing {
    turns: Arc<Semaphore>,
    longest_wait: Duration,
    free: Arc<Mutex<Vec<Workspace>>>,
}

// === impl Hashing ===

impl Hashing {
    /// One turn for each core.
    pub(super) fn on_all_cores() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        Self::new(cores, LONGEST_WAIT)
    }

    fn new(turns: usize, longest_wait: Duration) -> Self {
        Self { turns: Arc::new(Semaphore::new(turns)), longest_wait, free: Arc::default() }
    }

    /// Whether `password` is what `phc` was made of.
    ///
    /// # Errors
    /// [`Busy`] where no turn came in time.
    pub(super) async fn matches(&self, password: &str, phc: &str) -> Result<bool, Busy> {
        let turn = tokio::time::timeout(self.longest_wait, Arc::clone(&self.turns).acquire_owned()).await;
        let turn = turn.map_err(|_| Busy)?.map_err(|_| Busy)?;
        let (password, phc) = (Zeroizing::new(password.to_owned()), phc.to_owned());
        let free = Arc::clone(&self.free);
        let hashed = tokio::task::spawn_blocking(move || {
            let mut workspace = locked(&free).pop().unwrap_or_default();
            let matches = password::matches(&password, &phc, &mut workspace);
            locked(&free).push(workspace);
            // Here and not where somebody waits for us: a browser that goes away stops no hash, and must free no turn.
            drop(turn);
            matches
        });
        hashed.await.map_err(|_| Busy)
    }
}

fn locked(free: &Mutex<Vec<Workspace>>) -> std::sync::MutexGuard<'_, Vec<Workspace>> {
    free.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    #[tokio::test]
    async fn who_gets_no_turn_is_told_and_may_come_again() {
        let hashing = Hashing::new(1, Duration::ZERO);
        let phc = password::hash("wonderland").unwrap();
        let held = Arc::clone(&hashing.turns).acquire_owned().await.unwrap();
        assert_eq!(hashing.matches("wonderland", &phc).await, Err(Busy));
        drop(held);
        assert_eq!(hashing.matches("wonderland", &phc).await, Ok(true));
        assert_eq!(hashing.matches("looking-glass", &phc).await, Ok(false), "in memory that was used before");
        assert_eq!(locked(&hashing.free).len(), 1, "the same for both");
    }

    /// Whoever could free turns by hanging up could have any number of hashes computed at once.
    #[tokio::test]
    async fn who_goes_away_frees_no_turn() {
        let hashing = Hashing::new(1, Duration::ZERO);
        let phc = password::hash("wonderland").unwrap();
        let kept = hashing.free.lock().unwrap();
        let mut first = Box::pin(hashing.matches("wonderland", &phc));
        let polled = first.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending(), "it waits for memory, which we hold");
        drop(first);
        assert_eq!(hashing.turns.available_permits(), 0);
        drop(kept);
        let _turn = hashing.turns.acquire().await.unwrap();
        assert_eq!(locked(&hashing.free).len(), 1, "it was computed to the end");
    }
}
