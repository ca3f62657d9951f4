//! Does the document have the shape of a configuration? Every key and type judged, with all faults at once.

use super::error::{Findings, Place, nearest};
use super::raw::{RawConfig, RawIssuer, RawRule, RawServer};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use serde_path_to_error::{Path, Segment};

/// Where only a mapping is right. A derived reader would take a list for one, field by field.
const MAPPINGS: &[&str] = &[
    "",
    "issuers[]",
    "issuers[].jwks",
    "issuers[].claims",
    "servers[]",
    "servers[].match",
    "servers[].sessions",
    "servers[].limits",
    "servers[].limits.flood",
    "servers[].limits.principal",
    "servers[].limits.tools[]",
    "servers[].rules[]",
    "servers[].rules[].allow",
    "servers[].rules[].deny",
];

/// So many faults are reported of one issuer, server or rule.
const MOST_FAULTS: usize = 20;

/// Reads the mirror. `None` when it cannot be told what the document means; the findings then say why.
pub(crate) fn read(mut document: Value, found: &mut Findings) -> Option<RawConfig> {
    refuse_slips(&document, &Place::default(), "", found);
    if !found.errors.is_empty() {
        return None;
    }
    let issuers = take_list(&mut document, "issuers");
    let servers = take_list(&mut document, "servers");
    let root = Place::default();
    let mut config: Option<RawConfig> = read_one(document, &root, found);
    let issuers: Vec<RawIssuer> = read_list(issuers, &root.key("issuers"), found);
    let servers: Vec<RawServer> = servers
        .into_iter()
        .enumerate()
        .filter_map(|(at, mut server)| {
            let place = root.key("servers").index(at);
            let rules = take_list(&mut server, "rules");
            let mut server: Option<RawServer> = read_one(server, &place, found);
            let rules: Vec<RawRule> = read_list(rules, &place.key("rules"), found);
            if let Some(server) = &mut server {
                server.rules = rules;
            }
            server
        })
        .collect();
    if let Some(config) = &mut config {
        (config.issuers, config.servers) = (issuers, servers);
    }
    config.filter(|_| found.errors.is_empty())
}

/// Takes the list at `key` out, leaving an empty one; what is no list stays, to be refused there.
fn take_list(from: &mut Value, key: &str) -> Vec<Value> {
    match from.get_mut(key) {
        Some(Value::Array(list)) => std::mem::take(list),
        _ => Vec::new(),
    }
}

fn read_list<T: DeserializeOwned>(values: Vec<Value>, place: &Place, found: &mut Findings) -> Vec<T> {
    values.into_iter().enumerate().filter_map(|(at, v)| read_one(v, &place.index(at), found)).collect()
}

/// Reads one piece. After a fault the key at fault is left out and reading goes on, so that the next is found too.
fn read_one<T: DeserializeOwned>(mut value: Value, place: &Place, found: &mut Findings) -> Option<T> {
    let mut left_out: Vec<String> = Vec::new();
    for _ in 0..MOST_FAULTS {
        let error = match serde_path_to_error::deserialize::<_, T>(&value) {
            Ok(read) => return Some(read).filter(|_| left_out.is_empty()),
            Err(error) => error,
        };
        let text = error.inner().to_string();
        let mut path = segments(error.path());
        if let Some(key) = quoted(&text, "unknown field `") {
            if !matches!(path.last(), Some(Segment::Map { key: last }) if last == key) {
                path.push(Segment::Map { key: key.to_owned() });
            }
            let known: Vec<&str> = text.split('`').skip(3).step_by(2).collect();
            let message = format!("unknown key `{key}`; known here: {}", known.join(", "));
            found.suggest(&locate(place, &path), message, nearest(key, known));
        } else if let Some(key) = quoted(&text, "missing field `") {
            let missing = locate(place, &path);
            if !left_out.contains(&missing.key(key).as_str().to_owned()) {
                found.error(&missing, format!("the key `{key}` is missing"));
            }
            return None;
        } else {
            found.error(&locate(place, &path), in_plain_words(&text));
        }
        left_out.push(locate(place, &path).as_str().to_owned());
        if !remove(&mut value, &path) {
            return None;
        }
    }
    None
}

fn segments(path: &Path) -> Vec<Segment> {
    path.iter().cloned().collect()
}

/// The word between `intro` and the next backtick.
fn quoted<'a>(text: &'a str, intro: &str) -> Option<&'a str> {
    text.strip_prefix(intro)?.split('`').next()
}

/// serde's words in those of the document.
fn in_plain_words(text: &str) -> String {
    let text = text
        .replace("invalid type: ", "found ")
        .replace("invalid value: ", "found ")
        .replace("a sequence", "a list")
        .replace("sequence", "a list")
        .replace("found map", "found a mapping")
        .replace("found string ", "found the text ")
        .replace("expected a string", "expected a text")
        .replace("u32", "a whole number from 0 to 4294967295")
        .replace("a boolean", "true or false");
    match text.split_once(", expected ") {
        Some((found, expected)) => format!("expected {expected}, {found}"),
        None => text,
    }
}

fn locate(place: &Place, path: &[Segment]) -> Place {
    path.iter().fold(place.clone(), |at, segment| match segment {
        Segment::Seq { index } => at.index(*index),
        Segment::Map { key } | Segment::Enum { variant: key } => at.key(key),
        Segment::Unknown => at,
    })
}

/// Leaves out what `path` names; `false` when that would move its neighbours or leave nothing.
fn remove(value: &mut Value, path: &[Segment]) -> bool {
    let mut at = value;
    let Some((last_map, _)) = path.iter().enumerate().rev().find(|(_, s)| matches!(s, Segment::Map { .. }))
    else {
        return false;
    };
    for segment in path.iter().take(last_map) {
        let next = match segment {
            Segment::Seq { index } => at.get_mut(*index),
            Segment::Map { key } => at.get_mut(key.as_str()),
            Segment::Enum { .. } | Segment::Unknown => None,
        };
        let Some(next) = next else { return false };
        at = next;
    }
    match (path.get(last_map), at) {
        (Some(Segment::Map { key }), Value::Object(members)) => take(members, key),
        _ => false,
    }
}

fn take(members: &mut Map<String, Value>, key: &str) -> bool {
    members.remove(key).is_some()
}

/// Refuses a key without a value (a slip of indentation, mostly) and lists where only mappings are right.
fn refuse_slips(value: &Value, place: &Place, shape: &str, found: &mut Findings) {
    match value {
        Value::Null => found.error(place, "has no value: give one, or leave the key out"),
        Value::Array(_) if MAPPINGS.contains(&shape) => {
            found.error(place, "expected a mapping, found a list")
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                refuse_slips(item, &place.index(at), &format!("{shape}[]"), found);
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                let below = if shape.is_empty() { key.clone() } else { format!("{shape}.{key}") };
                refuse_slips(member, &place.key(key), &below, found);
            }
        }
        _ => {}
    }
}
