//! What does an entry of `tools/list` say of its tool?

use std::fmt;

use crate::mcp::strict::{Fault, Kind, Rigour, Scanner};
use crate::rows;

/// Names a tool of a server: the first 128 bits of SHA-256 over both names.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ToolTag(pub(super) [u8; 16]);

/// A tool as it was last listed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// The first 128 bits of SHA-256 over the entry's bytes: another entry, or the same written otherwise, has another.
    pub digest: [u8; 16],
    /// `annotations.readOnlyHint` is `true` (schema of MCP, `ToolAnnotations`); anything else is not.
    pub read_only: bool,
    /// That a call may be made twice: it is read-only, or `annotations.idempotentHint` is `true`.
    pub repeatable: bool,
}

// === impl ToolTag ===

impl ToolTag {
    /// What `server` calls `name`.
    pub fn of(server: &str, name: &str) -> Self {
        Self(rows::name(b"tool", &[server.as_bytes(), name.as_bytes()]))
    }
}

impl fmt::Debug for ToolTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ToolTag({:032x})", u128::from_be_bytes(self.0))
    }
}

// === impl Listed ===

impl Listed {
    /// Reads one entry, a JSON object. Where its annotations could be read in two ways none of them counts.
    pub fn read(entry: &[u8]) -> Self {
        let hints = hints(entry).unwrap_or_default();
        let repeatable = hints.read_only || hints.idempotent;
        Self { digest: rows::name(b"entry", &[entry]), read_only: hints.read_only, repeatable }
    }
}

impl fmt::Debug for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digest = u128::from_be_bytes(self.digest);
        let (read_only, repeatable) = (self.read_only, self.repeatable);
        write!(f, "Listed({digest:032x}, read_only: {read_only}, repeatable: {repeatable})")
    }
}

/// What a server says of a tool.
#[derive(Default)]
struct Hints {
    read_only: bool,
    idempotent: bool,
}

fn hints(entry: &[u8]) -> Result<Hints, Fault> {
    let mut scanner = Scanner::new(entry, Scanner::ANSWER_DEPTH, Rigour::WhereRead)?;
    let mut hints = Hints::default();
    if !scanner.at_object() {
        return Ok(hints);
    }
    scanner.object(&["annotations"], &mut |scanner, key| {
        if !key.says("annotations") || !scanner.at_object() {
            return scanner.skip();
        }
        scanner.object(&["readOnlyHint", "idempotentHint"], &mut |scanner, key| {
            let value = scanner.value()?;
            let says = matches!(value.kind, Kind::Bool(true));
            if key.says("readOnlyHint") {
                hints.read_only = says;
            } else if key.says("idempotentHint") {
                hints.idempotent = says;
            }
            Ok(())
        })?;
        Ok(())
    })?;
    scanner.end()?;
    Ok(hints)
}

#[cfg(test)]
mod tests {
    use super::{Listed, ToolTag};

    #[test]
    fn only_a_plain_true_is_read_only() {
        for (entry, read_only) in [
            (r#"{"name":"a","annotations":{"readOnlyHint":true}}"#, true),
            (r#"{"name":"a","annotations":{"title":"x","readOnlyHint":true,"destructiveHint":false}}"#, true),
            (r#"{"name":"a","annotations":{"readOnlyHint":false}}"#, false),
            (r#"{"name":"a","annotations":{"readOnlyHint":"true"}}"#, false),
            (r#"{"name":"a","annotations":{"readOnlyHint":1}}"#, false),
            (r#"{"name":"a","annotations":[{"readOnlyHint":true}]}"#, false),
            (r#"{"name":"a","annotations":null}"#, false),
            (r#"{"name":"a","readOnlyHint":true}"#, false),
            (r#"{"name":"a","_meta":{"annotations":{"readOnlyHint":true}}}"#, false),
            (r#"{"name":"a"}"#, false),
            (r#"{"annotations":{"readOnlyHint":true,"readOnlyHint":true}}"#, false),
            (r#"{"annotations":{"readOnlyHint":true},"annotations":{}}"#, false),
            (r#"{"annotations":{"readOnlyHint":true},"Annotations":{}}"#, false),
            (r#"{"annotations":{"readOnlyHint":true}"#, false),
            ("[]", false),
            ("", false),
        ] {
            assert_eq!(Listed::read(entry.as_bytes()).read_only, read_only, "{entry}");
        }
    }

    #[test]
    fn what_may_be_called_twice_says_so_or_reads_only() {
        for (annotations, read_only, repeatable) in [
            (r#"{"idempotentHint":true}"#, false, true),
            (r#"{"idempotentHint":true,"readOnlyHint":false,"destructiveHint":true}"#, false, true),
            (r#"{"readOnlyHint":true}"#, true, true),
            (r#"{"idempotentHint":false,"readOnlyHint":true}"#, true, true),
            (r#"{"idempotentHint":"true"}"#, false, false),
            (r#"{"idempotentHint":true,"idempotentHint":true}"#, false, false),
            (r#"{"idempotentHint":true,"IdempotentHint":false}"#, false, false),
            ("{}", false, false),
        ] {
            let entry = format!(r#"{{"name":"a","annotations":{annotations}}}"#);
            let listed = Listed::read(entry.as_bytes());
            assert_eq!((listed.read_only, listed.repeatable), (read_only, repeatable), "{entry}");
        }
    }

    #[test]
    fn every_tool_has_a_tag_and_every_entry_a_digest() {
        assert_ne!(ToolTag::of("a", "bc"), ToolTag::of("ab", "c"));
        assert_ne!(Listed::read(b"{}").digest, Listed::read(b"{ }").digest);
    }
}
