//! What was fetched lately, and what could not be? A bounded memory by URL.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::UnixTime;

/// Places; each URL was accepted by somebody's request, so their number must not grow with requests.
const MOST: usize = 2_048;
/// A failure is remembered for so long, so that requests do not become a flood towards somebody's server.
const FAILURE: Duration = Duration::from_secs(10);
/// What was good may stand in for so long while its server does not answer.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// A memory of documents.
pub(crate) struct Cache<T>(Mutex<HashMap<String, Entry<T>>>);

struct Entry<T> {
    good: Option<T>,
    fetched_at: UnixTime,
    failed: Option<&'static str>,
    asked_at: UnixTime,
    until: UnixTime,
}

/// What is known of a URL.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Known<T> {
    /// The document, and when it was asked for.
    Good(T, UnixTime),
    /// It cannot be used, and why.
    Bad(&'static str),
    /// It must be fetched.
    Nothing,
}

// === impl Cache ===

impl<T: Clone> Cache<T> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    /// What can be said without fetching.
    pub(crate) fn get(&self, url: &str, now: UnixTime) -> Known<T> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match entries.get(url).filter(|entry| now < entry.until) {
            None => Known::Nothing,
            Some(Entry { failed: Some(why), .. }) => Known::Bad(why),
            Some(entry) => match &entry.good {
                Some(good) => Known::Good(good.clone(), entry.asked_at),
                None => Known::Nothing,
            },
        }
    }

    /// Keeps a document that was fetched and found good.
    pub(crate) fn keep(&self, url: &str, good: &T, fresh_for: Duration, now: UnixTime) {
        let entry = Entry {
            good: Some(good.clone()),
            fetched_at: now,
            failed: None,
            asked_at: now,
            until: now.plus(fresh_for),
        };
        self.insert(url, entry, now);
    }

    /// Notes that a document was fetched and cannot be used: an earlier one is not good any more either.
    pub(crate) fn refuse(&self, url: &str, why: &'static str, now: UnixTime) {
        let until = now.plus(FAILURE);
        self.insert(url, Entry { good: None, fetched_at: now, failed: Some(why), asked_at: now, until }, now);
    }

    /// Notes that a document could not be had. The last good one stands in, for a day after it was fetched.
    pub(crate) fn miss(&self, url: &str, why: &'static str, now: UnixTime) -> Known<T> {
        let earlier = self.earlier(url, now);
        let until = now.plus(FAILURE);
        let (good, fetched_at) = match earlier {
            Some((good, at)) => (Some(good), at),
            None => (None, now),
        };
        let failed = if good.is_some() { None } else { Some(why) };
        let known = good.clone().map_or(Known::Bad(why), |good| Known::Good(good, now));
        self.insert(url, Entry { good, fetched_at, failed, asked_at: now, until }, now);
        known
    }

    /// What may stand in for a document that was not asked for. Nothing is noted: that says nothing of its server.
    pub(crate) fn stand_in(&self, url: &str, now: UnixTime) -> Option<T> {
        self.earlier(url, now).map(|(good, _)| good)
    }

    fn earlier(&self, url: &str, now: UnixTime) -> Option<(T, UnixTime)> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.get(url).filter(|entry| now.since(entry.fetched_at) < LONGEST)?;
        Some((entry.good.clone()?, entry.fetched_at))
    }

    /// Forgets a failure, for somebody who may ask again.
    pub(crate) fn forget_failure(&self, url: &str) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.get(url).is_some_and(|entry| entry.failed.is_some()) {
            entries.remove(url);
        }
    }

    fn insert(&self, url: &str, entry: Entry<T>, now: UnixTime) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MOST && !entries.contains_key(url) {
            entries.retain(|_, entry| now < entry.until);
        }
        if entries.len() >= MOST && !entries.contains_key(url) {
            let first = entries.iter().min_by_key(|(_, entry)| entry.until).map(|(url, _)| url.clone());
            first.and_then(|url| entries.remove(&url));
        }
        entries.insert(url.to_owned(), entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> UnixTime {
        UnixTime(1_000_000 + seconds)
    }

    #[test]
    fn good_documents_are_fresh_and_then_stand_in() {
        let cache = Cache::new();
        assert_eq!(cache.get("u", at(0)), Known::Nothing);
        cache.keep("u", &1, Duration::from_secs(100), at(0));
        assert_eq!(cache.get("u", at(99)), Known::Good(1, at(0)));
        assert_eq!(cache.get("u", at(100)), Known::Nothing);
        assert_eq!((cache.stand_in("u", at(100)), cache.get("u", at(100))), (Some(1), Known::Nothing));
        assert_eq!(cache.miss("u", "why", at(100)), Known::Good(1, at(100)));
        assert_eq!(cache.get("u", at(109)), Known::Good(1, at(100)));
        assert_eq!(cache.get("u", at(110)), Known::Nothing);
        assert_eq!(cache.miss("u", "why", at(86_400)), Known::Bad("why"), "a day after it was fetched");
    }

    #[test]
    fn failures_are_remembered_for_a_moment() {
        let cache = Cache::<u8>::new();
        cache.keep("u", &1, Duration::from_secs(60), at(0));
        cache.refuse("u", "why", at(60));
        assert_eq!(cache.get("u", at(69)), Known::Bad("why"));
        assert_eq!(cache.get("u", at(70)), Known::Nothing);
        assert_eq!(cache.miss("u", "gone", at(70)), Known::Bad("gone"), "what was refused never stands in");
        cache.forget_failure("u");
        assert_eq!(cache.get("u", at(71)), Known::Nothing);
    }

    #[test]
    fn there_are_so_many_places() {
        let cache = Cache::new();
        for number in 0..MOST + 10 {
            cache.keep(&number.to_string(), &number, Duration::from_secs(60 + number as u64), at(0));
        }
        assert_eq!(cache.0.lock().unwrap().len(), MOST);
        assert_eq!(cache.get("0", at(1)), Known::Nothing, "the one that would end first gave way");
    }
}
