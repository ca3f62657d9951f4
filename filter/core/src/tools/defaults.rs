//! Which bytes does a default put into a call? The only change that is ever made to a request: members that are absent are
//! put in, nothing is taken out or rewritten, and what comes of it is read and judged anew.

use std::ops::Range;

use crate::mcp::strict::{Fault, Rigour, Scanner};
use crate::policy::pattern::Pattern;

/// Arguments of some tools that are filled in where they are absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// Of these tools.
    pub tools: Vec<Pattern>,
    /// Names as JSON texts say them, and values as JSON.
    pub arguments: Vec<(String, String)>,
}

/// Where the arguments of a call stand in its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The object is there.
    Object(Range<usize>),
    /// It is absent; this is where a member of `params` ends.
    Behind(usize),
}

/// The body of a call of `tool` with all that `defaults` put into it; `None` where nothing is absent. Of several defaults for
/// one argument the first counts. An argument whose name differs in letter case only counts as there.
///
/// # Errors
/// The arguments are no JSON object, which was seen before.
pub fn fill_in(
    body: &[u8],
    place: &Place,
    tool: &str,
    defaults: &[Defaults],
) -> Result<Option<Vec<u8>>, Fault> {
    let own = defaults.iter().filter(|d| d.tools.iter().any(|p| p.matches(tool)));
    let mut wanted: Vec<(&str, &str)> = Vec::new();
    for (name, value) in own.flat_map(|d| &d.arguments) {
        if !wanted.iter().any(|(known, _)| known == name) {
            wanted.push((name, value));
        }
    }
    let mut empty = true;
    if let Place::Object(span) = place {
        let object = body.get(span.clone()).unwrap_or_default();
        let mut scanner = Scanner::new(object, Scanner::REQUEST_DEPTH, Rigour::EveryLevel)?;
        scanner.object(&[], &mut |scanner, key| {
            empty = false;
            wanted.retain(|(name, _)| !key.says(name) && !key.is_variant_of(name));
            scanner.skip()
        })?;
    }
    if wanted.is_empty() {
        return Ok(None);
    }
    let members: Vec<String> =
        wanted.iter().map(|(name, value)| format!("{}:{value}", quoted(name))).collect();
    let members = members.join(",");
    let (at, bytes) = match place {
        Place::Object(span) => (span.start + 1, if empty { members } else { members + "," }),
        Place::Behind(end) => (*end, format!(",\"arguments\":{{{members}}}")),
    };
    let (before, after) = body.split_at_checked(at).ok_or(Fault::Refused("no place for a default"))?;
    Ok(Some([before, bytes.as_bytes(), after].concat()))
}

fn quoted(name: &str) -> String {
    serde_json::to_string(name).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(body: &str, place: &Place, tool: &str) -> Option<String> {
        let some = |tools: &str, arguments: &[(&str, &str)]| Defaults {
            tools: vec![Pattern::parse(tools).unwrap()],
            arguments: arguments.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect(),
        };
        let defaults = [some("s*", &[("limit", "10"), ("a\"b", "\"x\"")]), some("*", &[("limit", "5")])];
        fill_in(body.as_bytes(), place, tool, &defaults).unwrap().map(|b| String::from_utf8(b).unwrap())
    }

    #[test]
    fn what_is_absent_is_put_in_and_nothing_else_changes() {
        let at = |body: &str| Place::Object(body.find('{').unwrap()..body.len() - 1);
        for (body, tool, made) in [
            ("[{}]", "other", Some(r#"[{"limit":5}]"#)),
            ("[{ }]", "search", Some(r#"[{"limit":10,"a\"b":"x" }]"#)),
            (r#"[{ "q":1}]"#, "other", Some(r#"[{"limit":5, "q":1}]"#)),
            (r#"[{"limit":null}]"#, "other", None),
            (r#"[{"l\u0069mit":1}]"#, "other", None),
            (r#"[{"LIMIT":1}]"#, "other", None),
            (r#"[{"x":{"limit":1}}]"#, "other", Some(r#"[{"limit":5,"x":{"limit":1}}]"#)),
        ] {
            assert_eq!(filled(body, &at(body), tool).as_deref(), made, "{body}");
        }
        let body = r#"{"name":"other"}"#;
        let behind = Place::Behind(body.len() - 1);
        assert_eq!(
            filled(body, &behind, "other").as_deref(),
            Some(r#"{"name":"other","arguments":{"limit":5}}"#)
        );
    }
}
