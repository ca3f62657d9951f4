//! Where does an allowed request go, and how long may its answer take? By the first entry of `dispatch` that covers it, and by what the
//! policy says of Envoy.

use crate::envoy::cluster_of;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::Duration;
use wicketgate_core::config::edge::Upstream;
use wicketgate_core::mcp::operation::Operation;
use wicketgate_core::server::Server;

/// The way of `operation`; `upstream` is where its server lives, where the policy says so. `None` where it says nothing of ways.
pub(super) fn way(server: &Server, upstream: Option<&Upstream>, operation: &Operation) -> Option<Value> {
    if upstream.is_none() && server.dispatch.is_empty() {
        return None;
    }
    let entry = server.dispatched(operation);
    let at = server.dispatch.iter().position(|other| entry.is_some_and(|entry| std::ptr::eq(entry, other)));
    let branch = entry.and_then(|entry| entry.branch.as_deref());
    let place = match branch {
        None => upstream,
        Some(branch) => upstream
            .and_then(|own| own.branches.iter().find(|(name, _)| name == branch))
            .map(|(_, place)| place),
    };
    let millis =
        |span: Option<Duration>| span.map(|span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX));
    Some(json!({
        "entry": at,
        "branch": branch,
        "route": server.route(branch),
        "cluster": place.map(|place| cluster_of(&server.name, place, branch)),
        "begins_ms": millis(entry.and_then(|entry| entry.begins)),
        "ends_ms": millis(entry.and_then(|entry| entry.ends)),
        "silence_ms": millis(place.map(|place| place.silence)),
    }))
}

/// The same in words, one line.
pub(super) fn told(way: &Value) -> String {
    let word = |key: &str| way.get(key).and_then(Value::as_str);
    let number = |key: &str| way.get(key).and_then(Value::as_u64);
    let mut text = format!("   goes by the route {}", word("route").unwrap_or_default());
    // Writing to a String cannot fail.
    if let Some(cluster) = word("cluster") {
        let _ = write!(text, " to the cluster {cluster}");
    }
    if let Some(entry) = number("entry") {
        let _ = write!(text, ", by dispatch[{entry}]");
    }
    for (key, what) in [("begins_ms", "begins"), ("ends_ms", "ends")] {
        if let Some(millis) = number(key) {
            let _ = write!(text, ", its answer {what} within {millis} ms");
        }
    }
    text.push('\n');
    text
}
