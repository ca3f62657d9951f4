//! Is every request of a world accounted for? At its end there are as many decision records as requests of the gateway, each
//! with the id of its request; what a test's own claims are does not matter.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::files;

/// Where a request of the authorization server went, which the filter does not see.
const NOT_THE_FILTERS: &str = " auth_public ";

/// What does not add up between the log of all requests and the records, by request id (`-` where Envoy read none).
///
/// # Errors
/// The ids of which there are more or fewer decisions than requests.
pub fn settled(state: &Path) -> Result<(), String> {
    let read = |name: &str| files::read(&state.join(name)).unwrap_or_default();
    let (requests, records) = (read("access.log"), read("audit.jsonl"));
    let mut balance: BTreeMap<String, i64> = BTreeMap::new();
    for request in requests.lines().filter(|line| !line.contains(NOT_THE_FILTERS)) {
        let id = request.rsplit(' ').next().unwrap_or("-");
        *balance.entry(id.to_owned()).or_default() += 1;
    }
    for record in records.lines() {
        let record: Value = serde_json::from_str(record).map_err(|why| format!("{why}: {record}"))?;
        if record.get("record").is_some_and(|kind| kind == "decision") {
            let id =
                record.get("request_id").and_then(Value::as_str).filter(|id| !id.is_empty()).unwrap_or("-");
            *balance.entry(id.to_owned()).or_default() -= 1;
        }
    }
    balance.retain(|_, left| *left != 0);
    let shown = |(id, left): (&String, &i64)| {
        let line = requests.lines().find(|line| line.ends_with(id.as_str())).unwrap_or("no such request");
        format!("{left} without a decision: {line}")
    };
    if balance.is_empty() {
        Ok(())
    } else {
        Err(balance.iter().take(9).map(shown).collect::<Vec<_>>().join("\n"))
    }
}
