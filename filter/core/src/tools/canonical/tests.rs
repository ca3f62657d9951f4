use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn of(text: &str) -> Result<String, Fault> {
    canonical(text.as_bytes(), &mut |_| {}).map(|bytes| String::from_utf8(bytes).unwrap())
}

#[test]
fn the_examples_of_the_rfc_come_out_as_it_says() {
    // RFC 8785 sections 3.2.2 and 3.2.3.
    let example = r#"{
        "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
        "literals": [null, true, false]
    }"#;
    assert_eq!(
        of(example).unwrap(),
        r#"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}"#
    );
    let keys = r#"{"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":7}"#;
    let sorted = "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"ö\":7,\"€\":1,\"😀\":5,\"\u{fb33}\":3}";
    assert_eq!(of(keys).unwrap(), sorted);
}

#[test]
fn numbers_are_written_as_ecmascript_writes_them() {
    // RFC 8785 appendix B, as doubles.
    for (bits, text) in [
        (0x0000_0000_0000_0000, "0"),
        (0x8000_0000_0000_0000, "0"),
        (0x0000_0000_0000_0001, "5e-324"),
        (0x8000_0000_0000_0001, "-5e-324"),
        (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
        (0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308"),
        (0x4340_0000_0000_0000, "9007199254740992"),
        (0xc340_0000_0000_0000, "-9007199254740992"),
        (0x4430_0000_0000_0000, "295147905179352830000"),
        (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
        (0x44b5_2d02_c7e1_4af6, "1e+23"),
        (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
        (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
        (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
        (0x444b_1ae4_d6e2_ef50, "1e+21"),
        (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
        (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
        (0x41b3_de43_5555_5553, "333333333.3333332"),
        (0x41b3_de43_5555_5554, "333333333.33333325"),
        (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
        (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
    ] {
        let value = f64::from_bits(bits);
        assert_eq!(of(&format!("{value:e}")).unwrap(), text);
        assert_eq!(of(text).unwrap(), text);
    }
    for (written, text) in [("1.0", "1"), ("1E2", "100"), ("-0", "0"), ("100e-2", "1"), ("0.10", "0.1")] {
        assert_eq!(of(written).unwrap(), text);
    }
}

#[test]
fn what_readers_read_differently_has_no_canonical_form() {
    for bad in [
        r#"{"a":1,"a":2}"#,
        r#"{"a":{"b":1,"\u0062":2}}"#,
        r#"["\ud800"]"#,
        "1e999",
        "[1] 2",
        "{",
        "\u{feff}{}",
    ] {
        assert!(of(bad).is_err(), "{bad}");
    }
    assert!(of(&format!("{}{}", "[".repeat(200), "]".repeat(200))).is_err());
}

#[test]
fn each_text_is_told_with_its_place_and_member() {
    let document = r#" {"a": ["x", {"tit\u006ce": "y\n"}], "b": "z"} "#;
    let mut told = Vec::new();
    canonical(document.as_bytes(), &mut |passage: &Passage<'_>| {
        let Passage { text, at, member, depth } = *passage;
        assert_eq!(&document[at..at + text.raw().len()], text.raw());
        told.push((text.decode().into_owned(), member.map(|key| key.decode().into_owned()), depth));
    })
    .unwrap();
    let said: Vec<_> =
        told.iter().map(|(text, key, depth)| (text.as_str(), key.as_deref(), *depth)).collect();
    assert_eq!(
        said,
        [
            ("a", None, 1),
            ("x", None, 3),
            ("title", None, 3),
            ("y\n", Some("title"), 4),
            ("b", None, 1),
            ("z", Some("b"), 2)
        ]
    );
}

/// Any JSON, with texts that need escapes and keys beyond the Basic Multilingual Plane.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(|n| Value::from(n >> 11)),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec(("\\PC{0,4}|[\u{e000}-\u{10ffff}]{1,2}", inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The same document, written in another way: members turned round, escapes and spaces where none are needed.
fn otherwise(value: &Value, out: &mut String) {
    let text = |text: &str, out: &mut String| {
        out.push('"');
        for unit in text.encode_utf16() {
            let _ = write!(out, "\\u{unit:04X}");
        }
        out.push('"');
    };
    match value {
        Value::Object(members) => {
            out.push('{');
            for (at, (key, value)) in members.iter().rev().enumerate() {
                out.push_str(if at > 0 { " , " } else { "\n" });
                text(key, out);
                out.push_str(" :\t");
                otherwise(value, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push_str("[ ");
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at > 0 { ",\r\n" } else { "" });
                otherwise(item, out);
            }
            out.push_str(" ]");
        }
        Value::String(said) => text(said, out),
        Value::Number(n) => {
            let _ = write!(out, "{:e}", n.as_f64().unwrap());
        }
        other => out.push_str(&other.to_string()),
    }
}

/// Without its numbers, which `serde_json` reads a little wrong.
fn without_numbers(value: Value) -> Value {
    match value {
        Value::Number(_) => Value::Null,
        Value::Array(items) => items.into_iter().map(without_numbers).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(key, value)| (key, without_numbers(value))).collect()
        }
        other => other,
    }
}

proptest! {
    #[test]
    fn how_it_is_written_does_not_matter_and_what_it_says_stays(value in json()) {
        let one = of(&value.to_string()).unwrap();
        let mut text = String::new();
        otherwise(&value, &mut text);
        prop_assert_eq!(&of(&text).unwrap(), &one, "{}", text);
        prop_assert_eq!(&of(&one).unwrap(), &one, "it is its own canonical form");
        prop_assert_eq!(without_numbers(serde_json::from_str(&one).unwrap()), without_numbers(value));
    }

    #[test]
    fn a_number_stays_the_double_that_it_is(value in any::<f64>().prop_filter("finite", |n| n.is_finite())) {
        let text = of(&format!("{value:e}")).unwrap();
        prop_assert_eq!(text.parse::<f64>().unwrap(), value);
        prop_assert_eq!(of(&text).unwrap(), text);
    }
}
