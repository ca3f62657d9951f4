//! What does a JSON string say once its escapes are read, and does it say the same as another?

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::Range;

/// The inside of a string literal that the scanner has found sound.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    raw: &'a str,
    escaped: bool,
    lone: bool,
}

/// The characters of a [`Text`], escapes read.
struct Decoded<'a>(std::str::Chars<'a>);

// === impl Text ===

impl<'a> Text<'a> {
    pub(super) fn new(raw: &'a str, escaped: bool, lone: bool) -> Self {
        Self { raw, escaped, lone }
    }

    /// As written, escapes and all, without the quotes.
    pub fn raw(&self) -> &'a str {
        self.raw
    }

    /// Whether it holds half a surrogate pair, which no Unicode text can hold.
    pub fn is_lone(&self) -> bool {
        self.lone
    }

    /// What it says. Copies only where an escape stands. A lone surrogate reads as U+FFFD.
    pub fn decode(&self) -> Cow<'a, str> {
        if self.escaped { Cow::Owned(self.chars().collect()) } else { Cow::Borrowed(self.raw) }
    }

    /// Whether it says exactly `other`.
    pub fn says(&self, other: &str) -> bool {
        if self.escaped { self.chars().eq(other.chars()) } else { self.raw == other }
    }

    /// Whether some decoder that ignores letter case, or ends texts at U+0000, would take it for `known`, which it is not.
    pub fn is_variant_of(&self, known: &str) -> bool {
        !self.says(known) && self.chars().take_while(|c| *c != '\0').map(fold).eq(known.chars().map(fold))
    }

    /// Appends what it says to `out`; ordinary characters in whole runs.
    pub fn decode_into(&self, out: &mut String) {
        let mut rest = self.raw;
        while let Some((run, escape)) = rest.split_at_checked(ordinary_prefix(rest.as_bytes())) {
            out.push_str(run);
            let mut escape = Decoded(escape.chars());
            let Some(c) = escape.next() else { return };
            out.push(c);
            rest = escape.0.as_str();
        }
    }

    /// The characters that it says, each with where it is written in [`Text::raw`].
    pub fn places(&self) -> impl Iterator<Item = (Range<usize>, char)> + use<'a> {
        let (whole, mut rest) = (self.raw.len(), self.chars());
        std::iter::from_fn(move || {
            let start = whole - rest.0.as_str().len();
            let c = rest.next()?;
            Some((start..whole - rest.0.as_str().len(), c))
        })
    }

    fn chars(&self) -> Decoded<'a> {
        Decoded(self.raw.chars())
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        if self.escaped || other.escaped { self.cmp(other) == Ordering::Equal } else { self.raw == other.raw }
    }
}

impl Eq for Text<'_> {}

impl PartialOrd for Text<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text<'_> {
    /// By code point, which for UTF-8 is the order of the bytes.
    fn cmp(&self, other: &Self) -> Ordering {
        if self.escaped || other.escaped { self.chars().cmp(other.chars()) } else { self.raw.cmp(other.raw) }
    }
}

// === impl Decoded ===

impl Iterator for Decoded<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        let first = self.0.next()?;
        if first != '\\' {
            return Some(first);
        }
        Some(match self.0.next()? {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => self.unit(),
            same => same,
        })
    }
}

impl Decoded<'_> {
    fn unit(&mut self) -> char {
        let Some(unit) = hex_unit(self.0.as_str().as_bytes()) else { return char::REPLACEMENT_CHARACTER };
        self.skip_bytes(4);
        let rest = self.0.as_str().as_bytes();
        if !(0xD800..=0xDBFF).contains(&unit) || !low_surrogate_escape(rest) {
            return char::from_u32(u32::from(unit)).unwrap_or(char::REPLACEMENT_CHARACTER);
        }
        let low = rest.get(2..).and_then(hex_unit).unwrap_or(0xDC00);
        self.skip_bytes(6);
        let code = 0x10000 + ((u32::from(unit) - 0xD800) << 10) + (u32::from(low) & 0x3FF);
        char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
    }

    fn skip_bytes(&mut self, count: usize) {
        self.0 = self.0.as_str().get(count..).unwrap_or_default().chars();
    }
}

/// How many bytes at the front of `bytes` are neither quote, backslash nor control character.
///
/// Eight at a time in one word, since most of a body is the inside of strings and the module that Envoy loads has no SIMD.
pub(super) fn ordinary_prefix(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = ONES << 7;
    let mut count = 0;
    let mut rest = bytes;
    while let Some((eight, tail)) = rest.split_first_chunk::<8>() {
        let word = u64::from_le_bytes(*eight);
        // Per byte, the top bit of `(x - n) & !x` says x < n; a borrow can only spoil bytes behind a true hit.
        let below = |x: u64, n: u64| x.wrapping_sub(ONES * n) & !x & TOPS;
        let equal = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
        let hits = below(word, 0x20) | equal(b'"') | equal(b'\\');
        if hits != 0 {
            return count + hits.trailing_zeros() as usize / 8;
        }
        count += 8;
        rest = tail;
    }
    count + rest.iter().position(|b| matches!(b, b'"' | b'\\' | 0..=0x1f)).unwrap_or(rest.len())
}

/// The value of the four hexadecimal digits at the front of `bytes`.
pub(super) fn hex_unit(bytes: &[u8]) -> Option<u16> {
    bytes.get(..4)?.iter().try_fold(0u16, |unit, b| {
        let digit = char::from(*b).to_digit(16)?;
        Some((unit << 4) | u16::try_from(digit).ok()?)
    })
}

/// Whether `bytes` begin with the escape of a low surrogate.
pub(super) fn low_surrogate_escape(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\\u")
        && bytes.get(2..).and_then(hex_unit).is_some_and(|unit| (0xDC00..=0xDFFF).contains(&unit))
}

/// Whether a number (in JSON's grammar) is finite as a double: readers turn larger ones into infinity, or fail.
pub(super) fn fits_double(number: &str) -> bool {
    // The largest double is 1.7976931348623157e308; what is cut off cannot round these 17 digits up.
    const LARGEST: &str = "17976931348623157";
    if number.len() <= 300 && !number.contains(['e', 'E']) {
        return true;
    }
    let unsigned = number.trim_start_matches('-');
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let leading_zeros = whole.bytes().chain(fraction.bytes()).take_while(|b| *b == b'0').count();
    let digits = whole.bytes().chain(fraction.bytes()).skip(leading_zeros);
    if digits.clone().next().is_none() {
        return true;
    }
    let negative = exponent.starts_with('-');
    let Ok(shift) = exponent.trim_start_matches(['+', '-']).parse::<i32>() else { return negative };
    let size = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    // The value is 0.DIGITS times ten to this power.
    let power = size(whole.len()) - size(leading_zeros) + i64::from(if negative { -shift } else { shift });
    power < 309 || (power == 309 && digits.take(LARGEST.len()).le(LARGEST.bytes()))
}

/// Unicode simple case folding as far as it reaches ASCII letters (U+017F to s, U+212A to k), and the two letters i
/// that Java and .NET take for an ASCII one.
fn fold(c: char) -> char {
    match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        '\u{130}' | '\u{131}' => 'i',
        other => other.to_ascii_lowercase(),
    }
}
