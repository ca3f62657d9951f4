//! Which bytes say the same as this JSON, however it was written? Its canonical form (RFC 8785, JCS): members sorted by
//! UTF-16 code units, no white space, texts with the fewest escapes, numbers as ECMAScript writes doubles.
//!
//! Only where every reader reads the same: a repeated key, a lone surrogate or a number beyond doubles is refused.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::Write as _;
use std::ops::Range;

use crate::mcp::strict::{Fault, Kind, Rigour, Scanner, Text};
use crate::order;

/// One text of the document on its way through it.
#[derive(Clone, Copy, Debug)]
pub struct Passage<'a> {
    /// What is written.
    pub text: Text<'a>,
    /// Where the inside of its quotes begins, in bytes of the document.
    pub at: usize,
    /// The key whose value it is, at whatever depth; `None` for a key itself and for elements of arrays.
    pub member: Option<Text<'a>>,
    /// How many objects and arrays are open around it.
    pub depth: usize,
}

/// Called for each text, keys included, in the order of the document.
pub type OnText<'a, 'f> = &'f mut dyn FnMut(&Passage<'a>);

/// A value in its order, texts as they were written.
enum Tree<'a> {
    Object(Vec<(Text<'a>, Self)>),
    Array(Vec<Self>),
    Text(Text<'a>),
    Number(&'a str),
    Word(&'static str),
}

struct Reader<'a, 'f> {
    document: &'a str,
    on_text: OnText<'a, 'f>,
    depth: usize,
}

/// The canonical form of `document`, which is one JSON value.
///
/// # Errors
/// It is no JSON that every reader reads alike, or nests more than [`Scanner::ANSWER_DEPTH`] levels.
pub fn canonical<'a>(document: &'a [u8], on_text: OnText<'a, '_>) -> Result<Vec<u8>, Fault> {
    let mut scanner = Scanner::new(document, Scanner::ANSWER_DEPTH, Rigour::EveryLevel)?;
    let text = std::str::from_utf8(document).map_err(|_| Fault::NotJson("not UTF-8"))?;
    let tree = Reader { document: text, on_text, depth: 0 }.value(&mut scanner, None)?;
    scanner.end()?;
    let mut out = String::with_capacity(document.len());
    tree.write(&mut out)?;
    Ok(out.into_bytes())
}

// === impl Reader ===

impl<'a> Reader<'a, '_> {
    fn value(&mut self, scanner: &mut Scanner<'a>, member: Option<Text<'a>>) -> Result<Tree<'a>, Fault> {
        self.depth += 1;
        let tree = if scanner.at_object() {
            let mut members = Vec::new();
            scanner.object(&[], &mut |scanner, key| {
                self.told(key, None);
                members.push((key, self.value(scanner, Some(key))?));
                Ok(())
            })?;
            Tree::Object(members)
        } else if scanner.at_array() {
            let mut elements = Vec::new();
            scanner.array(&mut |scanner, _| {
                elements.push(self.value(scanner, None)?);
                Ok(())
            })?;
            Tree::Array(elements)
        } else {
            match scanner.value()?.kind {
                Kind::Text(text) => {
                    self.told(text, member);
                    Tree::Text(text)
                }
                Kind::Number(number) => Tree::Number(number),
                Kind::Bool(true) => Tree::Word("true"),
                Kind::Bool(false) => Tree::Word("false"),
                // Objects and arrays were seen above.
                Kind::Null | Kind::Object | Kind::Array => Tree::Word("null"),
            }
        };
        self.depth -= 1;
        Ok(tree)
    }

    fn told(&mut self, text: Text<'a>, member: Option<Text<'a>>) {
        let at = text.raw().as_ptr().addr().saturating_sub(self.document.as_ptr().addr());
        (self.on_text)(&Passage { text, at, member, depth: self.depth });
    }
}

// === impl Tree ===

impl Tree<'_> {
    fn write(mut self, out: &mut String) -> Result<(), Fault> {
        match &mut self {
            Self::Object(members) => {
                order::sort_by(members, |(a, _), (b, _)| by_utf16(a, b));
                let mut mark = '{';
                for (key, value) in std::mem::take(members) {
                    out.push(mark);
                    mark = ',';
                    quote(key, out);
                    out.push(':');
                    value.write(out)?;
                }
                out.push_str(if mark == '{' { "{}" } else { "}" });
            }
            Self::Array(elements) => {
                let mut mark = '[';
                for value in std::mem::take(elements) {
                    out.push(mark);
                    mark = ',';
                    value.write(out)?;
                }
                out.push_str(if mark == '[' { "[]" } else { "]" });
            }
            Self::Text(text) => quote(*text, out),
            Self::Number(number) => write_number(number, out)?,
            Self::Word(word) => out.push_str(word),
        }
        Ok(())
    }
}

fn by_utf16(a: &Text<'_>, b: &Text<'_>) -> Ordering {
    let (a, b) = (a.decode(), b.decode());
    // The two orders differ only where one of them is outside the Basic Multilingual Plane, and that takes four bytes.
    let far = |text: &str| text.bytes().any(|byte| byte >= 0xf0);
    if far(&a) || far(&b) { a.encode_utf16().cmp(b.encode_utf16()) } else { a.cmp(&b) }
}

/// RFC 8785 section 3.2.2.2.
fn quote(text: Text<'_>, out: &mut String) {
    out.push('"');
    match text.decode() {
        // Without an escape nothing in it needs one.
        Cow::Borrowed(plain) => out.push_str(plain),
        Cow::Owned(read) => read.chars().for_each(|c| escape(c, out)),
    }
    out.push('"');
}

fn escape(c: char, out: &mut String) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c if c < ' ' => {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        }
        c => out.push(c),
    }
}

/// RFC 8785 section 3.2.2.3: as `Number.prototype.toString` of ECMAScript has it.
fn write_number(written: &str, out: &mut String) -> Result<(), Fault> {
    // Whole numbers of so few digits are doubles, and most numbers are such; JSON has no leading zeros.
    if written.len() <= 15 && written.bytes().all(|b| b.is_ascii_digit()) {
        out.push_str(written);
        return Ok(());
    }
    let value: f64 = written.parse().map_err(|_| Fault::NotJson("a number out of range"))?;
    if !value.is_finite() {
        return Err(Fault::NotJson("a number out of range"));
    }
    if value == 0.0 {
        out.push('0');
        return Ok(());
    }
    // The fewest digits that mean this double, as `d.ddde±x`.
    let shortest = format!("{:e}", value.abs());
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let digits = even_of_two(value.abs(), mantissa.replace('.', ""));
    let point = exponent.parse::<i32>().unwrap_or(0) + 1;
    if value < 0.0 {
        out.push('-');
    }
    lay_out(&digits, point, out);
    Ok(())
}

/// Where two numbers of so few digits are equally near, ECMAScript means the one that ends evenly, and Rust the larger one.
fn even_of_two(value: f64, digits: String) -> String {
    let odd = digits.bytes().last().is_some_and(|last| last % 2 == 1);
    let Some(lower) = digits.parse::<u64>().ok().filter(|_| odd).map(|digits| (digits - 1).to_string())
    else {
        return digits;
    };
    // No double has more than 767 digits. A few of them show mostly that it is no such case.
    let halfway = |precision: usize| {
        let exact = format!("{value:.precision$e}").replace('.', "");
        let exact = exact.split('e').next().unwrap_or_default();
        exact
            .strip_prefix(&lower)
            .and_then(|rest| rest.strip_prefix('5'))
            .is_some_and(|rest| rest.bytes().all(|b| b == b'0'))
    };
    if halfway(20) && halfway(800) { lower } else { digits }
}

/// Writes 0.DIGITS times ten to the power of `point`.
fn lay_out(digits: &str, point: i32, out: &mut String) {
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let part = |range: Range<i32>| {
        let at = |n: i32| usize::try_from(n).unwrap_or(0).min(digits.len());
        digits.get(at(range.start)..at(range.end)).unwrap_or_default()
    };
    let zeros = |n: i32| "0".repeat(usize::try_from(n).unwrap_or(0));
    if count <= point && point <= 21 {
        out.push_str(digits);
        out.push_str(&zeros(point - count));
    } else if 0 < point && point <= 21 {
        let _ = write!(out, "{}.{}", part(0..point), part(point..count));
    } else if -6 < point && point <= 0 {
        let _ = write!(out, "0.{}{digits}", zeros(-point));
    } else {
        out.push_str(part(0..1));
        if count > 1 {
            let _ = write!(out, ".{}", part(1..count));
        }
        let _ = write!(out, "e{}{}", if point > 0 { "+" } else { "-" }, (point - 1).abs());
    }
}

#[cfg(test)]
mod tests;
