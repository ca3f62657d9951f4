//! How do allowed requests of some tools or methods go on? Judged for one server.

use super::error::{Findings, Place};
use super::issuers::duration;
use super::raw::RawDispatch;
use super::rules::{name, patterns};
use super::{methods, units};
use crate::mcp::method::{METHODS, Sender};
use crate::server::dispatch::{Dispatch, READING};
use crate::server::{Covers, Server};
use std::time::Duration;

/// Each is compared with every request that is allowed.
const MOST: usize = 64;
const HOUR: Duration = Duration::from_secs(3600);

/// Compiles it; `held` tells whether the host holds headers back, which a new one needs.
pub(crate) fn compile(raw: &[RawDispatch], held: bool, place: &Place, found: &mut Findings) -> Vec<Dispatch> {
    if !raw.is_empty() && !held {
        found.error(
            place,
            "needs `hold_headers: true`: where headers have gone on, Envoy has chosen route and times already",
        );
    }
    if raw.len() > MOST {
        found.error(place, format!("at most {MOST} entries, found {}", raw.len()));
    }
    raw.iter().enumerate().map(|(at, raw)| entry(raw, &place.index(at), found)).collect()
}

/// Refuses a branch whose route has the name of a route of another server: it could not be told whose Envoy has chosen. Who lets two
/// servers stand behind one route means that.
pub(crate) fn refuse_namesakes(
    server: &Server,
    other: &Server,
    first: usize,
    place: &Place,
    found: &mut Findings,
) {
    let (of_other, branches_of_other) = (own_routes(other), branch_routes(other));
    if own_routes(server).iter().any(|name| of_other.contains(name)) {
        return;
    }
    for (at, name) in branch_routes(server) {
        if of_other.contains(&name) || branches_of_other.iter().any(|(_, theirs)| *theirs == name) {
            let message = format!(
                "its route would be called `{name}`, as one of servers[{first}]: choose another name"
            );
            found.error(&place.key("dispatch").index(at).key("branch"), message);
        }
    }
    let named = server.place.routes.is_some();
    let here = if named { place.key("match").key("routes") } else { place.key("name") };
    for name in own_routes(server) {
        if branches_of_other.iter().any(|(_, theirs)| *theirs == name) {
            let message = format!("a branch of servers[{first}] has the route `{name}`: choose another name");
            found.error(&here, message);
        }
    }
}

/// The names of the routes to the server itself.
fn own_routes(server: &Server) -> Vec<String> {
    server.place.routes.clone().unwrap_or_else(|| vec![server.route(None)])
}

/// Of those to its branches, with the entries that lead there.
fn branch_routes(server: &Server) -> Vec<(usize, String)> {
    let entries = server.dispatch.iter().enumerate();
    entries
        .filter_map(|(at, entry)| entry.branch.as_deref().map(|branch| (at, server.route(Some(branch)))))
        .collect()
}

fn entry(raw: &RawDispatch, place: &Place, found: &mut Findings) -> Dispatch {
    let mut span = |given: &Option<String>, key: &str, within: std::ops::RangeInclusive<Duration>| {
        given.as_deref().map(|text| duration(Some(text), "1s", within, &place.key(key), found))
    };
    let begins = span(&raw.begins, "begins", Duration::from_millis(100)..=HOUR);
    let ends = span(&raw.ends, "ends", Duration::from_secs(1)..=HOUR * 24);
    if let (Some(begins), Some(ends)) = (begins, ends)
        && begins >= ends
        && !begins.is_zero()
        && !ends.is_zero()
    {
        let message =
            format!("never counts: the answer must have ended after {}", units::format_duration(ends));
        found.error(&place.key("begins"), message);
    }
    if let Some(branch) = &raw.branch {
        name(branch, &place.key("branch"), found);
    }
    if begins.is_none() && ends.is_none() && raw.branch.is_none() && raw.retries.is_none() {
        found.error(place, "says nothing: give `begins`, `ends`, `branch` or `retries`");
    }
    let covers = covers(raw, place, found);
    let retries = retries(raw, &covers, &place.key("retries"), found);
    Dispatch { covers, begins, ends, branch: raw.branch.clone(), retries }
}

/// Of methods only those may be asked once more that read; of tools it depends on what is known of them.
fn retries(raw: &RawDispatch, covers: &Covers, place: &Place, found: &mut Findings) -> u32 {
    let retries = raw.retries.unwrap_or_default();
    if retries > 5 {
        found.error(place, format!("lies outside 0 to 5: {retries}"));
    }
    let Covers::Methods(patterns) = covers else { return retries };
    let writes = METHODS.iter().filter(|method| {
        let client = matches!(method.sender, Sender::Client | Sender::Both);
        client && !READING.contains(&method.name) && patterns.iter().any(|p| p.matches(method.name))
    });
    if let Some(method) = writes.into_iter().next().filter(|_| retries > 0) {
        let message = format!("covers `{}`; asked once more are these: {}", method.name, READING.join(", "));
        found.error(place, message);
    }
    retries
}

fn covers(raw: &RawDispatch, place: &Place, found: &mut Findings) -> Covers {
    match (&raw.tools, &raw.methods) {
        (Some(tools), None) => Covers::Tools(patterns(Some(tools), &place.key("tools"), found)),
        (None, given @ Some(_)) => {
            let named = patterns(given.as_ref(), &place.key("methods"), found);
            methods::judge_names(&named, &place.key("methods"), found);
            Covers::Methods(named)
        }
        (None, None) => {
            found.error(place, "the key `tools` (or `methods`) is missing: which requests?");
            Covers::Everything
        }
        (Some(_), Some(_)) => {
            found.error(&place.key("methods"), "stands beside `tools`: give an entry to each");
            Covers::Everything
        }
    }
}
