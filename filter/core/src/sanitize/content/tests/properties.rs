//! Whatever a server answers: JSON stays JSON of the same shape, what is left passes as it is, nothing found is left.

use super::*;

/// Pieces of texts, some of which are to be found.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("ann@example.com".to_owned()),
        Just("4111 1111 1111 1111".to_owned()),
        Just("+44 20 7946 0958".to_owned()),
        Just("AKIAQ3EGRIVCJHX2LT5W".to_owned()),
        Just("password=hunter2x".to_owned()),
        Just("DE89370400440532013000".to_owned()),
        Just("[redacted:email]".to_owned()),
        Just("[redacted:".to_owned()),
        Just("\u{200b}".to_owned()),
        Just("\u{1b}[1m".to_owned()),
        "[ -~é😀\n\"\\\\]{0,12}",
        "[0-9 @:=+.-]{0,12}",
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.join(" "))
}

fn tree() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        text().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        Just(json!(4_111_111_111_111_111_u64)),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let key = prop_oneof![
            "[a-z]{1,4}",
            Just("text".to_owned()),
            Just("content".to_owned()),
            Just("structuredContent".to_owned()),
            Just("password".to_owned()),
            Just("a@example.com".to_owned())
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(key, inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Whether texts stayed texts, numbers numbers, and nothing else changed.
fn same_types(before: &Value, after: &Value) -> bool {
    match (before, after) {
        (Value::String(_), Value::String(_)) | (Value::Number(_), Value::Number(_)) => true,
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_types(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            // A member whose name is found is left out.
            b.iter().all(|(key, value)| a.get(key).is_some_and(|old| same_types(old, value)))
                && a.keys().all(|key| b.contains_key(key) || key.contains('@'))
        }
        (a, b) => a == b,
    }
}

const DETECT: [&str; 5] = ["credentials", "email", "phone", "card", "iban"];

/// A string of JSON in which every other character is an escape.
fn escaped(value: &Value) -> String {
    let text = serde_json::to_string(value).unwrap();
    let mut odd = false;
    let mut out = String::new();
    let mut escape = false;
    let mut inside = false;
    for c in text.chars() {
        odd = !odd;
        if c == '"' && !escape {
            inside = !inside;
        }
        if inside && odd && c.is_alphanumeric() && !escape && c.len_utf16() == 1 {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
        escape = c == '\\' && !escape;
    }
    out
}

proptest! {
    #[test]
    fn json_stays_json_with_the_same_types_and_passes_the_second_time(value in tree(), with_escapes in any::<bool>(), action in prop_oneof![Just("mask"), Just("hash")]) {
        let rule = one(&json!({"detect": DETECT, "action": action, "characters": "strip"}));
        let result = if with_escapes { escaped(&value) } else { value.to_string() };
        prop_assume!(serde_json::from_str::<Value>(&result).is_ok_and(|read| read == value));
        let (left, _) = after(&rule, &result).unwrap();
        let read: Value = serde_json::from_str(&left).unwrap();
        if value.is_object() || value.is_array() {
            prop_assert!(same_types(&value, &read), "{} -> {}", result, left);
        }
        prop_assert_eq!(after(&rule, &left), Ok((left.clone(), 0)));
    }

    #[test]
    fn what_is_dropped_leaves_nothing_to_find(value in tree()) {
        let drop = one(&json!({"detect": DETECT, "action": "drop"}));
        let (left, _) = after(&drop, &value.to_string()).unwrap();
        prop_assert!(serde_json::from_str::<Value>(&left).is_ok(), "{}", left);
        prop_assert_eq!(after(&drop, &left), Ok((left.clone(), 0)));
    }

    #[test]
    fn a_stream_gives_the_same_however_it_is_cut(values in prop::collection::vec(tree(), 1..4), cut in 1_usize..40) {
        let rule = one(&json!({"detect": DETECT, "action": "mask"}));
        let event = |result: &str| format!("id: 1\r\nevent: message\r\ndata: {{\"id\":1,\"result\":{result}}}\r\n\r\n");
        let stream: String = values.iter().map(|value| event(&value.to_string())).collect();
        let expected: String = values.iter().map(|value| {
            let (left, _) = after(&rule, &value.to_string()).unwrap();
            let left = left.replace('\u{85}', "\\u0085").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
            event(&left).replace("\r\n", "\n")
        }).collect();
        let mut reader = crate::sanitize::stream::ListStream::new(1 << 20, None).with_plan(Some(Box::new(rule.clone())));
        let mut out = Vec::new();
        for chunk in stream.as_bytes().chunks(cut) {
            reader.feed(chunk, &mut |_: &crate::mcp::operation::Target| true, &mut out).unwrap();
        }
        reader.finish(&mut |_: &crate::mcp::operation::Target| true, &mut out).unwrap();
        prop_assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn a_value_that_is_read_whole_is_found_at_any_place_of_a_text(before in "[ .,\n\"é]{0,8}", behind in "[ ,\n\"]{0,4}") {
        let rule = one(&json!({"detect": DETECT, "action": "mask"}));
        let text = format!("{before} ann@example.com{behind}");
        let (left, count) = after(&rule, &json!([text]).to_string()).unwrap();
        prop_assert_eq!((left.contains("ann@"), count), (false, 1), "{}", left);
    }
}
