//! What does the environment say otherwise? `WICKETGATE_AUTH__LIFETIMES__ACCESS_TOKEN=5m` stands for that key of the document.
//!
//! The name is the path, in capitals, with two underscores between its parts; a number is the place in a list, and the first
//! one that is free adds to it. The value is YAML. What comes of it is then read as strictly as a document.

use std::ffi::OsString;

use serde_json::Value;

use super::ConfigError;

/// What the name of every override begins with. One underscore less is what Kubernetes calls a service of this name.
const PREFIX: &str = "WICKETGATE_AUTH__";

/// What the environment says.
#[derive(Debug, Default)]
pub(super) struct Overrides(Vec<Override>);

#[derive(Debug)]
struct Override {
    variable: String,
    parts: Vec<String>,
    text: String,
    /// Where it went, as errors write it: `clients[0].name`.
    place: String,
    /// A number or a truth value, which may have been meant as a text.
    ambiguous: bool,
}

// === impl Overrides ===

impl Overrides {
    /// Those among these variables.
    pub(super) fn among(variables: impl Iterator<Item = (OsString, OsString)>) -> Result<Self, ConfigError> {
        let mut found = Vec::new();
        for (name, value) in variables {
            let Some(variable) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
            let refuse = |why: &str| ConfigError::new(variable, why);
            let text = value.into_string().map_err(|_| refuse("is not UTF-8"))?;
            if text.trim().is_empty() {
                return Err(refuse("is empty: write '' for an empty text, [] for an empty list"));
            }
            let path = variable.strip_prefix(PREFIX).unwrap_or_default().to_ascii_lowercase();
            let parts: Vec<String> = path.split("__").map(ToOwned::to_owned).collect();
            if parts.iter().any(String::is_empty) {
                return Err(refuse("names no key: two underscores stand between the parts of a path"));
            }
            let (variable, place) = (variable.to_owned(), String::new());
            found.push(Override { variable, parts, text, place, ambiguous: false });
        }
        // A whole section before what stands in it, and the entries of a list in their order.
        found
            .sort_by_key(|one| one.parts.iter().map(|part| (number(part), part.clone())).collect::<Vec<_>>());
        Ok(Self(found))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names of the variables.
    pub(super) fn variables(&self) -> Vec<String> {
        self.0.iter().map(|one| one.variable.clone()).collect()
    }

    /// Names and values, as a text that differs where they do.
    pub(super) fn said(&self) -> String {
        self.0.iter().map(|one| format!("\0{}={}", one.variable, one.text)).collect()
    }

    /// Puts every value where its name says.
    pub(super) fn apply(&mut self, document: &mut Value) -> Result<(), ConfigError> {
        for one in &mut self.0 {
            let value: Value = serde_saphyr::from_str_with_options(&one.text, super::without_snippets())
                .map_err(|_| {
                    ConfigError::new(
                        &one.variable,
                        "is not YAML: put a text with special characters in quotes",
                    )
                })?;
            one.ambiguous = value.is_number() || value.is_boolean();
            one.place.clear();
            let place = find(document, &one.parts, &mut one.place);
            *place.map_err(|why| ConfigError::new(&one.place, why))? = value;
        }
        Ok(())
    }

    /// Where a text is due and an override looked like something else, it is a text; whether that was so.
    pub(super) fn take_as_text(&mut self, place: &str, document: &mut Value) -> bool {
        let Some(one) = self.0.iter_mut().find(|one| one.ambiguous && one.place == place) else {
            return false;
        };
        one.ambiguous = false;
        let found = find(document, &one.parts, &mut String::new());
        found.map(|value| *value = Value::String(one.text.trim().to_owned())).is_ok()
    }

    /// The error, with the variable that it comes from if it comes from one.
    pub(super) fn blame(&self, error: ConfigError) -> ConfigError {
        let at = error.path.trim_matches('.');
        let placed = || self.0.iter().filter(|one| !one.place.is_empty());
        let above = placed().filter(|one| is_within(at, &one.place)).max_by_key(|one| one.place.len());
        let below = || placed().find(|one| !at.is_empty() && is_within(&one.place, at));
        let who = match (above, below()) {
            (Some(one), _) => format!("set by {}", one.variable),
            (None, Some(one)) => format!("{} sets a part of it", one.variable),
            (None, None) => return error,
        };
        ConfigError::new(&error.path, format!("{} ({who})", error.message))
    }
}

/// The place of a path in a document, made where there is none. `at` becomes its name.
fn find<'a>(mut node: &'a mut Value, parts: &[String], at: &mut String) -> Result<&'a mut Value, String> {
    for part in parts {
        if node.is_null() {
            *node = if number(part).is_some() {
                Value::Array(Vec::new())
            } else {
                Value::Object(Default::default())
            };
        }
        node = match (node, number(part)) {
            (Value::Array(list), Some(index)) => {
                at.push_str(&format!("[{index}]"));
                if index == list.len() {
                    list.push(Value::Null);
                }
                let length = list.len();
                list.get_mut(index).ok_or_else(|| format!("the list has {length} entries, counted from 0"))?
            }
            (Value::Object(members), _) => {
                if !at.is_empty() {
                    at.push('.');
                }
                at.push_str(part);
                members.entry(part.as_str()).or_insert(Value::Null)
            }
            (Value::Array(_), None) => return Err(format!("is a list: a number is due, not {part}")),
            _ => return Err(format!("is a value and has no {part}")),
        };
    }
    Ok(node)
}

fn number(part: &str) -> Option<usize> {
    part.parse().ok().filter(|_| part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether one path is the other or below it.
fn is_within(path: &str, above: &str) -> bool {
    path.strip_prefix(above)
        .is_some_and(|rest| above.is_empty() || rest.is_empty() || rest.starts_with(['.', '[']))
}

#[cfg(test)]
mod tests;
