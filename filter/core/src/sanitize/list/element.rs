//! What is an element of a list called?

use std::borrow::Cow;
use std::ops::Range;

use crate::mcp::jsonrpc::MAX_TARGET_BYTES;
use crate::mcp::strict::{Fault, Kind, Scanner, Value};

/// What is read of one element of a list.
#[derive(Default)]
pub(super) struct Element {
    pub(super) span: Range<usize>,
    /// `None` if there is none that could be compared.
    pub(super) name: Option<String>,
    /// `inputSchema` and `outputSchema`.
    pub(super) schemas: [Option<Range<usize>>; 2],
}

/// Reads one element of a list.
pub(super) fn element(scanner: &mut Scanner<'_>, key: &str) -> Result<Element, Fault> {
    if !scanner.at_object() {
        return Ok(Element { span: scanner.value()?.span, ..Element::default() });
    }
    let (mut name, mut schemas) = (None, [None, None]);
    let span = scanner.object(&[key], &mut |scanner, found| {
        let value = scanner.value()?;
        let [input, output] = &mut schemas;
        // One that stands twice is none that all read alike, and reads like none that could be used.
        let put = |into: &mut Option<Range<usize>>, span: Range<usize>| {
            *into = Some(if into.is_some() { 0..0 } else { span });
        };
        if found.says(key) {
            name = readable(&value);
        } else if found.says("inputSchema") {
            put(input, value.span);
        } else if found.says("outputSchema") {
            put(output, value.span);
        }
        Ok(())
    })?;
    Ok(Element { span, name, schemas })
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
