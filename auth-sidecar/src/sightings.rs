//! What has been seen of others lately? Providers of identity that answered or did not, and gateways that asked for the feed. Kept
//! in memory, for whoever looks at a running server: nothing is decided by it.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::clock::UnixTime;
use crate::store::feed::Place;

/// A gateway asks once a second; one that has been silent for so long is not there any more.
const SILENT: Duration = Duration::from_secs(60);
/// Addresses that are kept at most.
const MOST_GATEWAYS: usize = 1_024;

/// What has been seen since the start.
pub(crate) struct Sightings {
    /// When that was.
    pub(crate) started_at: UnixTime,
    providers: Mutex<BTreeMap<String, Answers>>,
    gateways: Mutex<HashMap<IpAddr, UnixTime>>,
    feed: Mutex<Option<Place>>,
}

/// When a provider of identity last did what it should, and when it last did not.
#[derive(Clone, Copy, Default)]
struct Answers {
    success: Option<UnixTime>,
    failure: Option<UnixTime>,
}

/// The same, in seconds ago.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ProviderAges {
    last_success_age: Option<u64>,
    last_failure_age: Option<u64>,
}

/// The gateways that asked for the feed within the last minute.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Gateways {
    /// How many addresses they have.
    count: usize,
    /// Seconds since any of them asked.
    latest_age: Option<u64>,
    /// Seconds since each of them has asked.
    oldest_age: Option<u64>,
}

// === impl Sightings ===

impl Sightings {
    pub(crate) fn new(now: UnixTime) -> Self {
        Self {
            started_at: now,
            providers: Mutex::default(),
            gateways: Mutex::default(),
            feed: Mutex::default(),
        }
    }

    /// A provider signed somebody in, or could not be spoken to or believed.
    pub(crate) fn provider_answered(&self, id: &str, well: bool, now: UnixTime) {
        let mut providers = locked(&self.providers);
        let answers = providers.entry(id.to_owned()).or_default();
        let last = if well { &mut answers.success } else { &mut answers.failure };
        *last = Some(now);
    }

    /// A gateway was told the feed up to this place.
    pub(crate) fn feed_told(&self, address: Option<IpAddr>, place: &Place, now: UnixTime) {
        *locked(&self.feed) = Some(place.clone());
        let Some(address) = address else { return };
        let mut gateways = locked(&self.gateways);
        if gateways.len() >= MOST_GATEWAYS {
            gateways.retain(|_, asked_at| now.since(*asked_at) < SILENT);
        }
        if gateways.len() < MOST_GATEWAYS || gateways.contains_key(&address) {
            gateways.insert(address, now);
        }
    }

    pub(crate) fn provider(&self, id: &str, now: UnixTime) -> ProviderAges {
        let answers = locked(&self.providers).get(id).copied().unwrap_or_default();
        let age = |at: Option<UnixTime>| at.map(|at| now.since(at).as_secs());
        ProviderAges { last_success_age: age(answers.success), last_failure_age: age(answers.failure) }
    }

    pub(crate) fn gateways(&self, now: UnixTime) -> Gateways {
        let gateways = locked(&self.gateways);
        let ages = gateways.values().map(|asked_at| now.since(*asked_at));
        let ages: Vec<u64> = ages.filter(|age| *age < SILENT).map(|age| age.as_secs()).collect();
        Gateways {
            count: ages.len(),
            latest_age: ages.iter().min().copied(),
            oldest_age: ages.iter().max().copied(),
        }
    }

    /// Up to where the feed was last told.
    pub(crate) fn feed(&self) -> Option<Place> {
        locked(&self.feed).clone()
    }
}

/// Nobody panics while writing: the value is whole whatever happened.
fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_silent_for_a_minute_is_gone_and_leaves_room() {
        let sightings = Sightings::new(UnixTime(0));
        let place = Place { epoch: "e".into(), seq: 1 };
        let address = |number: u32| Some(IpAddr::from(number.to_be_bytes()));
        for number in 0..2_000 {
            sightings.feed_told(address(number), &place, UnixTime(10));
        }
        sightings.feed_told(address(0), &place, UnixTime(30));
        let seen = sightings.gateways(UnixTime(40));
        assert_eq!(seen, Gateways { count: MOST_GATEWAYS, latest_age: Some(10), oldest_age: Some(30) });
        sightings.feed_told(address(3_000), &place, UnixTime(75));
        let seen = sightings.gateways(UnixTime(75));
        assert_eq!(seen, Gateways { count: 2, latest_age: Some(0), oldest_age: Some(45) });
    }
}
