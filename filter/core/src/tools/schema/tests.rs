//! What the official cases (`tests/json_schema.rs`) leave open: bounds, places, and answers that nobody can give.

use super::*;
use crate::tools::schema::Told::{Invalid, Unknown, Valid};
use proptest::prelude::*;
use serde_json::{Value, json};

fn told(schema: &Value, instance: &Value) -> Told {
    Schema::compile(schema.to_string().as_bytes()).unwrap().validate(instance.to_string().as_bytes()).unwrap()
}

#[test]
fn a_fault_says_where_it_is_in_words_of_the_schema() {
    let schema = json!({
        "type": "object",
        "properties": {
            "filter": {"type": "object", "properties": {"limit": {"maximum": 10}}, "required": ["kind"]},
            "items": {"type": "array", "items": {"$ref": "#/$defs/item"}, "uniqueItems": true},
            "free": {"additionalProperties": {"type": "string"}},
            "either": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
        "required": ["filter"],
        "additionalProperties": false,
        "$defs": {"item": {"properties": {"url": {"type": "string", "maxLength": 3}}}},
    });
    for (instance, path, keyword) in [
        (json!({}), "filter", "required"),
        (json!([]), "", "type"),
        (json!({"filter": {"kind": 1, "limit": 11}}), "filter.limit", "maximum"),
        (json!({"filter": {}}), "filter.kind", "required"),
        (json!({"filter": {"kind": 1}, "secret": 1}), "", "additionalProperties"),
        (json!({"filter": {"kind": 1}, "items": [{}, {"url": "long"}]}), "items[1].url", "maxLength"),
        (json!({"filter": {"kind": 1}, "items": [1, 1.0]}), "items", "uniqueItems"),
        (json!({"filter": {"kind": 1}, "free": {"secret": 1}}), "free.*", "type"),
        (json!({"filter": {"kind": 1}, "either": 1}), "either", "anyOf"),
    ] {
        let Invalid(fault) = told(&schema, &instance) else { panic!("{instance}") };
        assert_eq!((fault.path().as_str(), fault.keyword), (path, keyword), "{instance}");
    }
    assert_eq!(told(&schema, &json!({"filter": {"kind": 1}, "items": [{"url": "abc"}, 1, "1"]})), Valid);
}

#[test]
fn what_is_not_understood_is_never_guessed_at() {
    let strange = json!({"unevaluatedProperties": false});
    for (schema, instance, expected) in [
        (json!({"unevaluatedProperties": false}), json!({}), "unknown"),
        (json!({"unevaluatedProperties": false, "type": "object"}), json!(1), "invalid"),
        (json!({"not": strange}), json!({}), "unknown"),
        (json!({"anyOf": [strange, {"type": "object"}]}), json!({}), "valid"),
        (json!({"anyOf": [strange, {"type": "string"}]}), json!({}), "unknown"),
        (json!({"oneOf": [strange, {"type": "object"}]}), json!({}), "unknown"),
        (json!({"oneOf": [{"type": "object"}, strange, {"minProperties": 0}]}), json!({}), "invalid"),
        (json!({"allOf": [strange, {"type": "string"}]}), json!({}), "invalid"),
        (json!({"if": strange, "then": {"type": "string"}, "else": {"type": "null"}}), json!({}), "invalid"),
        (json!({"if": strange, "then": {"type": "string"}}), json!({}), "unknown"),
        (json!({"if": strange, "then": true}), json!({}), "valid"),
        (json!({"contains": strange}), json!([1]), "unknown"),
        (json!({"contains": strange}), json!([]), "invalid"),
        (json!({"$ref": "https://example.com/other"}), json!({}), "unknown"),
        (json!({"$ref": "#anchor"}), json!({}), "unknown"),
        (json!({"$ref": "#/$defs/none"}), json!({}), "unknown"),
        (json!({"$dynamicRef": "#x"}), json!({}), "unknown"),
        (json!({"properties": {"a": {"$id": "https://x.example/"}}}), json!({"a": 1}), "unknown"),
        (json!({"items": [{"type": "string"}]}), json!([1]), "unknown"),
        (json!({"exclusiveMinimum": true, "minimum": 1}), json!(1), "unknown"),
        (json!({"type": "text"}), json!(1), "unknown"),
        (json!({"$schema": "http://json-schema.org/draft-04/schema#"}), json!(1), "unknown"),
        (
            json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "x-order": 1, "format": "email"}),
            json!(1),
            "valid",
        ),
        (json!({"pattern": "(?=a)"}), json!("a"), "unknown"),
        (
            json!({"patternProperties": {"(?=a)": {}}, "additionalProperties": false}),
            json!({"a": 1}),
            "unknown",
        ),
    ] {
        let told = match told(&schema, &instance) {
            Valid => "valid",
            Invalid(_) => "invalid",
            Unknown => "unknown",
        };
        assert_eq!(told, expected, "{schema} {instance}");
        let understood = Schema::compile(schema.to_string().as_bytes()).unwrap().is_understood();
        if told == "unknown" {
            assert!(!understood, "{schema}");
        }
    }
}

#[test]
fn hostile_schemas_are_refused_or_make_bounded_work() {
    let compile = |schema: &Value| Schema::compile(schema.to_string().as_bytes());
    let many: Vec<Value> = (0..Schema::MAX_NODES).map(|_| json!({})).collect();
    assert!(compile(&json!({"anyOf": many})).is_err(), "too many schemas");
    let mut deep = json!({});
    for _ in 0..70 {
        deep = json!({"not": deep});
    }
    assert!(compile(&deep).is_err(), "too deep");
    assert!(compile(&json!({"description": "x".repeat(Schema::MAX_BYTES)})).is_err(), "too long");
    for text in [
        "",
        "1",
        "[]",
        "{",
        "{\"type\":\"object\",\"type\":\"string\"}",
        "{\"not\":1}",
        "{\"properties\":{\"a\":3}}",
    ] {
        assert!(Schema::compile(text.as_bytes()).is_err(), "{text}");
    }
    let instance = |schema: &Value, text: &str| compile(schema).unwrap().validate(text.as_bytes());
    assert_eq!(instance(&json!({"$ref": "#"}), "1"), Err(TooMuch), "a reference to itself");
    let ring =
        json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}});
    assert_eq!(instance(&ring, "1"), Err(TooMuch));
    // Each level asks the next twice.
    let mut doubling = serde_json::Map::new();
    for at in 0..20 {
        let next = json!({"$ref": format!("#/$defs/n{}", at + 1)});
        doubling.insert(format!("n{at}"), json!({"allOf": [next, next]}));
    }
    doubling.insert("n20".into(), json!({}));
    assert_eq!(instance(&json!({"$ref": "#/$defs/n0", "$defs": doubling.clone()}), "1"), Err(TooMuch));
    doubling_over_much_is_bounded(&doubling);
    let long = format!("[{}]", vec!["0"; Schema::MAX_VALUES].join(","));
    assert_eq!(instance(&json!({}), &long), Err(TooMuch), "too many values");
    let tree =
        json!({"properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}, "additionalProperties": false});
    assert_eq!(
        instance(&tree, r#"{"left":{"right":{}},"right":{}}"#),
        Ok(Valid),
        "recursion down a value is fine"
    );
}

/// A thousand looks at one value cost a thousand times its size, whatever looks.
fn doubling_over_much_is_bounded(doubling: &serde_json::Map<String, Value>) {
    const SIZE: usize = 4_000;
    let members: serde_json::Map<_, _> = (0..SIZE).map(|at| (format!("m{at}"), json!(0))).collect();
    let items = json!(vec![0; SIZE]);
    let alike: Vec<Value> = (0..20).map(|last| json!([vec![0; SIZE / 10], last])).collect();
    for (leaf, value) in [
        (json!({"properties": {"a": {}}}), json!(members)),
        (json!({"not": {"propertyNames": false}}), json!(members)),
        (json!({"const": items}), items.clone()),
        (json!({"enum": alike}), alike[19].clone()),
        (json!({"uniqueItems": true}), json!([items, [items], 1])),
    ] {
        let text = value.to_string();
        let compiled = Schema::compile(leaf.to_string().as_bytes()).unwrap();
        let mut work = Schema::MAX_WORK;
        assert_eq!(compiled.validate_within(text.as_bytes(), &mut work), Ok(Valid), "{leaf:.60}");
        assert!(Schema::MAX_WORK - work >= SIZE, "{leaf:.60}");
        let mut leaves = doubling.clone();
        leaves.insert("n20".into(), leaf);
        let doubled = json!({"$ref": "#/$defs/n10", "$defs": leaves});
        let doubled = Schema::compile(doubled.to_string().as_bytes()).unwrap();
        assert_eq!(doubled.validate_within(text.as_bytes(), &mut work), Err(TooMuch));
        assert_eq!(work, 0, "nothing is left");
    }
}

#[test]
fn what_is_looked_at_is_paid_for_and_no_more_of_it_is() {
    let mut names = vec!["integer"; 5_000];
    names.push("null");
    let types = json!({"items": {"type": names}});
    let types = Schema::compile(types.to_string().as_bytes()).unwrap();
    let hundred = json!(vec![Value::Null; 100]).to_string();
    assert_eq!(types.validate(hundred.as_bytes()), Err(TooMuch), "types said again and again");
    let zeros = json!([0, [1, "x".repeat(3_000)], {"a": [0, 0], "b": 0}]).to_string();
    let tree = Tree::read(zeros.as_bytes(), 9, 100).unwrap();
    let whole = tree.weight();
    assert_eq!(whole, 14, "three values and what is in them, a text of three thousand bytes, two names");
    for most in 0..whole + 3 {
        assert_eq!(tree.weight_within(most), whole.min(most), "{most}");
    }
}

#[test]
fn a_place_that_is_very_long_is_no_place() {
    let below = |name: &str| json!({"properties": {name: {"allOf": [true, true]}}}).to_string();
    assert!(Schema::compile(below(&"x".repeat(900)).as_bytes()).is_ok());
    assert_eq!(Schema::compile(below(&"~".repeat(900)).as_bytes()).map(drop), Err(Unusable));
}

#[cfg(feature = "regex")]
#[test]
fn patterns_make_bounded_work() {
    let schema = json!({"items": {"pattern": "^(a|aa)*b$"}});
    let compiled = Schema::compile(schema.to_string().as_bytes()).unwrap();
    let text = "a".repeat(4096);
    assert!(matches!(compiled.validate(json!([text]).to_string().as_bytes()), Ok(Invalid(_))));
    let other = "a".repeat(4096) + "b";
    let many = json!(vec![other; 10]);
    assert_eq!(compiled.validate(many.to_string().as_bytes()), Err(TooMuch));
    for large in [".{1,100000}", &"a".repeat(20_000), "((((a{9}){9}){9}){9})"] {
        let schema = json!({"pattern": large});
        assert_eq!(told(&schema, &json!("b")), Unknown, "{large:.20}");
    }
}

proptest! {
    /// Any text as a schema, any as a value: an answer or a refusal, and the same with a schema that is indented.
    #[test]
    fn nothing_breaks_the_validator(
        schema in "[\\[\\]{}\":,a-c0-9.]{0,40}",
        keyword in prop::sample::select(&["type", "enum", "not", "items", "properties", "allOf", "$ref", "if", "multipleOf", "required"][..]),
        value in "(\"[a#/]{0,3}\"|[0-9]{1,3}|true|\\[\\]|\\{\\}|\\[\\{\\}\\]|\\{\"a\":\\{\\}\\})",
        instance in "(\"[a#/]{0,3}\"|-?[0-9]{1,3}|true|\\[1,1\\]|\\{\\}|\\{\"a\":1\\})",
    ) {
        for text in [schema, format!("{{\"{keyword}\":{value}}}")] {
            if let Ok(schema) = Schema::compile(text.as_bytes()) {
                let first = schema.validate(instance.as_bytes());
                if let Ok(again) = Schema::compile(format!(" {text}\n").as_bytes()) {
                    prop_assert_eq!(again.validate(format!(" {instance} ").as_bytes()), first);
                }
            }
        }
    }
}
