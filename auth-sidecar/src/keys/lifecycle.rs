//! When does a key sign, and how long is it published? next (published, unused) -> active -> retired (published until
//! the last token that it signed has expired) -> gone. Pure: the keys and the time in, the keys as they must be out.

use std::time::Duration;

use crate::clock::UnixTime;
use crate::oauth::algorithm::SigningAlgorithm;
use crate::store::records::{KeyState, StoredKey};

/// Verifiers whose clocks are behind accept tokens so much longer than they live.
const LEEWAY: Duration = Duration::from_secs(60);

/// When keys change.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// The algorithms that must each have an active key.
    pub held: Vec<SigningAlgorithm>,
    /// How long a key signs; `None`: until somebody rotates it.
    pub rotate_every: Option<Duration>,
    /// How long a key is published before it signs: longer than anybody may cache the key set.
    pub publish_before: Duration,
    /// The life of the longest token.
    pub longest_token: Duration,
}

// === impl Schedule ===

impl Schedule {
    /// The keys as they must be at `now`. `make` gives a fresh key in the state asked for.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn step<E>(
        &self,
        mut keys: Vec<StoredKey>,
        now: UnixTime,
        mut make: impl FnMut(SigningAlgorithm, KeyState) -> Result<StoredKey, E>,
    ) -> Result<Vec<StoredKey>, E> {
        for key in keys.iter_mut().filter(|key| self.activates_at(key).is_some_and(|at| now >= at)) {
            key.enter(KeyState::Active, now);
        }
        for algorithm in &self.held {
            retire_all_but_the_latest(&mut keys, *algorithm, now);
            let active = find(&keys, *algorithm, KeyState::Active).map(|key| key.since);
            let successor = find(&keys, *algorithm, KeyState::Next).is_some();
            match active {
                None => keys.push(make(*algorithm, KeyState::Active)?),
                Some(since) if !successor && self.successor_at(since).is_some_and(|at| now >= at) => {
                    keys.push(make(*algorithm, KeyState::Next)?);
                }
                Some(_) => {}
            }
        }
        // An algorithm that the configuration does not name any more.
        for key in keys.iter_mut().filter(|key| !self.holds(key) && key.state != KeyState::Retired) {
            key.enter(KeyState::Retired, now);
        }
        keys.retain(|key| self.forgotten_at(key).is_none_or(|at| now < at));
        Ok(keys)
    }

    /// The keys after somebody asked for new ones: a successor for each that has none, which signs when it has been
    /// published long enough, or (`at_once`) from now on.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn rotate<E>(
        &self,
        mut keys: Vec<StoredKey>,
        now: UnixTime,
        at_once: bool,
        mut make: impl FnMut(SigningAlgorithm, KeyState) -> Result<StoredKey, E>,
    ) -> Result<Vec<StoredKey>, E> {
        for algorithm in &self.held {
            if find(&keys, *algorithm, KeyState::Next).is_none() {
                keys.push(make(*algorithm, KeyState::Next)?);
            }
        }
        for key in keys.iter_mut().filter(|key| at_once && self.holds(key) && key.state == KeyState::Next) {
            key.enter(KeyState::Active, now);
        }
        self.step(keys, now, make)
    }

    /// When [`Self::step`] would next change something.
    #[must_use]
    pub fn next_change(&self, keys: &[StoredKey]) -> UnixTime {
        let changes = keys.iter().flat_map(|key| {
            let successor = match key.state {
                KeyState::Active if find(keys, key.algorithm, KeyState::Next).is_none() => {
                    self.successor_at(key.since)
                }
                _ => None,
            };
            [self.activates_at(key), self.forgotten_at(key), successor]
        });
        changes.flatten().min().unwrap_or(UnixTime(u64::MAX))
    }

    /// When this key begins to sign, if it is to.
    #[must_use]
    pub fn activates_at(&self, key: &StoredKey) -> Option<UnixTime> {
        (key.state == KeyState::Next && self.holds(key)).then(|| key.since.plus(self.publish_before))
    }

    /// When this key is forgotten, if it is to be.
    #[must_use]
    pub fn forgotten_at(&self, key: &StoredKey) -> Option<UnixTime> {
        (key.state == KeyState::Retired).then(|| key.since.plus(self.longest_token).plus(LEEWAY))
    }

    fn successor_at(&self, active_since: UnixTime) -> Option<UnixTime> {
        self.rotate_every.map(|every| active_since.plus(every.saturating_sub(self.publish_before)))
    }

    fn holds(&self, key: &StoredKey) -> bool {
        self.held.contains(&key.algorithm)
    }
}

fn find(keys: &[StoredKey], algorithm: SigningAlgorithm, state: KeyState) -> Option<&StoredKey> {
    keys.iter().find(|key| key.algorithm == algorithm && key.state == state)
}

/// Of several active keys of one algorithm the one that was activated last stays.
fn retire_all_but_the_latest(keys: &mut [StoredKey], algorithm: SigningAlgorithm, now: UnixTime) {
    let is_active = |key: &StoredKey| key.algorithm == algorithm && key.state == KeyState::Active;
    let latest = keys.iter().enumerate().filter(|(_, key)| is_active(key));
    // Of two that were activated in one second, the one that was made last.
    let latest = latest.max_by_key(|(index, key)| (key.since, *index)).map(|(index, _)| index);
    for (index, key) in keys.iter_mut().enumerate() {
        if is_active(key) && Some(index) != latest {
            key.enter(KeyState::Retired, now);
        }
    }
}

#[cfg(test)]
mod tests;
