//! How is a part of Envoy's configuration filled in? Parts are files with comments, `parts/*.yaml`, in which `<<name>>` stands
//! for a value. What users wrote gets in as [`scalar`] only, so that nothing of it can be read as YAML.

use crate::outcome::Unusable;
use std::fmt::Write;

/// Fills in every `<<name>>` of `part`. A name that stands alone on its line stands for a block, whose lines are indented as
/// it is; without content the line goes. Of a text of several lines elsewhere, the later ones are indented by two more.
///
/// # Errors
/// The part and the values do not fit each other: a mistake of ours, which a test of each part finds.
pub(super) fn fill(part: &str, values: &[(&str, &str)]) -> Result<String, Unusable> {
    let mut out = String::with_capacity(part.len() * 2);
    for line in part.lines() {
        let indent: String = line.chars().take_while(|c| *c == ' ').collect();
        if let Some(name) = alone(line) {
            // A block without content takes its line with it.
            for inner in value(name, values)?.lines() {
                push_line(&mut out, &indent, inner);
            }
            continue;
        }
        let filled = fill_line(line, &format!("{indent}  "), values)?;
        out.push_str(&filled);
        out.push('\n');
    }
    for (name, _) in values {
        if !part.contains(&format!("<<{name}>>")) {
            return Err(Unusable(format!("no place for `{name}` in a part of Envoy's configuration")));
        }
    }
    Ok(out)
}

/// The entry `text` of a list, with the comments before it; `kind` is the type that a resource must name.
pub(super) fn item(text: &str, kind: Option<&str>) -> String {
    let mut out = String::new();
    let mut begun = false;
    for line in text.lines() {
        if !begun && !line.starts_with('#') {
            begun = true;
            if let Some(kind) = kind {
                let _ = writeln!(out, "- \"@type\": {kind}\n  {line}");
            } else {
                let _ = writeln!(out, "- {line}");
            }
            continue;
        }
        push_line(&mut out, if begun { "  " } else { "" }, line);
    }
    out
}

/// `text` indented by `by` spaces.
pub(super) fn indented(text: &str, by: usize) -> String {
    let (mut out, indent) = (String::new(), " ".repeat(by));
    text.lines().for_each(|line| push_line(&mut out, &indent, line));
    out
}

/// `text` as one YAML value: as it is where it can be nothing but a text, else in quotes, in printable ASCII.
pub(super) fn scalar(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        // Writing to a String cannot fail.
        let _ = match c {
            '"' | '\\' => write!(out, "\\{c}"),
            ' '..='~' => write!(out, "{c}"),
            c if u32::from(c) <= 0xffff => write!(out, "\\u{:04x}", u32::from(c)),
            c => write!(out, "\\U{:08x}", u32::from(c)),
        };
    }
    out.push('"');
    out
}

/// A duration as Envoy writes it.
pub(super) fn seconds(span: std::time::Duration) -> String {
    let millis = span.subsec_millis();
    if millis == 0 { format!("{}s", span.as_secs()) } else { format!("{}.{millis:03}s", span.as_secs()) }
}

/// Letters, digits and a few signs, among them a letter or `/` or, as in an IPv4 address, three dots: no number, no word with a
/// meaning of its own, nothing that ends a value, in block or in flow.
fn is_plain(text: &str) -> bool {
    const WORDS: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    let sound = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'/' | b'-' | b':');
    let begins = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.'));
    let named = text.contains('/') || text.matches('.').count() >= 3 || {
        // `1e5`, `0x1f` and `.inf` are numbers.
        text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
    };
    begins
        && named
        && text.bytes().all(sound)
        && !text.ends_with(':')
        && !WORDS.contains(&text.to_ascii_lowercase().as_str())
}

fn alone(line: &str) -> Option<&str> {
    let name = line.trim().strip_prefix("<<")?.strip_suffix(">>")?;
    (!name.contains(['<', '>'])).then_some(name)
}

fn fill_line(line: &str, indent: &str, values: &[(&str, &str)]) -> Result<String, Unusable> {
    let (mut out, mut rest) = (String::new(), line);
    while let Some((before, after)) = rest.split_once("<<") {
        let Some((name, after)) = after.split_once(">>") else { break };
        out.push_str(before);
        for (at, inner) in value(name, values)?.trim_end().lines().enumerate() {
            if at > 0 {
                out.push('\n');
                out.push_str(if inner.is_empty() { "" } else { indent });
            }
            out.push_str(inner);
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn value<'v>(name: &str, values: &[(&str, &'v str)]) -> Result<&'v str, Unusable> {
    let found = values.iter().find(|(known, _)| *known == name);
    found
        .map(|(_, value)| *value)
        .ok_or_else(|| Unusable(format!("no value for `{name}` in a part of Envoy's configuration")))
}

fn push_line(out: &mut String, indent: &str, line: &str) {
    if !line.is_empty() {
        out.push_str(indent);
        out.push_str(line);
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::{fill, item, scalar};

    #[test]
    fn what_can_only_be_a_text_stays_and_all_else_is_quoted() {
        for text in ["127.0.0.1", "127.0.0.1:3001", ".run/filter.yaml", "/mcp", "mcp_upstream", "a.b-c"] {
            assert_eq!(scalar(text), text);
        }
        for text in [
            "",
            "1",
            "1.5",
            "1e5",
            "0x1f",
            ".inf",
            ".nan",
            "true",
            "No",
            "null",
            "~",
            "a: b",
            "a:",
            "a #b",
            "- a",
            "&a",
            "*a",
            "{a}",
            "[a]",
            "a,b",
            "a b",
            "'a",
            "\"a",
            "\\",
            "a\nb: c",
            "\u{2028}x",
            "caf\u{e9}",
            "\u{1f511}",
            "::1",
            "<<a>>",
            "%x",
            "-a",
            "a\u{0}",
        ] {
            let quoted = scalar(text);
            assert!(
                quoted.starts_with('"') && quoted.bytes().all(|b| (b' '..=b'~').contains(&b)),
                "{quoted}"
            );
            let read: String = serde_saphyr::from_str(&quoted).unwrap();
            assert_eq!(read, text, "{quoted}");
        }
    }

    #[test]
    fn values_are_put_in_once_and_only_where_they_belong() {
        let filled = fill(
            "a: <<x>>\n  <<block>>\n  <<none>>\nb: <<y>>\n",
            &[("x", "<<y>>"), ("block", "c: 1\n\nd:\n  e: 2\n"), ("none", ""), ("y", "&z\nf: 3")],
        );
        assert_eq!(filled.unwrap(), "a: <<y>>\n  c: 1\n\n  d:\n    e: 2\nb: &z\n  f: 3\n");
        assert!(fill("a: <<x>>", &[]).is_err(), "a value is missing");
        assert!(fill("a: 1", &[("x", "1")]).is_err(), "a value too many");
        assert_eq!(item("# why\na: 1\nb:\n  c: 2\n", None), "# why\n- a: 1\n  b:\n    c: 2\n");
        assert_eq!(item("a: 1\n", Some("t")), "- \"@type\": t\n  a: 1\n");
    }
}
