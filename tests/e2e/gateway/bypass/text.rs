//! What does a text of the table stand for? Its placeholders filled in, and one member of a JSON value written otherwise.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// What `<name>` stands for.
pub(super) type Words = BTreeMap<&'static str, Vec<u8>>;

/// `text` with every placeholder filled in.
pub(super) fn fill(text: &str, words: &Words) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        out.extend_from_slice(before.as_bytes());
        let end = closing(after).unwrap_or_else(|| panic!("`<` without `>` in {text}"));
        out.extend(placeholder(&after[..end], words));
        rest = &after[end + 1..];
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

/// Where the placeholder that has begun ends; others may stand in it.
fn closing(text: &str) -> Option<usize> {
    let mut open = 1;
    text.bytes().position(|byte| {
        open += i32::from(byte == b'<') - i32::from(byte == b'>');
        open == 0
    })
}

fn placeholder(inside: &str, words: &Words) -> Vec<u8> {
    if let Some(word) = words.get(inside) {
        return word.clone();
    }
    if let Some(digits) = inside.strip_prefix("bytes ") {
        return digits.split(' ').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
    }
    if let Some(text) = inside.strip_prefix("base64 ") {
        return STANDARD.encode(fill(text, words)).into_bytes();
    }
    match inside.split_once(" x ").map(|(times, text)| (times.parse::<usize>(), text)) {
        Some((Ok(times), text)) => fill(text, words).repeat(times),
        _ => panic!("no placeholder: <{inside}>"),
    }
}

/// The words for one key.
pub(super) fn key_words(key: &str) -> Words {
    let folded = |c: char| match c {
        's' => '\u{17f}',
        'k' => '\u{212a}',
        'i' => '\u{131}',
        other => other,
    };
    // Keys may begin with a sign that has no case.
    let first = key.find(|c: char| c.is_ascii_lowercase()).unwrap_or(0);
    let (sign, letters) = key.split_at(first);
    let letter = &letters[..1];
    let begun = format!("{sign}{}{}", letter.to_uppercase(), &letters[1..]);
    let escaped = format!("{sign}\\u{:04x}{}", letter.as_bytes()[0], &letters[1..]);
    Words::from([
        ("key", key.as_bytes().to_vec()),
        ("KEY", key.to_uppercase().into_bytes()),
        ("Key", begun.into_bytes()),
        ("escaped", escaped.into_bytes()),
        ("folded", key.chars().map(folded).collect::<String>().into_bytes()),
    ])
}

/// `value` as JSON, with `instead` where the member at `path` stands (key and value).
pub(super) fn with_member(value: &Value, path: &[String], instead: &[u8]) -> Vec<u8> {
    let (key, deeper) = path.split_first().unwrap();
    let members = value.as_object().unwrap_or_else(|| panic!("no object above {path:?}"));
    assert!(members.contains_key(key), "no member {path:?}");
    let written = members.iter().map(|(name, member)| {
        if name != key {
            return format!("{}:{member}", Value::from(name.as_str())).into_bytes();
        }
        if deeper.is_empty() {
            return instead.to_vec();
        }
        [format!("{}:", Value::from(name.as_str())).into_bytes(), with_member(member, deeper, instead)]
            .concat()
    });
    let written: Vec<Vec<u8>> = written.collect();
    [b"{".as_slice(), &written.join(&b','), b"}"].concat()
}

#[test]
fn texts_are_filled_in() {
    let words = key_words("_meta");
    let filled = |text| String::from_utf8(fill(text, &words)).unwrap();
    assert_eq!(
        filled(r#"{"<key>":1,"<KEY>":2,"<Key>":3,"<escaped>":4}"#),
        r#"{"_meta":1,"_META":2,"_Meta":3,"_\u006deta":4}"#
    );
    assert_eq!(filled("<3 x [<2 x <bytes 41>>]><base64 a>"), "[AA][AA][AA]YQ==");
    assert_eq!(key_words("uris")["folded"], "ur\u{131}\u{17f}".as_bytes());
    let value = serde_json::json!({"a": {"b": 1, "c": [2]}, "d": "<"});
    let written = with_member(&value, &["a".into(), "b".into()], b"\"B\":\xff");
    assert_eq!(written, b"{\"a\":{\"B\":\xff,\"c\":[2]},\"d\":\"<\"}");
}
