//! What of a call and of its answer may be written down? What a rule asks for, never as it came: everything that a detector or a
//! content rule of the server knows is gone, what is long is cut.

use super::content::{Content, Plan, Report, apply};
use crate::mcp::strict::{Fault, Rigour, Scanner};

/// The most that is written down of either, bytes.
pub const MOST: usize = 2048;
/// What stands where nothing can be read.
const UNREADABLE: &str = "(unreadable)";
/// What stands behind what is cut.
const CUT: &str = "[cut]";
/// Arguments are read as those of a message.
const BEFORE: &[u8] = br#"{"params":{"arguments":"#;
const AFTER: &[u8] = b"}}";

/// How what is written down is read.
#[derive(Debug)]
pub struct Capture {
    plan: Plan,
}

// === impl Capture ===

impl Capture {
    /// For a server with these content rules: whomever and whatever they are about, all that they mean is masked.
    pub fn of(content: &Content) -> Self {
        Self { plan: Plan::of_capture(content) }
    }

    /// The arguments of a call, JSON, as far as they may be written down.
    pub fn arguments(&self, given: &[u8]) -> String {
        let message = [BEFORE, given, AFTER].concat();
        let read = self.read(&message);
        let within = read.as_deref().and_then(|read| read.strip_prefix(BEFORE)?.strip_suffix(AFTER));
        within.and_then(|within| std::str::from_utf8(within).ok()).map_or_else(|| UNREADABLE.into(), cut)
    }

    /// The result of a message, or its error, as far as it may be written down; `None` where it has neither.
    pub fn outcome(&self, message: &[u8]) -> Option<String> {
        outcome_of(message).ok().flatten()?;
        let read = self.read(message);
        let outcome = read.as_deref().and_then(|read| read.get(outcome_of(read).ok().flatten()?));
        let text = outcome.and_then(|outcome| std::str::from_utf8(outcome).ok());
        Some(text.map_or_else(|| UNREADABLE.into(), cut))
    }

    fn read(&self, message: &[u8]) -> Option<Vec<u8>> {
        let changed = apply(message, &self.plan, &mut Report::default()).ok()?;
        Some(changed.unwrap_or_else(|| message.to_vec()))
    }
}

/// Where the result of a message stands, or its error.
fn outcome_of(message: &[u8]) -> Result<Option<std::ops::Range<usize>>, Fault> {
    if !message.contains(&b'{') {
        return Ok(None);
    }
    let mut scanner = Scanner::new(message, Scanner::ANSWER_DEPTH, Rigour::WhereRead)?;
    if !scanner.at_object() {
        return Ok(None);
    }
    let mut found = None;
    scanner.object(&["result", "error"], &mut |scanner, key| {
        let value = scanner.value()?;
        if key.says("result") || key.says("error") {
            found.get_or_insert(value.span);
        }
        Ok(())
    })?;
    Ok(found)
}

fn cut(text: &str) -> String {
    if text.len() <= MOST {
        return text.to_owned();
    }
    let mut end = MOST - CUT.len();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    [text.get(..end).unwrap_or_default(), CUT].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn capture() -> Capture {
        Capture::of(&Content::default())
    }

    #[test]
    fn secrets_and_persons_are_gone_and_the_rest_is_there() {
        let capture = capture();
        for (given, written) in [
            (json!({"q": "notes", "limit": 5}), r#"{"limit":5,"q":"notes"}"#),
            (json!({"password": "hunter2hunter2"}), r#"{"password":"[redacted:credentials]"}"#),
            (json!({"to": ["a@example.com"]}), r#"{"to":["[redacted:email]"]}"#),
            (json!({"card": 4_111_111_111_111_111_u64}), r#"{"card":0}"#),
            (json!({"n": {"ssn": "219-09-9998"}}), r#"{"n":{"ssn":"[redacted:us_ssn]"}}"#),
            (json!({"a@example.com": 1, "b": 2}), r#"{"b":2}"#),
            (json!({"text": "x\u{200b}y"}), r#"{"text":"xy"}"#),
        ] {
            assert_eq!(capture.arguments(given.to_string().as_bytes()), written, "{given}");
        }
        assert_eq!(capture.arguments(b"{"), UNREADABLE);
        assert_eq!(capture.arguments(b"null"), "null");
    }

    #[test]
    fn of_an_answer_the_result_or_the_error_is_written_down_and_nothing_that_a_client_gives_back() {
        let capture = capture();
        for (message, written) in [
            (json!({"id": "s3cret-id", "result": {"content": []}}), Some(r#"{"content":[]}"#)),
            (
                json!({"id": 1, "error": {"code": -1, "message": "no a@example.com"}}),
                Some(r#"{"code":-1,"message":"no [redacted:email]"}"#),
            ),
            (
                json!({"id": 1, "result": {"requestState": "opaque", "resultType": "input_required"}}),
                Some("{}"),
            ),
            (json!({"method": "notifications/message", "params": {"data": "x"}}), None),
            (json!([{"id": 1, "result": {}}]), None),
        ] {
            let read = capture.outcome(message.to_string().as_bytes());
            assert_eq!(read.as_deref(), written, "{message}");
        }
        assert_eq!((capture.outcome(b"{\"result\":"), capture.outcome(b"")), (None, None));
    }

    proptest! {
        #[test]
        fn no_secret_comes_through_and_no_more_than_the_bound(
            filler in prop::collection::vec("[a-z ]{0,300}", 0..40), at in any::<prop::sample::Index>(), deep in any::<bool>(),
        ) {
            let secret = "AKIAQ3EGRIVCJHX2LT5W";
            let mut texts = filler;
            texts.insert(at.index(texts.len() + 1), format!("key {secret} mail someone@example.com"));
            let given = if deep { json!({"items": [{"texts": texts}]}) } else { json!(texts) };
            let answer = json!({"id": 1, "result": {"structuredContent": given, "content": []}});
            let capture = capture();
            let written = [capture.arguments(given.to_string().as_bytes()), capture.outcome(answer.to_string().as_bytes()).unwrap()];
            for written in written {
                prop_assert!(written.len() <= MOST, "{}", written.len());
                prop_assert!(!written.contains(secret) && !written.contains("someone@"), "{written}");
                let whole = serde_json::from_str::<Value>(&written).is_ok();
                prop_assert!(whole || written.ends_with(CUT));
            }
        }
    }
}
