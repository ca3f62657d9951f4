//! Who may fetch at this moment? There are so many places, and neither one host nor one network that asks has more than a few of
//! them: who names places that never answer keeps waiting nobody but himself.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// At a time; more wait.
const MOST_AT_ONCE: usize = 16;
/// Of these for one host, and for one network that asks.
const SHARE: usize = 4;

/// The places of one fetcher.
pub(super) struct Places {
    all: Arc<Semaphore>,
    hosts: Shares<String>,
    networks: Shares<IpAddr>,
}

/// What of the places one has who asks or is asked. It holds no more than there are requests under way.
struct Shares<K>(Mutex<HashMap<K, Weak<Semaphore>>>);

/// A place is given back when this is dropped.
pub(super) struct Place {
    _share: OwnedSemaphorePermit,
    _place: OwnedSemaphorePermit,
}

// === impl Places ===

impl Places {
    pub(super) fn new() -> Self {
        Self {
            all: Arc::new(Semaphore::new(MOST_AT_ONCE)),
            hosts: Shares(Mutex::default()),
            networks: Shares(Mutex::default()),
        }
    }

    /// Waits until this network has something of its share left. Nothing else is held while waiting for that, so that nobody else
    /// waits for him. `None`: all shares are closed, which nobody does.
    pub(super) async fn for_network(&self, network: IpAddr) -> Option<OwnedSemaphorePermit> {
        self.networks.of(network).acquire_owned().await.ok()
    }

    /// Waits for a place to ask this host.
    pub(super) async fn at_host(&self, host: &str) -> Option<Place> {
        let share = self.hosts.of(host.to_owned()).acquire_owned().await.ok()?;
        let place = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(Place { _share: share, _place: place })
    }

    #[cfg(test)]
    pub(super) fn are_all_free(&self) -> bool {
        self.all.available_permits() == MOST_AT_ONCE
    }
}

// === impl Shares ===

impl<K: Hash + Eq> Shares<K> {
    fn of(&self, one: K) -> Arc<Semaphore> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = all.get(&one).and_then(Weak::upgrade) {
            return share;
        }
        all.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Semaphore::new(SHARE));
        all.insert(one, Arc::downgrade(&share));
        share
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    fn is_waiting(future: std::pin::Pin<&mut impl Future>) -> bool {
        future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_pending()
    }

    #[tokio::test]
    async fn nobody_has_more_than_a_few() {
        let places = Places::new();
        let [one, other] = ["192.0.2.1", "192.0.2.2"].map(|network| network.parse().unwrap());
        let mut held = Vec::new();
        for _ in 0..SHARE {
            held.push((places.for_network(one).await, places.at_host("a.example").await));
        }
        let (mut network, mut host) = (pin!(places.for_network(one)), pin!(places.at_host("a.example")));
        assert!(is_waiting(network.as_mut()) && is_waiting(host.as_mut()));
        assert!(places.for_network(other).await.is_some() && places.at_host("b.example").await.is_some());
        held.pop();
        assert!(network.await.is_some() && host.await.is_some());
    }

    #[tokio::test]
    async fn there_are_so_many_and_nothing_is_left() {
        let places = Places::new();
        let mut held = Vec::new();
        for number in 0..MOST_AT_ONCE {
            held.push(places.at_host(&format!("{number}.example")).await);
        }
        assert!(is_waiting(pin!(places.at_host("a.example"))));
        held.clear();
        assert!(places.at_host("b.example").await.is_some() && places.are_all_free());
        assert_eq!(places.hosts.0.lock().unwrap().len(), 1, "what is over is forgotten");
    }
}
