//! What is an element of a list called?

use std::borrow::Cow;
use std::ops::Range;

use crate::mcp::jsonrpc::MAX_TARGET_BYTES;
use crate::mcp::strict::{Fault, Kind, Scanner, Value};

/// Reads one element of a list; the name is `None` if there is none that could be compared.
pub(super) fn element(scanner: &mut Scanner<'_>, key: &str) -> Result<(Range<usize>, Option<String>), Fault> {
    if !scanner.at_object() {
        return Ok((scanner.value()?.span, None));
    }
    let mut name = None;
    let span = scanner.object(&[key], &mut |scanner, found| {
        let value = scanner.value()?;
        if found.says(key) {
            name = readable(&value);
        }
        Ok(())
    })?;
    Ok((span, name))
}

/// A text that every reader reads alike, and no longer than a request could name.
pub(in crate::sanitize) fn readable(value: &Value<'_>) -> Option<String> {
    match value.kind {
        Kind::Text(text) if !text.is_lone() => {
            Some(text.decode().into_owned()).filter(|name| name.len() <= MAX_TARGET_BYTES)
        }
        _ => None,
    }
}

pub(super) fn text_of(kind: Kind<'_>) -> Option<Cow<'_, str>> {
    match kind {
        Kind::Text(text) => Some(text.decode()),
        _ => None,
    }
}
