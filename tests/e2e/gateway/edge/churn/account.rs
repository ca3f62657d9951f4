//! What has happened, and why? Each failure that a good client met must be explained by something that was being done to the gateway or
//! what is around it meanwhile.

use std::collections::BTreeMap;
use std::sync::Mutex;

use tokio::time::Instant;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// The filter gets another configuration.
    Filter,
    /// Envoy gets other routes and clusters.
    Routes,
    /// A server is killed and started again.
    Server,
    /// The authorization server is.
    Authorization,
}

/// Something that did not go well.
#[derive(Debug)]
struct Failure {
    what: &'static str,
    words: String,
    began: Instant,
    ended: Instant,
    /// What would explain it.
    by: &'static [Act],
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Account(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    acts: Vec<(Act, Instant, Option<Instant>)>,
    done: BTreeMap<&'static str, u64>,
    failures: Vec<Failure>,
}

// === impl Act ===

impl Act {
    pub(super) const ALL: [Self; 4] = [Self::Filter, Self::Routes, Self::Server, Self::Authorization];
}

// === impl Account ===

impl Account {
    /// Something is being done from now on.
    pub(super) fn begins(&self, act: Act) {
        self.0.lock().unwrap().acts.push((act, Instant::now(), None));
    }

    /// And is over.
    pub(super) fn ends(&self) {
        let mut book = self.0.lock().unwrap();
        book.acts.last_mut().unwrap().2 = Some(Instant::now());
    }

    /// Something went as it should.
    pub(super) fn done(&self, what: &'static str) {
        *self.0.lock().unwrap().done.entry(what).or_default() += 1;
    }

    /// Something that began then did not, which `by` would explain.
    pub(super) fn failed(&self, what: &'static str, began: Instant, words: String, by: &'static [Act]) {
        let failure = Failure { what, words, began, ended: Instant::now(), by };
        self.0.lock().unwrap().failures.push(failure);
    }

    /// How often it went well.
    pub(super) fn count(&self, what: &str) -> u64 {
        self.0.lock().unwrap().done.get(what).copied().unwrap_or_default()
    }

    /// What went well and what did not, in numbers.
    pub(super) fn told(&self) -> String {
        let book = self.0.lock().unwrap();
        let mut failed: BTreeMap<&str, u64> = BTreeMap::new();
        book.failures.iter().for_each(|failure| *failed.entry(failure.what).or_default() += 1);
        format!("{} acts, done {:?}, failed meanwhile {failed:?}", book.acts.len(), book.done)
    }

    /// Failures that nothing explains.
    pub(super) fn unexplained(&self) -> Vec<String> {
        let book = self.0.lock().unwrap();
        let explained = |failure: &&Failure| {
            book.acts.iter().any(|(act, began, ended)| {
                failure.by.contains(act)
                    && *began <= failure.ended
                    && ended.is_none_or(|ended| failure.began <= ended)
            })
        };
        let told = |Failure { what, words, began, ended, by }: &Failure| {
            format!("{what} for {:?}, which {by:?} would explain: {words}", *ended - *began)
        };
        book.failures.iter().filter(|failure| !explained(failure)).map(told).collect()
    }
}

#[tokio::test]
async fn only_what_was_done_meanwhile_explains_a_failure() {
    let account = Account::default();
    let before = Instant::now();
    account.failed("before", before, String::new(), &[Act::Server]);
    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    account.begins(Act::Server);
    let within = Instant::now();
    account.failed("meanwhile", within, String::new(), &[Act::Server, Act::Routes]);
    account.failed("of something else", within, String::new(), &[Act::Routes]);
    account.ends();
    account.failed("began meanwhile", within, String::new(), &[Act::Server]);
    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    account.failed("after", Instant::now(), String::new(), &[Act::Server]);
    let unexplained = account.unexplained();
    assert_eq!(unexplained.len(), 3, "{unexplained:?}");
    for (failure, what) in unexplained.iter().zip(["before", "of something else", "after"]) {
        assert!(failure.starts_with(what), "{unexplained:?}");
    }
}
