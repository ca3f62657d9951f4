//! Which tools stand in this answer, and where? For who has one in hand (the command line); the filter finds them on its way.

use std::ops::Range;

use crate::mcp::strict::{Fault, Kind, Rigour, Scanner};

/// A tool and where its entry stands, in bytes.
pub type Listed = (String, Range<usize>);

/// The tools of an answer to `tools/list`: the message, its `result` alone, or the array `tools` alone.
///
/// # Errors
/// Not JSON; something in the list is no tool with a name; there is no list.
pub fn listed(answer: &[u8]) -> Result<Vec<Listed>, Fault> {
    let mut scanner = Scanner::new(answer, Scanner::ANSWER_DEPTH, Rigour::WhereRead)?;
    let mut found = None;
    if scanner.at_array() {
        found = Some(entries(&mut scanner)?);
    } else {
        scanner.object(&["result", "tools"], &mut |scanner, key| {
            if key.says("result") && scanner.at_object() {
                scanner
                    .object(&["tools"], &mut |scanner, key| member(scanner, key.says("tools"), &mut found))?;
                return Ok(());
            }
            member(scanner, key.says("tools"), &mut found)
        })?;
    }
    scanner.end()?;
    found.ok_or(Fault::Refused("no list of tools"))
}

fn member(scanner: &mut Scanner<'_>, is_list: bool, found: &mut Option<Vec<Listed>>) -> Result<(), Fault> {
    if is_list && scanner.at_array() {
        *found = Some(entries(scanner)?);
        return Ok(());
    }
    scanner.skip()
}

fn entries(scanner: &mut Scanner<'_>) -> Result<Vec<Listed>, Fault> {
    let mut tools = Vec::new();
    scanner.array(&mut |scanner, _| {
        let mut name = None;
        let span = scanner.object(&["name"], &mut |scanner, key| {
            let value = scanner.value()?;
            if let (true, Kind::Text(text)) = (key.says("name"), value.kind) {
                name = Some(text.decode().into_owned());
            }
            Ok(())
        })?;
        tools.push((name.ok_or(Fault::Refused("a tool without a name"))?, span));
        Ok(())
    })?;
    Ok(tools)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_found_in_three_shapes_and_nothing_else_is_taken_for_them() {
        let list = r#"[{"name":"a"}, {"x":{"name":"y"},"name":"\u0062"}]"#;
        for text in [
            list.to_owned(),
            format!(r#"{{"tools":{list}}}"#),
            format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":{list},"nextCursor":"c"}}}}"#),
        ] {
            let found = listed(text.as_bytes()).unwrap();
            let said: Vec<_> =
                found.iter().map(|(name, span)| (name.as_str(), &text[span.clone()])).collect();
            assert_eq!(said, [("a", r#"{"name":"a"}"#), ("b", r#"{"x":{"name":"y"},"name":"\u0062"}"#)]);
        }
        for bad in
            ["{}", r#"{"error":{}}"#, "[7]", r#"[{"title":"x"}]"#, r#"{"tools":[],"tools":[]}"#, "[] []", ""]
        {
            assert!(listed(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
