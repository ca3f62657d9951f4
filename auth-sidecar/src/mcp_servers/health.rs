//! How did each server do? One answer more or less turns nothing: thresholds do.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use url::Url;

use super::answer::Fault;
use super::ask::Spoken;
use crate::clock::UnixTime;
use crate::config::McpServer;

/// What is known of all of them, by name.
#[derive(Default)]
pub(crate) struct Health(Mutex<BTreeMap<String, Seen>>);

/// What is known of one.
struct Seen {
    /// Where it was asked: at another place it is another server.
    url: Url,
    asked_at: UnixTime,
    well: Option<bool>,
    /// Answers in a row, or failures.
    row: u32,
    last_well: bool,
    success: Option<UnixTime>,
    failure: Option<UnixTime>,
    fault: Option<Fault>,
    spoken: Option<Spoken>,
}

/// The same for `/status`.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Report {
    name: String,
    /// `well`, `ill`, or `unknown` until the first time that a threshold is reached.
    state: &'static str,
    /// Seconds since it answered as it must.
    last_success_age: Option<u64>,
    /// Seconds since it did not.
    last_failure_age: Option<u64>,
    /// Failures in a row.
    failures: u32,
    /// Why the last question failed; null where it did not.
    why: Option<&'static str>,
    /// The method that it answered last.
    answers: Option<&'static str>,
}

// === impl Health ===

impl Health {
    /// Forgets servers that are not asked any more, and gives their names.
    pub(super) fn keep_only(&self, servers: &[McpServer]) -> Vec<String> {
        let mut seen = self.locked();
        let gone = |name: &&String| !servers.iter().any(|server| server.name == **name);
        let gone: Vec<String> = seen.keys().filter(gone).cloned().collect();
        gone.iter().for_each(|name| drop(seen.remove(name)));
        gone
    }

    /// Whether a server is to be asked now. A clock that was set back is no reason to wait.
    pub(super) fn is_due(&self, server: &McpServer, every: Duration, now: UnixTime) -> bool {
        let all = self.locked();
        let seen = all.get(&server.name).filter(|seen| seen.url == server.url);
        seen.is_none_or(|seen| seen.asked_at > now || now.since(seen.asked_at) >= every)
    }

    /// A server is being asked.
    pub(super) fn asked(&self, server: &McpServer, now: UnixTime) {
        let mut all = self.locked();
        let seen = all.entry(server.name.clone()).or_insert_with(|| Seen::at(&server.url));
        if seen.url != server.url {
            *seen = Seen::at(&server.url);
        }
        seen.asked_at = now;
    }

    /// What it answered last, which is asked first.
    pub(super) fn spoken(&self, name: &str) -> Option<Spoken> {
        self.locked().get(name)?.spoken
    }

    /// What came of it. Gives whether it is well where that changed.
    pub(super) fn told(
        &self,
        server: &McpServer,
        answer: Result<Spoken, Fault>,
        [ill, well]: [u32; 2],
        now: UnixTime,
    ) -> Option<bool> {
        let mut all = self.locked();
        // It may have gone from the configuration, or moved, while it was asked.
        let seen = all.get_mut(&server.name).filter(|seen| seen.url == server.url)?;
        let good = answer.is_ok();
        seen.row = if good == seen.last_well { seen.row.saturating_add(1) } else { 1 };
        seen.last_well = good;
        seen.fault = answer.err();
        seen.spoken = answer.ok().or(seen.spoken);
        *(if good { &mut seen.success } else { &mut seen.failure }) = Some(now);
        let turned = seen.row >= if good { well } else { ill } && seen.well != Some(good);
        if turned {
            seen.well = Some(good);
        }
        turned.then_some(good)
    }

    /// How these do, in their order.
    pub(crate) fn report(&self, servers: &[McpServer], now: UnixTime) -> Vec<Report> {
        let all = self.locked();
        let age = |at: Option<UnixTime>| at.map(|at| now.since(at).as_secs());
        let one = |server: &McpServer| {
            let seen = all.get(&server.name).filter(|seen| seen.url == server.url);
            Report {
                name: server.name.clone(),
                state: match seen.and_then(|seen| seen.well) {
                    None => "unknown",
                    Some(true) => "well",
                    Some(false) => "ill",
                },
                last_success_age: seen.and_then(|seen| age(seen.success)),
                last_failure_age: seen.and_then(|seen| age(seen.failure)),
                failures: seen.filter(|seen| !seen.last_well).map_or(0, |seen| seen.row),
                why: seen.and_then(|seen| seen.fault).map(Fault::as_str),
                answers: seen.and_then(|seen| seen.spoken).map(Spoken::method),
            }
        };
        servers.iter().map(one).collect()
    }

    /// Nobody panics while writing: the value is whole whatever happened.
    fn locked(&self) -> MutexGuard<'_, BTreeMap<String, Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Seen ===

impl Seen {
    fn at(url: &Url) -> Self {
        Self {
            url: url.clone(),
            asked_at: UnixTime(0),
            well: None,
            row: 0,
            last_well: true,
            success: None,
            failure: None,
            fault: None,
            spoken: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str) -> McpServer {
        McpServer { name: "notes".into(), url: Url::parse(url).unwrap() }
    }

    #[test]
    fn thresholds_turn_it_and_nothing_else() {
        let (health, one) = (Health::default(), server("http://a/mcp"));
        let mut now = UnixTime(100);
        health.asked(&one, now);
        let mut tell = |answer| {
            now = now.plus(Duration::from_secs(1));
            health.told(&one, answer, [3, 2], now)
        };
        let (good, bad) = (Ok(Spoken::Discover), Err(Fault::Unreachable));
        assert_eq!(health.report(std::slice::from_ref(&one), UnixTime(100))[0].state, "unknown");
        let said: Vec<_> = [good, good, good, bad, bad, good, bad, bad, bad, bad, good, bad, good, good]
            .into_iter()
            .map(&mut tell)
            .collect();
        let turned: Vec<_> =
            said.iter().enumerate().filter_map(|(at, turned)| turned.map(|w| (at, w))).collect();
        assert_eq!(turned, [(1, true), (8, false), (13, true)]);
    }

    #[test]
    fn another_place_is_another_server() {
        let (health, one, moved) = (Health::default(), server("http://a/mcp"), server("http://b/mcp"));
        health.asked(&one, UnixTime(10));
        assert_eq!(health.told(&one, Ok(Spoken::Initialize), [1, 1], UnixTime(11)), Some(true));
        assert_eq!(health.spoken("notes"), Some(Spoken::Initialize));
        assert!(!health.is_due(&one, Duration::from_secs(5), UnixTime(14)));
        assert!(health.is_due(&one, Duration::from_secs(5), UnixTime(15)));
        assert!(health.is_due(&one, Duration::from_secs(5), UnixTime(9)), "the clock was set back");
        assert!(health.is_due(&moved, Duration::from_secs(5), UnixTime(11)), "it was never asked there");
        let report = health.report(std::slice::from_ref(&moved), UnixTime(12));
        assert_eq!((report[0].state, report[0].answers), ("unknown", None));
        health.asked(&moved, UnixTime(12));
        assert_eq!(
            health.told(&one, Err(Fault::Unreachable), [1, 1], UnixTime(13)),
            None,
            "an answer of before"
        );
        assert_eq!(health.keep_only(std::slice::from_ref(&moved)), Vec::<String>::new());
        assert_eq!(health.keep_only(&[]), ["notes"]);
        assert_eq!(health.told(&moved, Err(Fault::Unreachable), [1, 1], UnixTime(14)), None, "gone");
    }
}
