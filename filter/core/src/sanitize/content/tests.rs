//! Cases are data: rules, what a server answers, what is left of it.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::config::{self, Compiled};
use crate::identity::principal::Principal;
use crate::salt::Salt;

mod blobs;
mod properties;
mod whose;

fn document(rules: &Value) -> Value {
    json!({
        "version": 1,
        "servers": [{
            "name": "s", "url": "https://gate.example/mcp", "content": rules,
            "rules": [{"id": "all", "allow": {"who": "anonymous", "tools": ["*"]}}],
        }],
    })
}

fn compiled(rules: &Value) -> Compiled {
    config::compile(document(rules).to_string().as_bytes()).unwrap()
}

/// What counts for an anonymous call of the tool `t`.
fn plan(rules: &Value) -> Plan {
    let compiled = compiled(rules);
    let operation = Operation { method: "tools/call".into(), targets: vec![Target::Tool("t".into())] };
    let asked = Asked { operation: &operation, may_be_anothers: false, may_be_obliged: false, obliged: &[] };
    let nobody = Caller::from(&Principal::Anonymous);
    let plan = Plan::of_answers(&compiled.guard.servers[0].content, nobody, asked);
    plan.unwrap().salted(Salt::new([7; 16]))
}

fn one(rule: &Value) -> Plan {
    let mut rule = rule.clone();
    rule["id"] = json!("r");
    plan(&json!([rule]))
}

/// The message with this result, after the plan; and how much was found.
fn after(plan: &Plan, result: &str) -> Result<(String, u64), Refused> {
    let body = format!(r#"{{"jsonrpc":"2.0","id":"4111111111111111","result":{result}}}"#);
    let mut report = Report::default();
    let out = apply(body.as_bytes(), plan, &mut report)?;
    let out = String::from_utf8(out.unwrap_or(body.into_bytes())).unwrap();
    let (_, result) = out.split_once(r#""result":"#).unwrap();
    Ok((result.strip_suffix('}').unwrap().to_owned(), report.rows().map(|(_, count)| count).sum()))
}

#[test]
fn what_is_no_message_is_read_all_the_same() {
    let masks = one(&json!({"detect": ["email"], "action": "mask"}));
    let drops = one(&json!({"detect": ["email", "nl_bsn"], "action": "drop"}));
    // A body, what is left of it.
    for (plan, body, left) in [
        (&masks, r#""{ a@example.com""#, r#""{ [redacted:email]""#),
        (&drops, r#""{ a@example.com""#, "{}"),
        (&drops, r#"["a@example.com", "133335331", 1]"#, "[{}, {}, 1]"),
        (&drops, r#"[["a@example.com"], {"result": 1}]"#, r#"[[], {"result": 1}]"#),
        (&drops, r#"{"result": "a@example.com"}"#, r#"{"result": {}}"#),
        (&drops, "133335331", ""),
    ] {
        let out = apply(body.as_bytes(), plan, &mut Report::default()).unwrap();
        assert_eq!(out.as_deref().map(|out| std::str::from_utf8(out).unwrap()), Some(left), "{body}");
    }
}

#[test]
fn what_is_found_is_replaced_where_it_stands_and_nothing_else_changes() {
    let rule = one(&json!({"detect": ["credentials", "email", "card"], "keys": ["*ssn"], "action": "mask"}));
    // A result, what is left, how much was found.
    for (result, left, count) in [
        (r#"{"content":[{"type":"text","text":"no secret"}] , "x" : 1.50}"#, None, 0),
        (
            r#"{"content":[{"type":"text","text":"to a.b@example.com\n"}], "n": 1.50 }"#,
            Some(r#"{"content":[{"type":"text","text":"to [redacted:email]\n"}], "n": 1.50 }"#),
            1,
        ),
        // Escapes: decoded to look, mapped back to edit.
        (
            r#"{"t":"\u00e9\n\u0061@example.com\ud83d\ude00 b@example.com"}"#,
            Some(r#"{"t":"\u00e9\n[redacted:email]\ud83d\ude00 [redacted:email]"}"#),
            2,
        ),
        (
            r#"{"structuredContent":{"mail":["a@example.com",7],"card":4111111111111111,"Tax_SSN":"x","ssn":12}}"#,
            Some(
                r#"{"structuredContent":{"mail":["[redacted:email]",7],"card":0,"Tax_SSN":"[redacted:key]","ssn":0}}"#,
            ),
            4,
        ),
        // A name says that its value is a secret.
        (
            r#"{"structuredContent":{"db":{"password":"hunter2"},"max_tokens":4096,"token":"abc"}}"#,
            Some(
                r#"{"structuredContent":{"db":{"password":"[redacted:credentials]"},"max_tokens":4096,"token":"abc"}}"#,
            ),
            1,
        ),
        // The name of a member goes with its member.
        (
            r#"{"structuredContent":{"a@example.com":1,"b":2,"c@example.com":3}}"#,
            Some(r#"{"structuredContent":{"b":2}}"#),
            2,
        ),
        // What is written is a mark already.
        (r#"{"t":"[redacted:email] [redacted:email:abcdefghijklmnop]"}"#, None, 0),
        // The client gives these back as they are.
        (r#"{"nextCursor":"a@example.com","requestState":"b@example.com"}"#, None, 0),
        (
            r#"{"error":{"data":{"at":"postgres://u:p4ss@h/db"}}}"#,
            Some(r#"{"error":{"data":{"at":"postgres://u:[redacted:credentials]@h/db"}}}"#),
            1,
        ),
        // A schema names members, it has none.
        (r#"{"tools":[{"name":"x","inputSchema":{"properties":{"ssn":{"type":"string"}}}}]}"#, None, 0),
        // JSON in a text.
        (
            r#"{"content":[{"type":"text","text":"{\"a\":[1,{\"ssn\":\"1\"}], \"b\":2}"}]}"#,
            Some(
                r#"{"content":[{"type":"text","text":"{\"a\":[1,{\"ssn\":\"[redacted:key]\"}], \"b\":2}"}]}"#,
            ),
            1,
        ),
        // Base64 of `mail a@example.com`, and of what is no text.
        (
            r#"{"contents":[{"blob":"bWFpbCBhQGV4YW1wbGUuY29t"},{"blob":"iVBORw0KGgo="}]}"#,
            Some(r#"{"contents":[{"blob":"bWFpbCBbcmVkYWN0ZWQ6ZW1haWxd"},{"blob":"iVBORw0KGgo="}]}"#),
            1,
        ),
    ] {
        let expected = left.unwrap_or(result).to_owned();
        assert_eq!(after(&rule, result), Ok((expected.clone(), count)), "{result}");
        assert_eq!(after(&rule, &expected), Ok((expected, 0)), "{result}, once more");
    }
}

#[test]
fn each_action_does_what_it_says() {
    let found = r#"{"content":[{"type":"text","text":"a"},{"type":"text","text":"x@example.com"}],"x":{"y":"z@example.com"}}"#;
    for (action, left) in [
        ("flag", found),
        ("drop", r#"{"content":[{"type":"text","text":"a"}],"x":{}}"#),
        (
            "mask",
            r#"{"content":[{"type":"text","text":"a"},{"type":"text","text":"[redacted:email]"}],"x":{"y":"[redacted:email]"}}"#,
        ),
    ] {
        let rule = one(&json!({"detect": ["email"], "action": action}));
        assert_eq!(after(&rule, found), Ok((left.to_owned(), 2)), "{action}");
    }
    let block = one(&json!({"detect": ["email"], "action": "block"}));
    assert_eq!(after(&block, found), Err(Refused::Blocked(0, Found::Detected(Detector::Email))));
    assert_eq!(block.detail(Refused::Blocked(0, Found::Detected(Detector::Email))), "r: email");
}

#[test]
fn a_hash_is_the_same_for_the_same_value_and_keyed() {
    let rule = one(&json!({"detect": ["email", "card"], "action": "hash"}));
    let (first, _) =
        after(&rule, r#"["a@example.com","b@example.com","a@example.com",4111111111111111]"#).unwrap();
    let values: Vec<Value> = serde_json::from_str(&first).unwrap();
    assert_eq!(values[0], values[2]);
    assert_ne!(values[0], values[1]);
    assert!(
        values[0].as_str().is_some_and(|mark| mark.starts_with("[redacted:email:") && mark.len() == 33),
        "{first}"
    );
    assert!(values[3].is_u64() && values[3].as_u64() < Some(1_000_000_000), "{first}");
    assert_eq!(after(&rule, &first), Ok((first.clone(), 0)));
    let (other, _) = after(&rule.clone().salted(Salt::new([8; 16])), r#"["a@example.com"]"#).unwrap();
    assert!(!first.contains(other.trim_matches(['[', ']', '"'])));
}

#[test]
fn fields_that_are_not_allowed_are_left_out_alike_in_text_and_structured_content() {
    let rule = one(&json!({"fields": ["id", "items.name", "any.*.x"]}));
    let rows = r#"{"id":1,"secret":2,"items":[{"name":"n","pay":3},4],"any":{"k":{"x":1,"y":2}}}"#;
    let left = r#"{"id":1,"items":[{"name":"n"}],"any":{"k":{"x":1}}}"#;
    let quoted = |text: &str| serde_json::to_string(text).unwrap();
    let result = |rows: &str| {
        format!(r#"{{"content":[{{"type":"text","text":{}}}],"structuredContent":{rows}}}"#, quoted(rows))
    };
    assert_eq!(after(&rule, &result(rows)), Ok((result(left), 8)));
    assert_eq!(after(&rule, &result(left)), Ok((result(left), 0)));
    let prose = r#"{"content":[{"type":"text","text":"secret: 2"}]}"#;
    let masked = r#"{"content":[{"type":"text","text":"[redacted:field]"}]}"#;
    assert_eq!(after(&rule, prose), Ok((masked.to_owned(), 1)));
    assert_eq!(after(&rule, masked), Ok((masked.to_owned(), 0)));
}

#[test]
fn json_in_a_text_is_read_as_its_writers_write_it() {
    let keys = one(&json!({"detect": ["email"], "keys": ["ssn"], "action": "mask"}));
    let fields = one(&json!({"fields": ["id"]}));
    // A rule, a text, what is left of it, how much was found.
    for (rule, text, left, count) in [
        (
            &keys,
            r#"{"ssn":1,"x":NaN,"y":[Infinity, -Infinity]}"#,
            r#"{"ssn":0,"x":NaN,"y":[Infinity, -Infinity]}"#,
            1,
        ),
        (&keys, "{\"ssn\":1}\n{\"ssn\":2} 5\n", "{\"ssn\":0}\n{\"ssn\":0} 5\n", 2),
        (&keys, "\u{feff}{\"ssn\":1}", "\u{feff}{\"ssn\":0}", 1),
        // What is none is a text, and counted as what became of it.
        (&keys, r#"{"ssn":1,"m":"a@example.com"} etc."#, r#"{"ssn":1,"m":"[redacted:email]"} etc."#, 1),
        (&keys, r#"{"ssn":1,"x":-NaN}"#, r#"{"ssn":1,"x":-NaN}"#, 0),
        (&fields, "{\"id\":1,\"s\":2}\n{\"id\":NaN}", "{\"id\":1}\n{\"id\":NaN}", 1),
        (&fields, "\u{feff}[{\"s\":2}]", "\u{feff}[{}]", 1),
        (&fields, r#"{"id":1} 5"#, "[redacted:field]", 1),
        (&fields, r#"{"id":1,"s":2} etc."#, "[redacted:field]", 1),
    ] {
        let result = |text: &str| json!({"content": [{"type": "text", "text": text}]}).to_string();
        assert_eq!(after(rule, &result(text)), Ok((result(left), count)), "{text}");
    }
    assert!(matches!(after(&keys, r#"{"x":NaN}"#), Err(Refused::Unreadable(_))), "a message is no such text");
}

#[test]
fn what_is_too_much_is_cut_or_blocked() {
    let rule = one(&json!({"caps": {"text_bytes": 64, "items": 2}}));
    let long = "é".repeat(40);
    let result = format!(
        r#"{{"content":[{{"text":"{long}"}},{{"text":"b"}},{{"text":"c"}}],"structuredContent":{{"l":[1,2,3,4]}}}}"#
    );
    let (left, count) = after(&rule, &result).unwrap();
    let cut = format!("{}[cut]", "é".repeat(29));
    assert_eq!(
        left,
        format!(r#"{{"content":[{{"text":"{cut}"}},{{"text":"b"}}],"structuredContent":{{"l":[1,2]}}}}"#)
    );
    assert_eq!(count, 3);
    assert_eq!(after(&rule, &left), Ok((left.clone(), 0)));
    let rule = one(&json!({"caps": {"items": 2, "beyond": "block"}}));
    assert_eq!(after(&rule, &result), Err(Refused::Blocked(0, Found::Items)));
}

#[test]
fn a_cap_that_cuts_does_not_hide_one_that_blocks() {
    let cut = json!({"id": "a", "caps": {"text_bytes": 64, "items": 2}});
    let block = json!({"id": "b", "caps": {"text_bytes": 100, "items": 3, "beyond": "block"}});
    for (rules, blocks) in [(json!([cut, block]), 1), (json!([block, cut]), 0)] {
        let plan = plan(&rules);
        let text = |length: usize| format!(r#"{{"content":[{{"text":"{}"}}]}}"#, "a".repeat(length));
        let kept = format!(r#"{{"content":[{{"text":"{}[cut]"}}]}}"#, "a".repeat(59));
        assert_eq!(after(&plan, &text(100)), Ok((kept, 1)));
        assert_eq!(after(&plan, &text(101)), Err(Refused::Blocked(blocks, Found::Length)));
        let items = |list: &str| format!(r#"{{"structuredContent":{{"l":{list}}}}}"#);
        assert_eq!(after(&plan, &items("[1,2,3]")), Ok((items("[1,2]"), 1)));
        assert_eq!(after(&plan, &items("[1,2,3,4]")), Err(Refused::Blocked(blocks, Found::Items)));
    }
}

#[test]
fn characters_that_nobody_sees_hide_nothing() {
    let hidden = r#"{"t":"\u001b[31mA\u200bKIAQ3EGRIVCJHX2LT5W\ue000\udb40\udc41!"}"#;
    let seen = one(&json!({"detect": ["credentials"], "action": "mask"}));
    let (left, count) = after(&seen, hidden).unwrap();
    assert_eq!((left.as_str(), count), (r#"{"t":"\u001b[31m[redacted:credentials]\ue000\udb40\udc41!"}"#, 1));
    let strip = one(&json!({"detect": ["credentials"], "action": "mask", "characters": "strip"}));
    assert_eq!(after(&strip, hidden), Ok((r#"{"t":"[redacted:credentials]\ue000!"}"#.to_owned(), 2)));
    let refuse = one(&json!({"characters": "refuse"}));
    assert_eq!(after(&refuse, hidden), Err(Refused::Blocked(0, Found::Characters)));
    assert_eq!(after(&refuse, r#"{"t":"a\tb\r\nc"}"#), Ok((r#"{"t":"a\tb\r\nc"}"#.to_owned(), 0)));
}

#[test]
fn of_several_rules_the_strongest_action_counts() {
    let plan = plan(&json!([
        {"id": "all", "detect": ["email", "phone"], "action": "flag"},
        {"id": "mail", "detect": ["email"], "action": "mask"},
        {"id": "other", "applies": {"tools": ["u"]}, "detect": ["phone"], "action": "block"},
    ]));
    let (left, count) = after(&plan, r#"["a@example.com","+44 20 7946 0958"]"#).unwrap();
    assert_eq!((left.as_str(), count), (r#"["[redacted:email]","+44 20 7946 0958"]"#, 2));
}

#[test]
fn tokens_of_the_protocol_are_left_alone_and_what_is_called_like_one_is_not() {
    const TOKEN: &str = "progress-0f8fad5bd9cb469fa165";
    const RELATED: &str = "io.modelcontextprotocol/related-task";
    let rule = one(&json!({"detect": ["credentials"], "action": "mask"}));
    for (message, left) in [
        (json!({"params": {"_meta": {"progressToken": TOKEN}}}), true),
        (json!({"params": {"progressToken": TOKEN}}), true),
        (json!({"result": {"_meta": {RELATED: {"taskId": "AKIAQ3EGRIVCJHX2LT5W"}}}}), true),
        (json!({"params": {"_meta": {"x": {"progressToken": TOKEN}}}}), false),
        (json!({"params": {"arguments": {"_meta": {"progressToken": TOKEN}}}}), false),
        (json!({"params": {"_meta": {"accessToken": TOKEN}}}), false),
        (json!({"result": {"content": [{"_meta": {"progressToken": TOKEN}}]}}), false),
    ] {
        let mut report = Report::default();
        let after = apply(message.to_string().as_bytes(), &rule, &mut report).unwrap();
        assert_eq!((after.is_none(), report.is_empty()), (left, left), "{message}");
    }
}

#[cfg(feature = "regex")]
#[test]
fn patterns_of_ones_own_are_found_by_their_name() {
    let rule =
        one(&json!({"regexes": [{"name": "ticket", "pattern": "(?i)t-[0-9]{4,6}"}], "action": "mask"}));
    let left = r#"["see [redacted:ticket] \u00e9 [redacted:ticket]"]"#;
    assert_eq!(after(&rule, r#"["see T-1234 \u00e9 t-123456"]"#), Ok((left.to_owned(), 2)));
    assert_eq!(after(&rule, left), Ok((left.to_owned(), 0)));
    // Classes, the edges of words and letter case are those of ASCII.
    let ascii = one(
        &json!({"regexes": [{"name": "w", "pattern": r"\Bb\w|(?i)kELVIN\b|(?P<x>\d\d)"}], "action": "mask"}),
    );
    let (left, _) = after(&ascii, "[\"abc bc éb1 kelvin \u{212a}elvin 12 \u{663}\u{663}\"]").unwrap();
    assert_eq!(left, "[\"a[redacted:w] bc éb1 [redacted:w] \u{212a}elvin [redacted:w] \u{663}\u{663}\"]");
    // A bracket that is one is no group.
    let literal = one(&json!({"regexes": [{"name": "q", "pattern": r"x\(?u"}], "action": "mask"}));
    assert_eq!(after(&literal, r#"["xu x(u"]"#), Ok((r#"["[redacted:q] [redacted:q]"]"#.to_owned(), 2)));
    // Between the bytes of one character nothing is cut.
    let bytes =
        one(&json!({"regexes": [{"name": "b", "pattern": "(?s-u:[\\x80-\\xff])"}], "action": "mask"}));
    let (left, _) = after(&bytes, r#"["aéb"]"#).unwrap();
    assert_eq!(left, r#"["a[redacted:b]b"]"#);
}

#[cfg(feature = "regex")]
#[test]
fn a_pattern_that_is_none_or_is_everywhere_is_refused_with_its_place() {
    for (pattern, says) in [
        ("(", "unclosed group"),
        ("a*", "it matches nothing at all, so it would match everywhere"),
        ("(a{1000}){1000}", "size limit"),
        (r"(?=a)", "look-around"),
        (r"\p{Greek}", "Unicode not allowed here"),
        (r"(?i:x(?su-i:\w))", "no classes of Unicode"),
        (r"\\(?u)\Bx", "no classes of Unicode"),
        (&"a".repeat(1025), "at most 1024 bytes"),
    ] {
        let rules = json!([{"id": "r", "action": "mask", "regexes": [{"name": "x", "pattern": pattern}]}]);
        let errors = config::compile(document(&rules).to_string().as_bytes()).unwrap_err();
        let [error] = errors.as_slice() else { panic!("{errors:?}") };
        assert_eq!(error.path, "servers[0].content[0].regexes[0].pattern");
        assert!(error.message.contains(says), "{pattern}: {error}");
    }
}

#[cfg(not(feature = "regex"))]
#[test]
fn a_module_without_regular_expressions_refuses_a_policy_with_some() {
    let rules = json!([{"id": "r", "action": "mask", "regexes": [{"name": "x", "pattern": "a"}]}]);
    let errors = config::compile(document(&rules).to_string().as_bytes()).unwrap_err();
    let [error] = errors.as_slice() else { panic!("{errors:?}") };
    assert_eq!(error.path, "servers[0].content[0].regexes[0].pattern");
    assert!(error.message.contains("feature `regex`"), "{error}");
}
