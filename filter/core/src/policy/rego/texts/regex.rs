//! Patterns of `regex.match`: those of Go's `regexp` (RE2), as the crate `regex` writes them. Digits, words and spaces are those
//! of ASCII there, and lists of characters know no operations.

use std::iter::Peekable;
use std::str::Chars;

use regorus::Value;

use super::compiled;

/// The lists that have a name between `[:` and `:]`, with a `^` before it or not.
const NAMED: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
    "upper", "word", "xdigit",
];
const UNCLOSED: &str = "a `[` without its `]`";

/// Whether it matches some part of the text; `None` for what is no pattern.
pub(super) fn matches(pattern: &str, text: &str) -> Option<bool> {
    compiled::matches(pattern, &Value::Undefined, text, || expression(pattern))
}

/// What is wrong with the pattern, in one phrase.
#[cfg(any(test, feature = "rego-compiler"))]
pub(in crate::policy::rego) fn fault(pattern: &str) -> Option<String> {
    compiled::fault(expression(pattern))
}

/// The pattern as the crate `regex` writes it.
///
/// # Errors
/// It is none, or means something there that cannot be said here.
fn expression(pattern: &str) -> Result<String, &'static str> {
    let (mut out, mut rest) = (String::with_capacity(pattern.len()), pattern.chars().peekable());
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next().ok_or("a backslash at its end")? {
                edge @ ('b' | 'B') => out.extend(["(?-u:\\", edge.encode_utf8(&mut [0; 4]), ")"]),
                other => escaped(&mut out, other)?,
            },
            '[' => list(&mut out, &mut rest)?,
            '(' if rest.next_if_eq(&'?').is_some() => group(&mut out, &mut rest)?,
            '{' if rest.peek() == Some(&',') => return Err("a `{` that is a character is written `\\{`"),
            c => out.push(c),
        }
    }
    Ok(out)
}

/// What a backslash stands before: a list of ASCII, or what means the same in both.
fn escaped(out: &mut String, c: char) -> Result<(), &'static str> {
    let list = match c {
        'd' => "[0-9]",
        'D' => "[^0-9]",
        'w' => "[0-9A-Za-z_]",
        'W' => "[^0-9A-Za-z_]",
        's' => "[\\t\\n\\f\\r ]",
        'S' => "[^\\t\\n\\f\\r ]",
        'p' | 'P' => return Err("there are no classes of Unicode (`\\p`)"),
        'u' | 'U' => return Err("a character is written `\\x{…}`"),
        '<' | '>' => return Err("`<` and `>` are written without a backslash"),
        other => {
            out.extend(['\\', other]);
            return Ok(());
        }
    };
    out.push_str(list);
    Ok(())
}

/// Behind `(?`: a name, or flags.
fn group(out: &mut String, rest: &mut Peekable<Chars<'_>>) -> Result<(), &'static str> {
    out.push_str("(?");
    if matches!(rest.peek(), Some('P' | '<')) {
        return Ok(());
    }
    while let Some(flag) = rest.next_if(|c| !matches!(c, ':' | ')')) {
        if !"imsU-".contains(flag) {
            return Err("a group has the flags `i`, `m`, `s` and `U` only");
        }
        out.push(flag);
    }
    Ok(())
}

/// Behind `[`, to its `]`.
fn list(out: &mut String, rest: &mut Peekable<Chars<'_>>) -> Result<(), &'static str> {
    out.push('[');
    out.extend(rest.next_if_eq(&'^'));
    let (mut is_first, mut is_range) = (true, false);
    loop {
        let c = rest.next().ok_or(UNCLOSED)?;
        let begins_range = c == '-' && !is_first;
        match c {
            ']' if !is_first => break,
            '[' if rest.peek() == Some(&':') => named(out, rest)?,
            '[' | ']' | '&' | '~' => out.extend(['\\', c]),
            '-' if rest.peek() == Some(&'-') => {
                return Err("a `-` beside another in a list is written `\\-`");
            }
            '\\' => match rest.next().ok_or("a backslash at its end")? {
                'b' | 'B' => return Err("a list of characters holds no edges of words"),
                'd' | 'D' | 'w' | 'W' | 's' | 'S' if is_range => return Err("a range ends in a character"),
                other => escaped(out, other)?,
            },
            c => out.push(c),
        }
        (is_first, is_range) = (false, begins_range);
    }
    out.push(']');
    Ok(())
}

/// `[:alpha:]`, of which `[` was read.
fn named(out: &mut String, rest: &mut Peekable<Chars<'_>>) -> Result<(), &'static str> {
    rest.next();
    let mut name = String::new();
    while let Some(c) = rest.next_if(|c| *c == '^' || c.is_ascii_lowercase()) {
        name.push(c);
    }
    let known = NAMED.contains(&name.strip_prefix('^').unwrap_or(&name));
    if !known || rest.next() != Some(':') || rest.next() != Some(']') {
        return Err("no list has this name (`[:alpha:]`)");
    }
    out.extend(["[:", &name, ":]"]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_those_of_go() {
        for (pattern, text, wanted) in [
            (r"^\d{3}$", "123", true),
            (r"^\d{3}$", "\u{661}\u{662}\u{663}", false),
            (r"^\D$", "\u{661}", true),
            (r"^\w+$", "a_9", true),
            (r"^\w+$", "ä", false),
            (r"^\W$", "ä", true),
            (r"^[\w-]+$", "a-b", true),
            (r"^[\D]$", "5", false),
            (r"^[^\d\s]+$", "ab", true),
            (r"a\sb", "a\u{b}b", false),
            (r"a\Sb", "a\u{b}b", true),
            (r"a\sb", "a\u{a0}b", false),
            (r"\bcat\b", "a cat.", true),
            (r"\bcat\b", "äcat", true),
            (r"cat\B", "catä", false),
            ("^[[a]$", "[", true),
            ("^[]a]$", "]", true),
            ("^[^]a]$", "]", false),
            ("^[a&&b]$", "&", true),
            ("^[a~~b]$", "~", true),
            ("^[[:alpha:]_]+$", "a_b", true),
            ("^[[:^digit:]]$", "5", false),
            ("(?i)^ADMIN$", "admin", true),
            ("(?i)^k$", "\u{212a}", true),
            ("(?s-i:a.b)", "a\nb", true),
            ("a.b", "a\nb", false),
            ("^(?P<x>a)(?:b)$", "ab", true),
            ("a$", "a\n", false),
            (r"^\x{e4}\.$", "ä.", true),
        ] {
            assert_eq!(matches(pattern, text), Some(wanted), "{pattern} {text:?}");
            assert_eq!(matches(pattern, text), Some(wanted), "the second time");
        }
    }

    #[test]
    fn what_go_means_otherwise_is_no_pattern() {
        for (pattern, said) in [
            (r"^\p{L}+$", "there are no classes of Unicode"),
            (r"[\pL]", "there are no classes of Unicode"),
            (r"\u{41}", "a character is written `\\x{…}`"),
            (r"\<a", "`<` and `>` are written without a backslash"),
            ("a{,2}", "a `{` that is a character"),
            ("(?x)a b", "a group has the flags `i`, `m`, `s` and `U` only"),
            ("(?u:a)", "a group has the flags"),
            ("[a--b]", "a `-` beside another"),
            (r"[!-\d]", "a range ends in a character"),
            (r"[\b]", "a list of characters holds no edges"),
            ("[[:letter:]]", "no list has this name"),
            ("[a", "a `[` without its `]`"),
            ("a\\", "a backslash at its end"),
            ("a(?=b)", "a group has the flags"),
            (r"(a)\1", "backreferences are not supported"),
            ("(a", "unclosed group"),
            ("(.{999}){999}", "Compiled regex exceeds size limit"),
        ] {
            let fault = fault(pattern).unwrap_or_default();
            assert!(fault.starts_with(said), "{pattern}: {fault}");
            assert_eq!(matches(pattern, "a"), None, "{pattern}");
        }
    }
}
