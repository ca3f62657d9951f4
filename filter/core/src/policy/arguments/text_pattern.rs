//! Does a text match a regular expression, in time that grows with its length alone?

/// A compiled regular expression.
#[derive(Clone)]
pub struct TextPattern {
    text: String,
    #[cfg(feature = "regex")]
    within: regex::Regex,
    #[cfg(feature = "regex")]
    whole: regex::Regex,
}

/// The longest text that is compared, bytes. A longer one matches nothing, clearly.
pub const MAX_TEXT: usize = 16 << 10;
/// How large a compiled expression may become, bytes: each of its states may be tried at each character.
const MAX_COMPILED: usize = 64 << 10;
/// The same for one that stands in a schema.
const MAX_OF_SCHEMA: usize = 16 << 10;

// === impl TextPattern ===

impl TextPattern {
    /// Compiles `text`.
    ///
    /// # Errors
    /// What is wrong with it, or that this build has no regular expressions.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::compiled(text, MAX_COMPILED)
    }

    #[cfg(feature = "regex")]
    fn compiled(written: &str, size: usize) -> Result<Self, String> {
        let compile = |text: &str| {
            let built =
                regex::RegexBuilder::new(text).size_limit(size).dfa_size_limit(size).nest_limit(50).build();
            built.map_err(|fault| {
                let fault = fault.to_string();
                let why = fault.lines().last().unwrap_or_default().trim();
                format!("is no regular expression that can be used: {}", why.trim_start_matches("error: "))
            })
        };
        let text = &of_ascii(written)?;
        let within = compile(text)?;
        // By itself first, so that no parenthesis of it closes this one.
        let whole = compile(&format!("^(?:{text})$"))?;
        Ok(Self { text: written.to_owned(), within, whole })
    }

    #[cfg(not(feature = "regex"))]
    fn compiled(_text: &str, _size: usize) -> Result<Self, String> {
        Err("needs the module with regular expressions, which this one is not".to_owned())
    }

    /// The same of a pattern that a server wrote: smaller, because nobody here has looked at it. `None` where it cannot be
    /// used.
    pub(crate) fn of_schema(text: &str) -> Option<Self> {
        if text.len() > MAX_OF_SCHEMA { None } else { Self::compiled(text, MAX_OF_SCHEMA).ok() }
    }

    /// As the configuration writes it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether all of `text` matches, or, with `anywhere`, some part of it; an error where it is too long to say.
    pub(super) fn matches(&self, text: &str, anywhere: bool) -> Result<bool, ()> {
        if text.len() > MAX_TEXT {
            return Err(());
        }
        Ok(self.finds(text, anywhere))
    }

    #[cfg(feature = "regex")]
    pub(crate) fn finds(&self, text: &str, anywhere: bool) -> bool {
        if anywhere { self.within.is_match(text) } else { self.whole.is_match(text) }
    }

    #[cfg(not(feature = "regex"))]
    #[expect(clippy::unused_self, reason = "there is none in this build")]
    pub(crate) fn finds(&self, _text: &str, _anywhere: bool) -> bool {
        false
    }
}

/// The expression with its classes of digits, words and spaces, and the edges of words, in ASCII, as JSON Schema (ECMA-262)
/// means them: other digits and letters are no way around a rule. Classes by properties of Unicode there are none.
#[cfg(feature = "regex")]
fn of_ascii(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let escaped = if c == '\\' { chars.next() } else { None };
        match escaped {
            None => out.push(c),
            Some('d') => out.push_str("[0-9]"),
            Some('D') => out.push_str("[^0-9]"),
            Some('w') => out.push_str("[0-9A-Za-z_]"),
            Some('W') => out.push_str("[^0-9A-Za-z_]"),
            Some('s') => out.push_str("[\\t\\n\\v\\f\\r ]"),
            Some('S') => out.push_str("[^\\t\\n\\v\\f\\r ]"),
            Some('b') => out.push_str("(?-u:\\b)"),
            Some('B') => out.push_str("(?-u:\\B)"),
            // Which of these there are hangs on how a program was built, the command line or the module.
            Some('p' | 'P' | '<' | '>') => {
                return Err(
                    "is no regular expression that can be used: it names a class of Unicode".to_owned()
                );
            }
            Some(other) => out.extend([c, other]),
        }
    }
    Ok(out)
}

impl std::fmt::Debug for TextPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("TextPattern").field(&self.text).finish()
    }
}

impl PartialEq for TextPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for TextPattern {}
