//! What was given for this very token a moment ago? A bounded memory of one VM.
//!
//! A row belongs to one token at one server: what another token of the same principal may, or may not, changes nothing of it. It can
//! be found by whoever shows that token, after the token was found good, and by nobody else.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use super::principal::Identity;
use super::token_cache::Digested;
use super::upstream_credential::{Given, HeaderValue};
use crate::time::Timestamp;

/// What was given, by digest of the token for which it was.
#[derive(Default)]
pub struct GivenCredentials {
    rows: HashMap<Digested, Row>,
    /// In the order in which they came; the first goes first.
    order: VecDeque<Digested>,
}

struct Row {
    given: Given,
    since: Timestamp,
    issuer: usize,
    identity: Arc<Identity>,
}

// === impl GivenCredentials ===

impl GivenCredentials {
    /// The most rows.
    pub const MOST: usize = 1024;
    /// The longest value that is kept, bytes: what is longer is asked for each time.
    pub const LONGEST: usize = 4096;

    /// What is remembered, if it can still be shown at `now`. How old what was given later is, nobody knows: the clock was set back.
    pub fn get(&self, digest: &Digested, now: Timestamp) -> Option<&HeaderValue> {
        self.rows
            .get(digest)
            .filter(|row| row.since <= now && now < row.given.until)
            .map(|row| &row.given.value)
    }

    /// Remembers what was given for a token of this issuer (its index) that says so of its holder; no longer than the token lives.
    pub fn insert(
        &mut self,
        digest: Digested,
        mut given: Given,
        (issuer, identity): (usize, Arc<Identity>),
        now: Timestamp,
    ) {
        given.until = given.until.min(identity.expires);
        if given.until <= now || given.value.text().len() > Self::LONGEST {
            return;
        }
        if self.rows.insert(digest, Row { given, since: now, issuer, identity }).is_none() {
            self.order.push_back(digest);
        }
        while self.rows.len() > Self::MOST {
            let Some(oldest) = self.order.pop_front() else { return };
            self.rows.remove(&oldest);
        }
    }

    /// Forgets what was given for tokens that do not count any more.
    pub fn retain(&mut self, keep: impl Fn(usize, &Identity) -> bool) {
        self.rows.retain(|_, row| keep(row.issuer, &row.identity));
        self.order.retain(|digest| self.rows.contains_key(digest));
    }

    /// How many are remembered, old ones included.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl fmt::Debug for GivenCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GivenCredentials({} of {})", self.rows.len(), Self::MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::callout::Destination;
    use crate::identity::upstream_credential::{Kind, Source};
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_secs(100);

    fn given(text: &str) -> Given {
        let source = Source {
            kind: Kind::Exchanged,
            header: "x-wicketgate-a".to_owned(),
            audience: String::new(),
            scopes: Vec::new(),
            at: Destination {
                cluster: String::new(),
                authority: String::new(),
                path: String::new(),
                timeout: Duration::ZERO,
            },
        };
        let answer = serde_json::json!({"active": true, "credential": text, "expires_in": 65});
        source.read(Some(answer.to_string().as_bytes()), NOW).unwrap()
    }

    fn alice(expires: u64) -> (usize, Arc<Identity>) {
        let expires = Timestamp::from_secs(expires);
        (0, Arc::new(Identity { expires, ..Identity::named("i", "alice") }))
    }

    #[test]
    fn it_is_found_for_the_same_token_at_the_same_server_until_its_end() {
        let mut all = GivenCredentials::default();
        all.insert(Digested::of(0, "t"), given("x"), alice(1000), NOW);
        let at = |secs| Timestamp::from_secs(secs);
        assert_eq!(all.get(&Digested::of(0, "t"), at(159)).map(HeaderValue::text), Some("x"));
        for (server, token, now) in [(0, "t", 160), (1, "t", 100), (0, "u", 100)] {
            assert_eq!(all.get(&Digested::of(server, token), at(now)), None, "{server} {token} {now}");
        }
        all.insert(Digested::of(0, "brief"), given("x"), alice(110), NOW);
        assert!(all.get(&Digested::of(0, "brief"), at(109)).is_some());
        assert_eq!(all.get(&Digested::of(0, "brief"), at(110)), None, "no longer than the token");
        assert_eq!(all.get(&Digested::of(0, "t"), at(99)), None, "the clock was set back");
        all.insert(Digested::of(0, "t"), given("y"), alice(1000), at(99));
        assert_eq!(all.get(&Digested::of(0, "t"), at(99)).map(HeaderValue::text), Some("y"));
    }

    #[test]
    fn what_was_withdrawn_is_forgotten_and_the_oldest_gives_way() {
        let mut all = GivenCredentials::default();
        for n in 0..GivenCredentials::MOST + 9 {
            all.insert(Digested::of(n, "t"), given("x"), alice(1000), NOW);
        }
        assert_eq!((all.len(), all.order.len()), (GivenCredentials::MOST, GivenCredentials::MOST));
        assert_eq!(all.get(&Digested::of(8, "t"), NOW), None);
        assert!(all.get(&Digested::of(9, "t"), NOW).is_some());
        all.insert(Digested::of(9, "t"), given("y"), alice(1000), NOW);
        assert_eq!((all.len(), all.order.len()), (GivenCredentials::MOST, GivenCredentials::MOST));
        all.insert(Digested::of(0, "long"), given(&"x".repeat(5000)), alice(1000), NOW);
        assert_eq!(all.get(&Digested::of(0, "long"), NOW), None);
        all.retain(|_, identity| identity.subject != "alice");
        assert!(all.is_empty() && all.order.is_empty());
    }
}
