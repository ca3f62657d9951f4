//! What do built-ins about texts answer where the machine's answer otherwise than OPA's? A pattern of `glob.match` by the rules of
//! OPA (those of its library, gobwas/glob), one of `regex.match` by those of Go, and letter case rune by rune, as Go changes it.

#[cfg(feature = "regex")]
mod compiled;
#[cfg(feature = "regex")]
pub(super) mod glob;
#[cfg(feature = "regex")]
pub(super) mod regex;

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
        #[cfg(feature = "regex")]
        ("regex.match", [Value::String(pattern), Value::String(text)]) => {
            Some(regex::matches(pattern, text).map(Value::from))
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
}
