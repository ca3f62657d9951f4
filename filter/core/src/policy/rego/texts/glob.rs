//! Patterns of `glob.match`, as regular expressions.

use std::iter::Peekable;
use std::str::Chars;

use regorus::Value;

use super::compiled;

const ANYTHING: &str = "(?s:.)*";

/// Whether it matches all of the text; `None` for what is no pattern.
pub(super) fn matches(pattern: &str, delimiters: &Value, text: &str) -> Option<bool> {
    compiled::matches(pattern, delimiters, text, || expression(pattern, delimiters))
}

/// What is wrong with the pattern, in one phrase.
#[cfg(any(test, feature = "rego-compiler"))]
pub(in crate::policy::rego) fn fault(pattern: &str, delimiters: &Value) -> Option<String> {
    compiled::fault(expression(pattern, delimiters))
}

/// The pattern as a regular expression.
///
/// # Errors
/// It is none, in one phrase.
fn expression(pattern: &str, delimiters: &Value) -> Result<String, &'static str> {
    let one = any_but(&separators(delimiters)?);
    let (mut out, mut depth, mut rest) = ("\\A(?:".to_owned(), 0_usize, pattern.chars().peekable());
    while let Some(c) = rest.next() {
        match c {
            '\\' => literal(&mut out, rest.next().ok_or("a backslash at its end")?),
            '*' if rest.next_if_eq(&'*').is_some() => out.push_str(ANYTHING),
            '*' => {
                out.push_str(&one);
                out.push('*');
            }
            '?' => out.push_str(&one),
            '[' => class(&mut out, &mut rest)?,
            '{' => {
                depth += 1;
                out.push_str("(?:");
            }
            '}' if depth > 0 => {
                depth -= 1;
                out.push(')');
            }
            ',' if depth > 0 => out.push('|'),
            c => literal(&mut out, c),
        }
    }
    if depth > 0 {
        return Err("a `{` without its `}`");
    }
    out.push_str(")\\z");
    Ok(out)
}

/// What `*` stops at: nothing where `null` stands, and dots where nothing is named.
fn separators(delimiters: &Value) -> Result<Vec<char>, &'static str> {
    let Value::Array(named) = delimiters else {
        let none = matches!(delimiters, Value::Null);
        return if none { Ok(Vec::new()) } else { Err("delimiters are a list, or null") };
    };
    let one = |value: &Value| {
        let Value::String(text) = value else { return None };
        let mut chars = text.chars();
        chars.next().filter(|_| chars.next().is_none())
    };
    let all: Option<Vec<char>> = named.iter().map(one).collect();
    let all = all.ok_or("a delimiter is one character")?;
    Ok(if all.is_empty() { vec!['.'] } else { all })
}

fn any_but(separators: &[char]) -> String {
    if separators.is_empty() {
        return "(?s:.)".to_owned();
    }
    let mut out = "[^".to_owned();
    separators.iter().for_each(|c| literal(&mut out, *c));
    out.push(']');
    out
}

/// `[abc]`, `[a-z]`, and with a `!` all but these. Delimiters are characters like all others there.
fn class(out: &mut String, rest: &mut Peekable<Chars<'_>>) -> Result<(), &'static str> {
    out.push('[');
    if rest.next_if_eq(&'!').is_some() {
        out.push('^');
    }
    let (mut listed, mut is_range, mut is_first) = (0_usize, false, true);
    loop {
        let c = rest.next().ok_or("a `[` without its `]`")?;
        match c {
            ']' if listed == 0 => return Err("a list of no characters"),
            ']' => break,
            _ if is_range => return Err("a range beside something else"),
            '\\' => literal(out, rest.next().ok_or("a backslash at its end")?),
            c if is_first && rest.next_if_eq(&'-').is_some() => {
                let last = rest.next().filter(|last| *last != ']' && c <= *last);
                literal(out, c);
                out.push('-');
                literal(out, last.ok_or("a range that ends before it begins")?);
                is_range = true;
            }
            c => literal(out, c),
        }
        listed += 1;
        is_first = false;
    }
    out.push(']');
    Ok(())
}

fn literal(out: &mut String, c: char) {
    if "\\.+*?()|[]{}^$#&-~".contains(c) {
        out.push('\\');
    }
    out.push(c);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_those_of_opa() {
        let value = |json: &str| Value::from_json_str(json).unwrap();
        for (pattern, delimiters, text, wanted) in [
            ("repo:*:read", "[\":\"]", "repo:a:read", Some(true)),
            ("repo:*:read", "[\":\"]", "repo:a:b:read", Some(false)),
            ("repo:*", "[\":\"]", "repo/x", Some(false)),
            ("a:*", "[\":\", \"/\"]", "a:b/c", Some(false)),
            ("secret**", "[\"/\"]", "secret/a", Some(true)),
            ("api**", "[\".\"]", "api.x", Some(true)),
            ("**/public", "[\"/\"]", "public", Some(false)),
            ("a/**/b", "[\"/\"]", "a/b", Some(false)),
            ("secret/**", "[\"/\"]", "secret/", Some(true)),
            ("*.example.com", "[]", "a.b.example.com", Some(false)),
            ("*.example.com", "null", "a.b.example.com", Some(true)),
            ("*", "null", "a\nb", Some(true)),
            ("?at", "[]", ".at", Some(false)),
            ("[!a-c]at", "[]", "cat", Some(false)),
            ("[!a-c]at", "[]", "dat", Some(true)),
            ("[a-c]at", "[]", "dat", Some(false)),
            ("[ab-]x", "[]", "-x", Some(true)),
            ("{cat,b[at]t,d*}", "[]", "dog", Some(true)),
            ("{cat,bat}", "[]", "fat", Some(false)),
            ("a,b}", "[]", "a,b}", Some(true)),
            ("a\\*.(x)", "[]", "a*.(x)", Some(true)),
            ("ä*", "[\"ö\"]", "äö", Some(false)),
            ("[", "[]", "x", None),
            ("[]", "[]", "x", None),
            ("[c-a]", "[]", "b", None),
            ("[a-cx]", "[]", "b", None),
            ("{a", "[]", "a", None),
            ("a\\", "[]", "a", None),
            ("a", "[\"ab\"]", "a", None),
            ("a", "\"/\"", "a", None),
        ] {
            let found = matches(pattern, &value(delimiters), text);
            assert_eq!(found, wanted, "{pattern} {delimiters} {text}");
            assert_eq!(matches(pattern, &value(delimiters), text), wanted, "the second time");
        }
    }
}
