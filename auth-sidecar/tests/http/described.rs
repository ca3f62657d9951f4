//! Does a description of an API say what the listener does?

use serde_json::{Value, json};

use crate::world::World;

/// Checks the keywords that the document uses, so that a schema with another one fails here.
pub(crate) fn assert_matches(document: &Value, schema: &Value, value: &Value) {
    for (keyword, operand) in schema.as_object().unwrap() {
        match keyword.as_str() {
            "$ref" => {
                assert_matches(document, document.pointer(&operand.as_str().unwrap()[1..]).unwrap(), value)
            }
            "const" => assert_eq!(operand, value),
            "type" => {
                assert!(types(operand).iter().any(|name| is_of_type(name, value)), "{value} is no {operand}")
            }
            "items" => value
                .as_array()
                .into_iter()
                .flatten()
                .for_each(|item| assert_matches(document, operand, item)),
            "required" => operand
                .as_array()
                .unwrap()
                .iter()
                .for_each(|key| assert!(value.get(key.as_str().unwrap()).is_some(), "{key}")),
            "properties" => {
                for (key, member) in value.as_object().unwrap() {
                    let schema = operand.get(key).unwrap_or_else(|| panic!("{key} is not described"));
                    assert_matches(document, schema, member);
                }
            }
            "additionalProperties" => assert_eq!(operand, &json!(false)),
            "minimum" => assert!(value.as_u64() >= operand.as_u64(), "{value} is below {operand}"),
            "maximum" => assert!(value.as_u64() <= operand.as_u64(), "{value} is above {operand}"),
            "minItems" => assert!(value.as_array().map(Vec::len) >= as_size(operand), "{value}"),
            "maxItems" => assert!(value.as_array().map(Vec::len) <= as_size(operand), "{value}"),
            "pattern" => assert!(is_matched(operand, value), "{value} is not {operand}"),
            "description" => {}
            other => panic!("the test does not know the keyword {other}"),
        }
    }
}

fn as_size(operand: &Value) -> Option<usize> {
    operand.as_u64().map(|size| usize::try_from(size).unwrap())
}

/// The one pattern that stands in a description: a number of hexadecimal digits.
fn is_matched(pattern: &Value, value: &Value) -> bool {
    let digits =
        pattern.as_str().unwrap().strip_prefix("^[0-9a-f]{").and_then(|rest| rest.strip_suffix("}$"));
    let digits: usize = digits.unwrap_or_else(|| panic!("the test does not know {pattern}")).parse().unwrap();
    let text = value.as_str().unwrap();
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn types(operand: &Value) -> Vec<&str> {
    match operand {
        Value::String(one) => vec![one],
        many => many.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect(),
    }
}

fn is_of_type(name: &str, value: &Value) -> bool {
    match name {
        "string" => value.is_string(),
        "integer" => value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the test does not know the type {other}"),
    }
}

pub(crate) fn schema<'a>(document: &'a Value, name: &str) -> &'a Value {
    &document["components"]["schemas"][name]
}

/// Every operation of the document answers as described when it is asked with nothing, no other method of its paths exists, and the
/// routes in the source of the listener are these paths.
pub(crate) async fn assert_complete(world: &World, document: &Value, base: &str, source: &str) {
    let mut described = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in ["get", "post", "put", "patch", "delete"] {
            let request = world.http.request(method.to_uppercase().parse().unwrap(), format!("{base}{path}"));
            let status = request.send().await.unwrap().status().as_u16();
            let responses = operations.get(method).map(|operation| &operation["responses"]);
            match responses {
                Some(responses) => {
                    assert!(responses.get(status.to_string()).is_some(), "{method} {path}: {status}")
                }
                None => assert_eq!(status, 405, "{method} {path} is not described"),
            }
        }
        described.push(path.clone());
    }
    // So that a new one cannot be forgotten in the document.
    let named = source.split(".route(\"").skip(1).map(|rest| rest.split_once('"').unwrap().0.to_owned());
    // What takes the rest of a path is a parameter like others there; health is described elsewhere.
    let health = ["/livez", "/readyz", "/healthz", "/health"];
    let mut routes: Vec<String> =
        named.filter(|path| !health.contains(&path.as_str())).map(|path| path.replace("{*", "{")).collect();
    routes.sort();
    described.sort();
    assert_eq!(routes, described);
}
