//! What is an entry of `tools/list` like? Its digest, and the characters in it that nobody sees.

use std::ops::Range;

use super::canonical::{Passage, canonical};
use super::digest::Digest;
use crate::characters;

/// The longest entry that is digested, in bytes: the largest of public servers are a tenth of it.
pub const MAX_ENTRY_BYTES: usize = 256 * 1024;

/// An entry, examined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Examined {
    /// `None` for what readers may read differently, and for what is longer than [`MAX_ENTRY_BYTES`].
    pub digest: Option<Digest>,
    /// What hidden characters there are.
    pub hidden: Hidden,
}

/// The hidden characters of an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hidden {
    /// Whether there is any.
    pub any: bool,
    /// Whether one stands where taking it out would change what is called: in a name, a key, a value that is allowed.
    pub beyond_prose: bool,
    /// Those in titles and descriptions, with the commands to a terminal that they begin: bytes of the entry, in order.
    pub prose: Vec<Range<usize>>,
}

/// Examines one entry as it stands in the answer, `entry` being its JSON and nothing else.
pub fn examine(entry: &[u8]) -> Examined {
    if entry.len() > MAX_ENTRY_BYTES {
        return Examined::default();
    }
    let mut hidden = Hidden::default();
    let bytes = canonical(entry, &mut |passage| hidden.look_at(passage));
    Examined { digest: bytes.ok().map(|bytes| Digest::of(&bytes)), hidden }
}

// === impl Hidden ===

impl Hidden {
    fn look_at(&mut self, passage: &Passage<'_>) {
        let raw = passage.text.raw();
        if raw.is_ascii() && !raw.contains('\\') {
            return;
        }
        let said = passage.text.decode();
        let hidden = characters::hidden(&said);
        if hidden.is_empty() {
            return;
        }
        self.any = true;
        if !passage.member.is_some_and(|key| key.says("title") || key.says("description")) {
            self.beyond_prose = true;
            return;
        }
        let mut rest = hidden.into_iter().peekable();
        let mut at = 0;
        for (range, c) in passage.text.places() {
            while rest.next_if(|hidden| hidden.end <= at).is_some() {}
            if rest.peek().is_some_and(|hidden| hidden.contains(&at)) {
                self.prose.push(passage.at + range.start..passage.at + range.end);
            }
            at += c.len_utf8();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without(entry: &str) -> String {
        let mut out = entry.to_owned();
        for range in examine(entry.as_bytes()).hidden.prose.into_iter().rev() {
            out.replace_range(range, "");
        }
        out
    }

    #[test]
    fn hidden_characters_are_found_however_they_are_written() {
        for (entry, left) in [
            (r#"{"name":"a","description":"x\u200by"}"#, r#"{"name":"a","description":"xy"}"#),
            ("{\"description\":\"x\u{202e}y\"}", r#"{"description":"xy"}"#),
            (r#"{"description":"\udb40\udc41z"}"#, r#"{"description":"z"}"#),
            (r#"{"description":"\u001b[1;31mred\u001b[0m [x]"}"#, r#"{"description":"red [x]"}"#),
            (r#"{"description":"\u001b]0;x\u0007y"}"#, r#"{"description":"y"}"#),
            (
                r#"{"inputSchema":{"properties":{"a":{"title":"\u0007b"}}}}"#,
                r#"{"inputSchema":{"properties":{"a":{"title":"b"}}}}"#,
            ),
        ] {
            let hidden = examine(entry.as_bytes()).hidden;
            assert!(hidden.any && !hidden.beyond_prose, "{entry}");
            assert_eq!(without(entry), left);
            assert!(!examine(left.as_bytes()).hidden.any, "{left}");
        }
        for entry in [
            r#"{"name":"a\u200b"}"#,
            r#"{"inputSchema":{"properties":{"a\u200b":{}}}}"#,
            r#"{"inputSchema":{"properties":{"a":{"enum":["\u200b"]}}}}"#,
            r#"{"title":{"x":"\u200b"}}"#,
        ] {
            let hidden = examine(entry.as_bytes()).hidden;
            assert!(hidden.any && hidden.beyond_prose && hidden.prose.is_empty(), "{entry}");
        }
        let plain = examine(r#"{"name":"é","description":"a\n\tb \"c\" \\u200b ❤️"}"#.as_bytes());
        assert_eq!(plain.hidden, Hidden::default());
    }

    #[test]
    fn what_is_too_long_or_ambiguous_has_no_digest() {
        let of = |bytes: usize| format!(r#"{{"name":"{}"}}"#, "a".repeat(bytes - 11));
        assert!(examine(of(MAX_ENTRY_BYTES).as_bytes()).digest.is_some());
        assert!(examine(of(MAX_ENTRY_BYTES + 1).as_bytes()).digest.is_none());
        assert!(examine(br#"{"name":"a","title":"b","title":"c"}"#).digest.is_none());
        let known = "2d4c1b3c";
        assert_ne!(examine(br#"{"name":"a"}"#).digest.unwrap().to_string().get(..8), Some(known));
    }
}
