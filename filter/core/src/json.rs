//! What does this JSON say, when nobody may read it differently? Like `serde_json::Value`, but a member that stands
//! twice is an error: `serde_json` alone keeps the last one, other readers the first (RFC 8259 section 4).

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Why it is not sound, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The members and items that lead there, in the order of the document.
    pub(crate) path: Vec<Step>,
    /// What the parser says, with line and column.
    pub(crate) message: String,
}

/// One step into a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Member(String),
    Item(usize),
}

/// Reads one value; leaves `path` where it stood when it failed.
struct Unique<'p> {
    path: &'p mut Vec<Step>,
}

/// Parses `bytes`: one value, in which every object has each member once, at any depth.
///
/// # Errors
/// Not UTF-8, not JSON, trailing bytes, a repeated member, more than 128 levels (`serde_json`'s own bound).
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, Fault> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let mut path = Vec::new();
    let read = Unique { path: &mut path }.deserialize(&mut json).and_then(|value| json.end().map(|()| value));
    read.map_err(|e| Fault { path, message: e.to_string() })
}

/// The members of the one JSON object that `bytes` hold.
///
/// # Errors
/// As [`parse`], or not an object.
pub(crate) fn object(bytes: &[u8]) -> Result<Map<String, Value>, ()> {
    match parse(bytes) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(()),
    }
}

// === impl Unique ===

impl<'de> DeserializeSeed<'de> for Unique<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(Value::from(v))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(Value::from(v))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(Value::from(v))
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::String(v.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        loop {
            self.path.push(Step::Item(list.len()));
            let Some(item) = items.next_element_seed(Unique { path: self.path })? else { break };
            self.path.pop();
            list.push(item);
        }
        self.path.pop();
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(A::Error::custom(format_args!("the key `{key}` stands twice")));
            }
            self.path.push(Step::Member(key.clone()));
            let value = members.next_value_seed(Unique { path: self.path })?;
            self.path.pop();
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_member_is_refused_at_any_depth_and_in_any_spelling() {
        assert!(object(br#"{"a":1,"b":[{"c":{}}]}"#).is_ok());
        for bad in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"b":[{"c":1,"c":2}]}"#,
            r#"{"a":1} x"#,
            r#"{"a":1e999}"#,
            "[1]",
            "\"a\"",
            "",
        ] {
            assert!(object(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(object(b"{\"a\":\"\xff\"}").is_err());
        assert!(object(format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200)).as_bytes()).is_err());
    }

    #[test]
    fn a_fault_says_where_it_is() {
        let inner = vec![Step::Member("a".to_owned()), Step::Item(1)];
        let fault = parse(br#"{"a": [{"b": [0]}, {"c": 1, "c": 2}]}"#).unwrap_err();
        assert_eq!(fault.path, inner);
        assert_eq!(fault.message, "the key `c` stands twice at line 1 column 31");
        assert_eq!(parse(br#"{"a": [[1, 2], [] "#).unwrap_err().path[..1], inner[..1]);
        assert_eq!(parse(br#"{"a": {"b": []}} x"#).unwrap_err().path, []);
    }
}
