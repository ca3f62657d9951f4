//! What do built-ins about texts answer where the machine's answer otherwise than OPA's? A pattern of `glob.match` by the rules of
//! OPA (those of its library, gobwas/glob), and letter case rune by rune, as Go changes it.

use regorus::Value;

/// The answer of a built-in to these; `None`: the machine's own is right. An inner `None` is an error.
pub(super) fn answer(name: &str, args: &[Value]) -> Option<Option<Value>> {
    match (name, args) {
        ("lower", [Value::String(text)]) => Some(Some(Value::from(lower(text)))),
        ("upper", [Value::String(text)]) => Some(upper(text).map(Value::from)),
        #[cfg(feature = "regex")]
        ("glob.match", [Value::String(pattern), delimiters, Value::String(text)]) => {
            Some(glob::matches(pattern, delimiters, text).map(Value::from))
        }
        _ => None,
    }
}

fn lower(text: &str) -> String {
    let one = |c: char| match c {
        // The only one of which Rust makes two.
        '\u{130}' => 'i',
        c => c.to_lowercase().next().unwrap_or(c),
    };
    text.chars().map(one).collect()
}

/// `None` for what Go makes one and Rust several of: Greek letters with an iota below.
fn upper(text: &str) -> Option<String> {
    let one = |c: char| {
        let mut upper = c.to_uppercase();
        match (upper.next(), upper.next()) {
            (Some(one), None) => Some(one),
            _ if ('\u{1f80}'..='\u{1fff}').contains(&c) => None,
            _ => Some(c),
        }
    };
    text.chars().map(one).collect()
}

/// Whether a format makes more of its values than they are, or writes them otherwise than OPA: admitted are `%s`, `%v`, `%d` and
/// `%03d`. The verbs, where it does not.
pub(super) fn verbs(format: &str) -> Option<Vec<char>> {
    let (mut verbs, mut rest) = (Vec::new(), format.chars());
    while let Some(c) = rest.next() {
        if c != '%' {
            continue;
        }
        let mut digits = String::new();
        let verb = rest.by_ref().find(|c| {
            let digit = c.is_ascii_digit();
            digits.extend(digit.then_some(*c));
            !digit
        })?;
        match (verb, digits.as_str()) {
            ('%', "") => {}
            ('s' | 'v' | 'd', "") => verbs.push(verb),
            ('d', width) if width.starts_with('0') && width.len() <= 3 => verbs.push(verb),
            _ => return None,
        }
    }
    Some(verbs)
}

/// Patterns, as regular expressions.
#[cfg(feature = "regex")]
pub(super) mod glob {
    use std::cell::RefCell;
    use std::collections::BTreeMap;
    use std::iter::Peekable;
    use std::str::Chars;

    use regorus::Value;

    /// The most that one compiled pattern may take, bytes.
    const MAX_COMPILED: usize = 256 << 10;
    /// So many patterns are kept: those of a policy are written in it.
    const MOST: usize = 256;
    const ANYTHING: &str = "(?s:.)*";

    thread_local! {
        static KEPT: RefCell<BTreeMap<String, regex::Regex>> = const { RefCell::new(BTreeMap::new()) };
    }

    /// Whether it matches all of the text; `None` for what is no pattern.
    pub(in crate::policy::rego) fn matches(pattern: &str, delimiters: &Value, text: &str) -> Option<bool> {
        let expression = expression(pattern, delimiters).ok()?;
        KEPT.with(|kept| {
            let mut kept = kept.try_borrow_mut().ok()?;
            if let Some(known) = kept.get(&expression) {
                return Some(known.is_match(text));
            }
            let made = regex::RegexBuilder::new(&expression).size_limit(MAX_COMPILED).build().ok()?;
            let matches = made.is_match(text);
            if kept.len() >= MOST {
                kept.clear();
            }
            kept.insert(expression, made);
            Some(matches)
        })
    }

    /// The pattern as a regular expression.
    ///
    /// # Errors
    /// It is none, in one phrase.
    pub(in crate::policy::rego) fn expression(
        pattern: &str,
        delimiters: &Value,
    ) -> Result<String, &'static str> {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letter_case_is_that_of_single_runes() {
        for (text, wanted) in
            [("ADM\u{130}N", "admin"), ("ΟΔΟΣ", "οδοσ"), ("Straße", "straße"), ("aZ9", "az9")]
        {
            assert_eq!(lower(text), wanted);
        }
        for (text, wanted) in
            [("te\u{fb06}", Some("TE\u{fb06}")), ("aß", Some("Aß")), ("\u{1f80}", None), ("ä", Some("Ä"))]
        {
            assert_eq!(upper(text).as_deref(), wanted, "{text}");
        }
    }

    #[test]
    fn formats_write_values_as_they_are() {
        assert_eq!(verbs("%s 100%% %d/%v %03d"), Some(vec!['s', 'd', 'v', 'd']));
        for wrong in
            ["%.4s", "%-8s", "%5d", "%+d", "%f", "%*d", "%0100d", "%3s", "%[1]s", "%", "%x", "% d", "%5%"]
        {
            assert_eq!(verbs(wrong), None, "{wrong}");
        }
    }

    #[cfg(feature = "regex")]
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
            let found = glob::matches(pattern, &value(delimiters), text);
            assert_eq!(found, wanted, "{pattern} {delimiters} {text}");
            assert_eq!(glob::matches(pattern, &value(delimiters), text), wanted, "the second time");
        }
    }
}
