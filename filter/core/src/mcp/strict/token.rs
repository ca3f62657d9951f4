//! Which token stands here? The grammar of RFC 8259 sections 6 and 7, byte by byte.

use super::{Fault, Kind, Rigour, Scanner, Text, text};

// === impl Scanner ===

impl<'a> Scanner<'a> {
    pub(super) fn string(&mut self) -> Result<Text<'a>, Fault> {
        self.expect(b'"', "a string is missing")?;
        let start = self.at;
        let (mut escaped, mut lone) = (false, false);
        loop {
            let ordinary = text::ordinary_prefix(self.rest());
            self.at += ordinary;
            match self.bump() {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    lone |= self.escape()?;
                }
                Some(_) => return Err(Fault::NotJson("a control character in a string")),
                None => return Err(Fault::NotJson("a string without an end")),
            }
        }
        if lone && self.rigour == Rigour::EveryLevel {
            return Err(Fault::NotJson("a lone surrogate"));
        }
        Ok(Text::new(self.slice(start, self.at - 1), escaped, lone))
    }

    /// After a backslash. Says whether it was half of a surrogate pair without the other half.
    fn escape(&mut self) -> Result<bool, Fault> {
        match self.bump() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(false),
            Some(b'u') => match self.hex()? {
                0xDC00..=0xDFFF => Ok(true),
                0xD800..=0xDBFF => {
                    let pair = text::low_surrogate_escape(self.rest());
                    self.at += if pair { 6 } else { 0 };
                    Ok(!pair)
                }
                _ => Ok(false),
            },
            _ => Err(Fault::NotJson("an unknown escape")),
        }
    }

    fn hex(&mut self) -> Result<u16, Fault> {
        let unit = text::hex_unit(self.rest()).ok_or(Fault::NotJson("a broken escape"))?;
        self.at += 4;
        Ok(unit)
    }

    pub(super) fn number(&mut self) -> Result<&'a str, Fault> {
        let start = self.at;
        let _ = self.take(b'-');
        if !self.take(b'0') && self.digits() == 0 {
            return Err(Fault::NotJson("a number without digits"));
        }
        if self.take(b'.') && self.digits() == 0 {
            return Err(Fault::NotJson("a fraction without digits"));
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            if self.digits() == 0 {
                return Err(Fault::NotJson("an exponent without digits"));
            }
        }
        let number = self.slice(start, self.at);
        if self.rigour == Rigour::EveryLevel && !text::fits_double(number) {
            return Err(Fault::NotJson("a number out of range"));
        }
        Ok(number)
    }

    /// Steps over a number that JSON has no word for, where these pass.
    pub(super) fn named_number(&mut self) -> bool {
        let word =
            ["NaN", "Infinity", "-Infinity"].iter().find(|word| self.rest().starts_with(word.as_bytes()));
        let passes = word.filter(|_| self.rigour == Rigour::WithinText);
        self.at += passes.map_or(0, |word| word.len());
        passes.is_some()
    }

    fn digits(&mut self) -> usize {
        let count = self.rest().iter().take_while(|b| b.is_ascii_digit()).count();
        self.at += count;
        count
    }

    pub(super) fn literal(&mut self, word: &str, kind: Kind<'a>) -> Result<Kind<'a>, Fault> {
        if !self.rest().starts_with(word.as_bytes()) {
            return Err(Fault::NotJson("an unknown word"));
        }
        self.at += word.len();
        Ok(kind)
    }

    /// Steps over white space; gives the place where the next token begins.
    pub(super) fn begin(&mut self) -> usize {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
        self.at
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn bump(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    pub(super) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, byte: u8, otherwise: &'static str) -> Result<(), Fault> {
        if self.take(byte) { Ok(()) } else { Err(Fault::NotJson(otherwise)) }
    }

    /// Bounds are always at ASCII bytes that were seen, hence on character boundaries.
    fn slice(&self, start: usize, end: usize) -> &'a str {
        self.text.get(start..end).unwrap_or_default()
    }
}
