//! Did the upstream get nothing but what a decision allowed? What it saw is held against the records, as they are written.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::gateway::recorder::{Recorder, Seen};
use crate::gateway::stage;

/// What went past so far.
pub(in crate::gateway) struct Passed {
    seed: u64,
    /// The file of records.
    audit: PathBuf,
    /// How far it has been read.
    read: u64,
    /// Verdicts by request id, of requests that were not looked for yet.
    verdicts: BTreeMap<String, String>,
    /// How many requests the upstream got.
    pub(in crate::gateway) count: u64,
    /// Decisions by reason.
    pub(in crate::gateway) decisions: BTreeMap<String, u64>,
}

// === impl Passed ===

impl Passed {
    pub(in crate::gateway) fn new(seed: u64, audit: PathBuf) -> Self {
        Self { seed, audit, read: 0, verdicts: BTreeMap::new(), count: 0, decisions: BTreeMap::new() }
    }

    /// Everything that the upstream got was allowed by a decision, and by somebody who reads it otherwise.
    pub(in crate::gateway) async fn nothing_else(&mut self, recorder: &Recorder) {
        let seen = recorder.take();
        let ids: Vec<_> = seen.iter().map(|seen| seen.field("x-request-id").unwrap().to_owned()).collect();
        let deadline = Instant::now() + stage::DEADLINE;
        while ids.iter().any(|id| !self.verdicts.contains_key(id)) && Instant::now() < deadline {
            sleep(Duration::from_millis(100)).await;
            self.read_records();
        }
        for (seen, id) in seen.iter().zip(&ids) {
            let verdict = self.verdicts.remove(id);
            assert_eq!(verdict.as_deref(), Some("allow"), "seed {}: the upstream got {seen:?}", self.seed);
            assert!(may_pass(seen), "seed {}: the upstream got {seen:?}", self.seed);
            assert!(seen.field("authorization").is_none(), "seed {}: {seen:?}", self.seed);
        }
        self.count += seen.len() as u64;
    }

    /// The verdicts of records that are new, by request id.
    fn read_records(&mut self) {
        let mut file = File::open(&self.audit).unwrap();
        let mut text = Vec::new();
        file.seek(SeekFrom::Start(self.read)).unwrap();
        file.read_to_end(&mut text).unwrap();
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.read += whole as u64;
        for line in text[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let record: Value = serde_json::from_slice(line).unwrap();
            if record["record"] != "decision" {
                continue;
            }
            let reason = record["reason"].as_str().unwrap().to_owned();
            // Whatever is sent, it is for the filter to name what is wrong with it.
            assert!(reason != "internal", "seed {}: {record}", self.seed);
            *self.decisions.entry(reason).or_default() += 1;
            if let Some(id) = record["request_id"].as_str() {
                self.verdicts.insert(id.to_owned(), record["verdict"].as_str().unwrap().to_owned());
            }
        }
    }
}

/// Whether somebody who knows nothing of the filter finds this allowed.
fn may_pass(seen: &Seen) -> bool {
    if !seen.head.starts_with("POST ") {
        return seen.body.is_empty() && (seen.head.starts_with("GET ") || seen.head.starts_with("DELETE "));
    }
    let Ok(message) = serde_json::from_slice::<Value>(&seen.body) else { return false };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let params = &message["params"];
    let prompt = |name: String| name.starts_with("sum_") && name != "sum_secret";
    let resource = |uri: String| {
        let uri = uri.to_ascii_lowercase();
        uri.starts_with("notes://note/") && !uri.starts_with("notes://note/secret/")
    };
    match message["method"].as_str() {
        Some("tools/call") => params["name"] == "get_note",
        Some("prompts/get") => prompt(text(&params["name"])),
        Some("resources/read" | "resources/subscribe" | "resources/unsubscribe") => {
            resource(text(&params["uri"]))
        }
        Some("completion/complete") if params["ref"]["type"] == "ref/prompt" => {
            prompt(text(&params["ref"]["name"]))
        }
        _ => message.is_object(),
    }
}
