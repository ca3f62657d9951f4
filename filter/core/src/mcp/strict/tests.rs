use proptest::prelude::*;

use super::*;

/// A JSON text whose keys may repeat.
#[derive(Clone, Debug)]
enum Tree {
    Leaf(String),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

fn judge(bytes: &[u8], rigour: Rigour) -> Result<(), Fault> {
    let mut scanner = Scanner::new(bytes, Scanner::REQUEST_DEPTH, rigour)?;
    scanner.value()?;
    scanner.end()
}

fn strict(text: &str) -> Result<(), Fault> {
    judge(text.as_bytes(), Rigour::EveryLevel)
}

fn trees() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("false".to_owned()),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,4})?([eE][+-]?[0-9]{1,2})?",
        ".{0,6}".prop_map(|s| serde_json::to_string(&s).unwrap()),
    ];
    leaf.prop_map(Tree::Leaf).prop_recursive(5, 60, 20, |inner| {
        let key = prop_oneof![3 => "[a-c]{1,2}", 1 => "\\PC{0,3}"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Tree::List),
            prop::collection::vec((key, inner), 0..20).prop_map(Tree::Map),
        ]
    })
}

impl Tree {
    fn repeats(&self) -> bool {
        match self {
            Self::Leaf(_) => false,
            Self::List(list) => list.iter().any(Self::repeats),
            Self::Map(members) => {
                let keys: std::collections::HashSet<_> = members.iter().map(|(k, _)| k).collect();
                keys.len() < members.len() || members.iter().any(|(_, v)| v.repeats())
            }
        }
    }

    /// Every other key is written with all its characters escaped.
    fn write(&self, out: &mut String, space: &str) {
        let separated = |out: &mut String, first: bool| out.push_str(if first { space } else { "," });
        match self {
            Self::Leaf(text) => out.push_str(text),
            Self::List(list) => {
                out.push('[');
                for (i, item) in list.iter().enumerate() {
                    separated(out, i == 0);
                    item.write(out, space);
                    out.push_str(space);
                }
                out.push(']');
            }
            Self::Map(members) => {
                out.push('{');
                for (i, (key, value)) in members.iter().enumerate() {
                    separated(out, i == 0);
                    if i % 2 == 1 {
                        let units: String = key.encode_utf16().map(|u| format!("\\u{u:04X}")).collect();
                        out.push_str(&format!("\"{units}\""));
                    } else {
                        out.push_str(&serde_json::to_string(key).unwrap());
                    }
                    out.push(':');
                    value.write(out, space);
                    out.push_str(space);
                }
                out.push('}');
            }
        }
    }
}

proptest! {
    #[test]
    fn a_text_is_refused_for_repeats_exactly_when_it_has_some(tree in trees(), space in "[ \t\r\n]{0,2}") {
        let mut text = String::new();
        tree.write(&mut text, &space);
        let expected = if tree.repeats() { Err(Fault::Refused("a repeated key")) } else { Ok(()) };
        prop_assert_eq!(strict(&text), expected, "{}", text);
    }

    #[test]
    fn what_the_scanner_accepts_serde_json_accepts(tree in trees(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut text = String::new();
        tree.write(&mut text, "");
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if judge(&bytes, Rigour::EveryLevel).is_ok() {
            prop_assert!(serde_json::from_slice::<serde_json::Value>(&bytes).is_ok());
        }
    }

    #[test]
    fn a_soup_of_tokens_is_json_for_both_or_for_none(soup in r#"[\[\]{},:" 01e.+a-]{0,12}|(\[|\]|\{|\}|,|:|"a"|"b"|1|null| ){0,14}"#) {
        let theirs = serde_json::from_str::<serde_json::Value>(&soup);
        match strict(&soup) {
            Ok(()) => prop_assert!(theirs.is_ok(), "{}", soup),
            Err(Fault::NotJson(_)) => prop_assert!(theirs.is_err(), "{}", soup),
            Err(Fault::Refused(what)) => prop_assert_eq!(what, "a repeated key"),
        }
    }

    #[test]
    fn strings_decode_as_serde_json_decodes_them(inside in r#"([a-z]|\\u00[0-7][0-9a-f]|\\ud83[d-e]\\ude0[0-9]|\\[nrtbf/"\\]|é|😀){0,8}"#) {
        let text = format!("\"{inside}\"");
        let mut scanner = Scanner::new(text.as_bytes(), 1, Rigour::EveryLevel).unwrap();
        let Kind::Text(ours) = scanner.value().unwrap().kind else { panic!("{text}") };
        let theirs: String = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(ours.decode().into_owned(), theirs.clone());
        prop_assert!(ours.says(&theirs));
    }

    #[test]
    fn the_word_wise_search_finds_what_a_bytewise_one_finds(bytes in prop::collection::vec(prop_oneof![
        Just(b'"'), Just(b'\\'), Just(0x1f), Just(0x20), Just(0x21), Just(0x23), Just(b']'), Just(0xff), any::<u8>()
    ], 0..40)) {
        let found = bytes.iter().position(|b| *b < 0x20 || *b == b'"' || *b == b'\\').unwrap_or(bytes.len());
        prop_assert_eq!(text::ordinary_prefix(&bytes), found);
    }

    #[test]
    fn numbers_are_in_range_for_both_or_for_none(number in "-?(0|[1-9][0-9]{0,3}|[1-9][0-9]{300,320})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,4})?") {
        let theirs = number.parse::<f64>().unwrap().is_finite();
        prop_assert_eq!(strict(&number).is_ok(), theirs, "{}", number);
    }
}

#[test]
fn depth_counts_open_brackets_and_has_an_end() {
    let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    assert_eq!(strict(&nested(64)), Ok(()));
    assert_eq!(strict(&nested(65)), Err(Fault::Refused("nested too deeply")));
    assert_eq!(strict(&"[".repeat(1_000_000)), Err(Fault::Refused("nested too deeply")));
    assert_eq!(strict(&format!("[{0},{0}]", nested(63))), Ok(()), "siblings do not add up");
    assert_eq!(strict(&r#"{"a":"#.repeat(65)), Err(Fault::Refused("nested too deeply")));
}

#[test]
fn bytes_that_are_not_utf8_or_begin_with_a_mark_are_refused() {
    assert_eq!(judge(b"\"\xff\"", Rigour::EveryLevel), Err(Fault::NotJson("not UTF-8")));
    assert_eq!(judge(b"\"\xed\xa0\x80\"", Rigour::EveryLevel), Err(Fault::NotJson("not UTF-8")));
    assert_eq!(judge(b"\xef\xbb\xbf1", Rigour::EveryLevel), Err(Fault::NotJson("a byte order mark")));
    assert_eq!(judge(b"\"\xef\xbb\xbf\"", Rigour::EveryLevel), Ok(()), "inside a string it is a character");
}

#[test]
fn an_answer_may_hold_what_nobody_reads() {
    for text in [r#"{"a":1,"a":2}"#, r#"["\ud83d"]"#, r#"{"\ud83d":1e999}"#] {
        assert!(strict(text).is_err());
        assert_eq!(judge(text.as_bytes(), Rigour::WhereRead), Ok(()), "{text}");
    }
    for text in ["[1,]", r#"["\x"]"#, "[NaN]"] {
        assert!(judge(text.as_bytes(), Rigour::WhereRead).is_err(), "{text}");
    }
}

#[test]
fn the_number_of_open_keys_is_bounded() {
    let members = |n: usize| (0..n).map(|i| format!("\"{i}\":0")).collect::<Vec<_>>().join(",");
    assert_eq!(strict(&format!("{{{}}}", members(Scanner::MAX_OPEN_KEYS))), Ok(()));
    let many = format!("{{{}}}", members(Scanner::MAX_OPEN_KEYS + 1));
    assert_eq!(strict(&many), Err(Fault::Refused("too many members")));
    let apart = format!("[{{{0}}},{{{0}}}]", members(Scanner::MAX_OPEN_KEYS));
    assert_eq!(strict(&apart), Ok(()), "closed objects are forgotten");
}

#[test]
fn spans_are_exact_and_a_caller_that_reads_nothing_gets_no_further() {
    let text = r#" { "a" : [ 1 , {"b": "c"} ] , "d" : -1.5 } "#;
    let mut seen = Vec::new();
    let mut scanner = Scanner::new(text.as_bytes(), 8, Rigour::EveryLevel).unwrap();
    let whole = scanner.object(&["a"], &mut |scanner, key| {
        let value = scanner.value()?;
        seen.push((key.raw(), &text[value.span]));
        Ok(())
    });
    assert_eq!(&text[whole.unwrap()], text.trim());
    assert_eq!(seen, [("a", r#"[ 1 , {"b": "c"} ]"#), ("d", "-1.5")]);
    assert_eq!(scanner.end(), Ok(()));

    let mut scanner = Scanner::new(text.as_bytes(), 8, Rigour::EveryLevel).unwrap();
    assert!(scanner.object(&[], &mut |_, _| Ok(())).is_err());
}
