//! Do the data documents stand where no rules are, and is what is read of them there?

use serde_json::{Map, Value};

use crate::policy::rego::arguments::value_of;
use crate::policy::rego::packed::MOST_DATA;

/// The documents as they travel; `None` where there are none.
///
/// # Errors
/// One phrase: they stand where a package has its rules, are too large or too deep.
pub(super) fn pack(data: &Map<String, Value>, packages: &[String]) -> Result<Option<String>, String> {
    if data.is_empty() {
        return Ok(None);
    }
    if let Some(package) = packages.iter().find(|package| overlaps(data, package)) {
        return Err(format!("the data documents hold `data.{package}`, where the rules of that package are"));
    }
    // Keys in one order, so that one policy is always the same bytes.
    let text = Value::Object(data.clone()).to_string();
    if text.len() > MOST_DATA {
        return Err(format!("the data documents have {} bytes, and {MOST_DATA} are the most", text.len()));
    }
    if value_of(&text).is_none() {
        return Err("the data documents nest too deep".to_owned());
    }
    Ok(Some(text))
}

/// Whether a document says something of a package, or of what it lies in.
fn overlaps(data: &Map<String, Value>, package: &str) -> bool {
    let mut here = data;
    for step in package.split('.') {
        match here.get(step) {
            None => return false,
            Some(Value::Object(below)) => here = below,
            Some(_) => return true,
        }
    }
    true
}

/// Whether there is something at `path`. OPA would answer a slip of the pen with undefined, which `not` takes for yes.
///
/// # Errors
/// What is there instead.
pub(super) fn known(data: &Map<String, Value>, path: &[String]) -> Result<(), String> {
    let Some((first, rest)) = path.split_first() else { return Ok(()) };
    if data.is_empty() {
        return Err(
            "there are no data documents here; name them in `data`, or write them into a rule".to_owned()
        );
    }
    let mut here = data.get(first);
    for step in rest {
        here = match here {
            Some(Value::Object(members)) => members.get(step),
            _ => None,
        };
    }
    match here {
        Some(_) => Ok(()),
        None => Err(format!("there is no `data.{}` in the data documents", path.join("."))),
    }
}
