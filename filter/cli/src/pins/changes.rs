//! What has changed between two lists of tools? In words.

use super::pages::{Tool, Tools};
use crate::outcome::Unusable;
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// One tool that is not what it was.
pub(super) struct Change {
    name: String,
    kind: &'static str,
    /// What is different, one line each.
    details: Vec<String>,
}

/// All changes, by name.
pub(super) fn between(old: &Tools, new: &Tools) -> Result<Vec<Change>, Unusable> {
    let mut changes = Vec::new();
    for (name, tool) in &new.0 {
        let (kind, mut details) = match old.0.get(name) {
            None => ("new", Vec::new()),
            Some(before) if before.digest(name)? == tool.digest(name)? => continue,
            Some(before) => ("changed", members(before, tool)),
        };
        details.extend(hidden(tool));
        changes.push(Change { name: name.clone(), kind, details });
    }
    let gone = old.0.keys().filter(|name| !new.0.contains_key(*name));
    changes.extend(gone.map(|name| Change { name: name.clone(), kind: "gone", details: Vec::new() }));
    changes.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(changes)
}

// === impl Change ===

impl Change {
    /// `NAME: kind`, and what is different below it.
    pub(super) fn to_text(&self) -> String {
        let mut text = format!("{}: {}\n", self.name.escape_debug(), self.kind);
        for line in &self.details {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {line}");
        }
        text
    }

    pub(super) fn to_json(&self) -> Value {
        json!({"tool": self.name, "change": self.kind, "details": self.details})
    }
}

fn members(before: &Tool, after: &Tool) -> Vec<String> {
    let (Tool::Listed(before, _), Tool::Listed(after, _)) = (before, after) else {
        return vec![
            "pins hold no text: compare the answer that they were made of to see what is different"
                .to_owned(),
        ];
    };
    let read = |text: &str| serde_json::from_str::<Map<String, Value>>(text).unwrap_or_default();
    let (before, after) = (read(before), read(after));
    let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.into_iter().filter_map(|key| member(key, before.get(key), after.get(key))).collect()
}

fn member(key: &str, before: Option<&Value>, after: Option<&Value>) -> Option<String> {
    // Escaped, so that what nobody sees is seen here.
    let shown = |value: &Value| match value {
        Value::String(text) => format!("\"{}\"", text.escape_debug()),
        other => other.to_string().escape_debug().to_string().replace("\\\"", "\""),
    };
    match (before, after) {
        (Some(before), Some(after)) if before != after => {
            Some(format!("{key} was {}\n  {key} is  {}", shown(before), shown(after)))
        }
        (None, Some(after)) => Some(format!("{key} is new: {}", shown(after))),
        (Some(before), None) => Some(format!("{key} is gone: {}", shown(before))),
        _ => None,
    }
}

fn hidden(tool: &Tool) -> Vec<String> {
    let hides = matches!(tool, Tool::Listed(_, examined) if examined.hidden.any);
    hides.then(|| "holds characters that nobody sees".to_owned()).into_iter().collect()
}
