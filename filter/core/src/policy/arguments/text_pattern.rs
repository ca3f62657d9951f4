//! Does a text match a regular expression, in time that grows with its length alone?

/// A compiled regular expression.
#[derive(Clone)]
pub struct TextPattern {
    text: String,
    #[cfg(feature = "regex")]
    within: regex_lite::Regex,
    #[cfg(feature = "regex")]
    whole: regex_lite::Regex,
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
    fn compiled(text: &str, size: usize) -> Result<Self, String> {
        let compile = |text: &str| {
            let built = regex_lite::RegexBuilder::new(text).size_limit(size).nest_limit(50).build();
            built.map_err(|fault| format!("is no regular expression that can be used: {fault}"))
        };
        let within = compile(text)?;
        // By itself first, so that no parenthesis of it closes this one.
        let whole = compile(&format!("^(?:{text})$"))?;
        Ok(Self { text: text.to_owned(), within, whole })
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
