//! Is this one JSON text, exactly as RFC 8259 has it, and where do its values stand?
//!
//! A scanner of our own and not serde, because it must refuse what parsers disagree about: repeated keys, keys that
//! differ in letter case only, lone surrogates, text after the end. It builds no tree: the caller drives it through
//! the levels it reads, everything else is checked and stepped over, in one pass.

mod text;
mod token;

use std::ops::Range;

use crate::denial::Denial;
use crate::order;

pub use text::Text;

/// Why a text is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not JSON as RFC 8259 has it.
    NotJson(&'static str),
    /// JSON, but two readers may understand it differently, or it is beyond a bound.
    Refused(&'static str),
}

/// How much is asked of the parts that the caller does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rigour {
    /// Everything, at every level: for requests, whose bytes are forwarded after a decision about them.
    EveryLevel,
    /// Grammar everywhere; repeated keys and lone surrogates only where the caller reads. For answers: real servers
    /// emit half emoji in texts, and nothing is decided on those.
    WhereRead,
    /// The same, and `NaN`, `Infinity` and `-Infinity` are values, as Python writes them: for JSON within a text, which no
    /// reader of the message reads.
    WithinText,
}

/// One value that was stepped over or read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value<'a> {
    /// What it is.
    pub kind: Kind<'a>,
    /// Its bytes, without the white space around it.
    pub span: Range<usize>,
}

/// The kinds of JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// A string.
    Text(Text<'a>),
    /// A number, as written.
    Number(&'a str),
    /// An object.
    Object,
    /// An array.
    Array,
    /// `true` or `false`.
    Bool(bool),
    /// `null`.
    Null,
}

/// Reads one JSON text from front to back. Every call consumes exactly one value.
pub struct Scanner<'a> {
    text: &'a str,
    at: usize,
    levels_left: u16,
    rigour: Rigour,
    open_keys: Vec<Text<'a>>,
    flaw: Option<&'static str>,
}

/// Called for each member of an object with its key; must consume the value.
pub type OnMember<'a, 'f> = &'f mut dyn FnMut(&mut Scanner<'a>, Text<'a>) -> Result<(), Fault>;

/// Called for each element of an array with its index; must consume the value.
pub type OnElement<'a, 'f> = &'f mut dyn FnMut(&mut Scanner<'a>, usize) -> Result<(), Fault>;

// === impl Fault ===

impl From<Fault> for Denial {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::NotJson(what) => Self::ParseError(what),
            Fault::Refused(what) => Self::InvalidRequest(what),
        }
    }
}

// === impl Scanner ===

impl<'a> Scanner<'a> {
    /// How deep arrays and objects of a request may nest.
    pub const REQUEST_DEPTH: u16 = 64;
    /// How deep those of an answer may: schemas nest further than arguments, and `serde_json` stops here too.
    pub const ANSWER_DEPTH: u16 = 128;
    /// How many keys may be remembered at one time, over all open objects: bounds memory and the search for repeats.
    pub const MAX_OPEN_KEYS: usize = 65_536;
    /// Up to how many keys are compared pair by pair; more are sorted first.
    const FEW_KEYS: usize = 12;

    /// Starts at the beginning of `bytes`; at most `depth` levels may nest.
    ///
    /// # Errors
    /// Not UTF-8, or begun by a byte order mark (RFC 8259 section 8.1).
    pub fn new(bytes: &'a [u8], depth: u16, rigour: Rigour) -> Result<Self, Fault> {
        let text = std::str::from_utf8(bytes).map_err(|_| Fault::NotJson("not UTF-8"))?;
        if text.starts_with('\u{feff}') {
            return Err(Fault::NotJson("a byte order mark"));
        }
        Ok(Self { text, at: 0, levels_left: depth, rigour, open_keys: Vec::new(), flaw: None })
    }

    /// Steps over the next value, whatever it is, and says what it was.
    ///
    /// # Errors
    /// What is there is not one value, or is beyond a bound.
    pub fn value(&mut self) -> Result<Value<'a>, Fault> {
        let start = self.begin();
        let kind = match self.peek() {
            Some(b'"') => Kind::Text(self.string()?),
            Some(b'{') => {
                self.members(None, &mut |scanner, _| scanner.skip())?;
                Kind::Object
            }
            Some(b'[') => {
                self.array(&mut |scanner, _| scanner.skip())?;
                Kind::Array
            }
            Some(b'-' | b'I' | b'N') if self.named_number() => Kind::Null,
            Some(b'-' | b'0'..=b'9') => Kind::Number(self.number()?),
            Some(b't') => self.literal("true", Kind::Bool(true))?,
            Some(b'f') => self.literal("false", Kind::Bool(false))?,
            Some(b'n') => self.literal("null", Kind::Null)?,
            _ => return Err(Fault::NotJson("a value is missing")),
        };
        Ok(Value { kind, span: start..self.at })
    }

    /// Steps over the next value.
    ///
    /// # Errors
    /// As [`Scanner::value`].
    pub fn skip(&mut self) -> Result<(), Fault> {
        self.value().map(|_| ())
    }

    /// Whether an object comes next.
    pub fn at_object(&mut self) -> bool {
        self.begin();
        self.peek() == Some(b'{')
    }

    /// Whether an array comes next.
    pub fn at_array(&mut self) -> bool {
        self.begin();
        self.peek() == Some(b'[')
    }

    /// Reads an object whose keys `known` mean something to the caller: repeated keys, and keys that differ from a known
    /// one in letter case only, are flaws whatever the rigour. Gives its span.
    ///
    /// # Errors
    /// No object stands here, or a fault inside.
    pub fn object(&mut self, known: &[&str], on_member: OnMember<'a, '_>) -> Result<Range<usize>, Fault> {
        let start = self.begin();
        self.members(Some(known), on_member)?;
        Ok(start..self.at)
    }

    /// Reads an object of which no key means anything by its place alone: with [`Rigour::WhereRead`] repeats pass. Gives its
    /// span.
    ///
    /// # Errors
    /// No object stands here, or a fault inside.
    pub fn every_member(&mut self, on_member: OnMember<'a, '_>) -> Result<Range<usize>, Fault> {
        let start = self.begin();
        self.members(None, on_member)?;
        Ok(start..self.at)
    }

    /// Where a text that this scanner gave stands, from its first quote on.
    pub fn place_of(&self, text: Text<'a>) -> usize {
        // Both are parts of one text, so the difference of their addresses is one of places in it.
        (text.raw().as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize).saturating_sub(1)
    }

    /// Reads an array. Gives its span.
    ///
    /// # Errors
    /// No array stands here, or a fault inside.
    pub fn array(&mut self, on_element: OnElement<'a, '_>) -> Result<Range<usize>, Fault> {
        let start = self.begin();
        self.expect(b'[', "an array is missing")?;
        self.descend()?;
        self.begin();
        if !self.take(b']') {
            let mut index = 0;
            loop {
                on_element(self, index)?;
                index += 1;
                self.begin();
                if self.take(b']') {
                    break;
                }
                self.expect(b',', "no comma or bracket after an element")?;
            }
        }
        self.levels_left += 1;
        Ok(start..self.at)
    }

    /// Says that the caller has seen something that must be refused, but that reading may go on (so that the id of a
    /// request can still be found). The first flaw counts.
    pub fn blame(&mut self, what: &'static str) {
        self.flaw.get_or_insert(what);
    }

    /// Whether nothing but white space is left.
    pub fn at_end(&mut self) -> bool {
        self.begin() >= self.text.len()
    }

    /// Must be called last: nothing may follow the value.
    ///
    /// # Errors
    /// Something follows, or a flaw was seen on the way.
    pub fn end(mut self) -> Result<(), Fault> {
        self.begin();
        if self.at < self.text.len() {
            return Err(Fault::NotJson("text after the end"));
        }
        self.flaw.map_or(Ok(()), |what| Err(Fault::Refused(what)))
    }

    fn members(&mut self, known: Option<&[&str]>, on_member: OnMember<'a, '_>) -> Result<(), Fault> {
        self.expect(b'{', "an object is missing")?;
        self.descend()?;
        let frame = self.open_keys.len();
        let remembers = known.is_some() || self.rigour == Rigour::EveryLevel;
        self.begin();
        if !self.take(b'}') {
            loop {
                self.begin();
                let key = self.string()?;
                if remembers {
                    self.remember(key, known.unwrap_or(&[]))?;
                }
                self.begin();
                self.expect(b':', "no colon after a key")?;
                on_member(self, key)?;
                self.begin();
                if self.take(b'}') {
                    break;
                }
                self.expect(b',', "no comma or brace after a member")?;
            }
        }
        self.levels_left += 1;
        self.forget(frame);
        Ok(())
    }

    fn remember(&mut self, key: Text<'a>, known: &[&str]) -> Result<(), Fault> {
        if self.open_keys.len() >= Self::MAX_OPEN_KEYS {
            return Err(Fault::Refused("too many members"));
        }
        if key.is_lone() {
            self.blame("a lone surrogate in a key");
        }
        if known.iter().any(|k| key.is_variant_of(k)) {
            self.blame("a key that differs from a known one in letter case only");
        }
        self.open_keys.push(key);
        Ok(())
    }

    /// Looks for repeats among the keys of the object that ends here. Few are compared pair by pair; many are sorted,
    /// which costs a bounded number of passes over their bytes and, unlike hashing, has no bad case to aim at.
    fn forget(&mut self, frame: usize) {
        let keys = self.open_keys.get(frame..).unwrap_or_default();
        let repeated = if keys.len() <= Self::FEW_KEYS {
            let mut rest: &[Text<'a>] = keys;
            let mut found = false;
            while let Some((key, others)) = rest.split_first() {
                found |= others.contains(key);
                rest = others;
            }
            found
        } else {
            order::repeats(keys)
        };
        self.open_keys.truncate(frame);
        if repeated {
            self.blame("a repeated key");
        }
    }

    fn descend(&mut self) -> Result<(), Fault> {
        self.levels_left = self.levels_left.checked_sub(1).ok_or(Fault::Refused("nested too deeply"))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
