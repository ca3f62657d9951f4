//! Which patterns of one's own are looked for? Regular expressions in linear time, where the module has them (feature
//! `regex`).

use std::ops::Range;

/// A pattern of the configuration.
#[derive(Clone, Debug)]
pub struct Regex {
    /// Its name in marks and records.
    pub name: String,
    pattern: String,
    #[cfg(feature = "regex")]
    compiled: regex::bytes::Regex,
}

/// The most that one compiled pattern may take, bytes.
#[cfg(feature = "regex")]
const MAX_COMPILED: usize = 256 << 10;
/// The longest pattern, bytes.
#[cfg(feature = "regex")]
const MAX_PATTERN: usize = 1024;

// === impl Regex ===

impl Regex {
    /// Whether this build has them.
    pub const SUPPORTED: bool = cfg!(feature = "regex");

    /// Compiles `pattern` (the syntax of the crate `regex`, of ASCII classes).
    ///
    /// # Errors
    /// What is wrong with it: one phrase.
    #[cfg(feature = "regex")]
    pub fn compile(name: &str, pattern: &str) -> Result<Self, String> {
        if pattern.len() > MAX_PATTERN {
            return Err(format!("at most {MAX_PATTERN} bytes"));
        }
        if asks_for_unicode(pattern) {
            return Err("there are no classes of Unicode (`(?u)`), only of ASCII".to_owned());
        }
        let compiled = regex::bytes::RegexBuilder::new(pattern)
            .unicode(false)
            .size_limit(MAX_COMPILED)
            .dfa_size_limit(MAX_COMPILED)
            .build()
            .map_err(|error| error.to_string().lines().last().unwrap_or_default().trim().to_owned())?;
        if compiled.is_match(b"") {
            return Err("it matches nothing at all, so it would match everywhere".to_owned());
        }
        Ok(Self { name: name.to_owned(), pattern: pattern.to_owned(), compiled })
    }

    /// Compiles nothing: this build has no regular expressions.
    ///
    /// # Errors
    /// Always.
    #[cfg(not(feature = "regex"))]
    pub fn compile(_name: &str, _pattern: &str) -> Result<Self, String> {
        Err("this module is built without regular expressions (feature `regex`)".to_owned())
    }

    /// Where it matches, from the left, without overlaps.
    #[cfg(feature = "regex")]
    pub(crate) fn find(&self, text: &str, mut on_match: impl FnMut(Range<usize>)) {
        for found in self.compiled.find_iter(text.as_bytes()) {
            // Between bytes of one character is no place to cut.
            if text.is_char_boundary(found.start()) && text.is_char_boundary(found.end()) {
                on_match(found.range());
            } else {
                let widen = |at: usize, up: bool| {
                    let mut at = at;
                    while !text.is_char_boundary(at) {
                        at = if up { at + 1 } else { at.saturating_sub(1) };
                    }
                    at
                };
                on_match(widen(found.start(), false)..widen(found.end(), true));
            }
        }
    }

    #[cfg(not(feature = "regex"))]
    pub(crate) fn find(&self, _text: &str, _on_match: impl FnMut(Range<usize>)) {}
}

/// Whether a group of flags, `(?u)` or `(?i-s:…)`, switches the classes of Unicode on. Which of these there are hangs on how a
/// program was built, the command line or the module.
#[cfg(feature = "regex")]
fn asks_for_unicode(pattern: &str) -> bool {
    pattern.match_indices("(?").any(|(at, _)| {
        let (before, group) = pattern.split_at(at);
        let escaped = before.len() - before.trim_end_matches('\\').len();
        let mut flags = group.chars().skip("(?".len()).take_while(char::is_ascii_alphabetic);
        escaped.is_multiple_of(2) && flags.any(|flag| flag == 'u')
    })
}

impl PartialEq for Regex {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.pattern == other.pattern
    }
}

impl Eq for Regex {}
