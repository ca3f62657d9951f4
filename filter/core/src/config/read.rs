//! Does the document have the shape of a configuration? Every key and type judged, with all faults at once.

use super::error::{Findings, Place, nearest};
use crate::json::{Fault, Step};
use serde_json::{Map, Number, Value};

/// What has a shape in the document.
pub(crate) trait Shape: Sized {
    /// Reads it. `None` when `value` is something else; the findings then say what, and where.
    fn read(value: &Value, at: &Place, found: &mut Findings) -> Option<Self>;
}

/// A mapping whose keys are names that the document makes up, in their order.
#[derive(Clone, Debug, Default)]
pub struct Named<T>(pub Vec<(String, T)>);

/// The members of a mapping while it is read, key by key in the order of those that are known.
pub(crate) struct Members<'v> {
    map: &'v Map<String, Value>,
    at: &'v Place,
    known: std::slice::Iter<'static, &'static str>,
}

/// Gives a struct the shape of a mapping: what a document may hold in its place, the keys that must be there, those that
/// may; no others are known.
macro_rules! mapping {
    ($name:ident, $expected:literal, [$($required:ident),*], [$($optional:ident),*]) => {
        impl $crate::config::read::Shape for $name {
            fn read(
                value: &serde_json::Value,
                at: &$crate::config::error::Place,
                found: &mut $crate::config::error::Findings,
            ) -> Option<Self> {
                const KNOWN: &[&str] = &[$(stringify!($required),)* $(stringify!($optional)),*];
                let mut members = $crate::config::read::Members::of(value, at, $expected, KNOWN, found)?;
                $(let $required = members.required(found);)*
                $(let $optional = members.optional(found);)*
                Some(Self { $($required: $required?,)* $($optional),* })
            }
        }
    };
}
pub(crate) use mapping;

/// Reads the whole document. `None` when it cannot be told what it means; the findings then say why.
pub(crate) fn read<T: Shape>(document: &Value, found: &mut Findings) -> Option<T> {
    T::read(document, &Place::default(), found).filter(|_| found.errors.is_empty())
}

/// The place of a fault that the JSON parser found.
pub(crate) fn locate(fault: &Fault) -> Place {
    fault.path.iter().fold(Place::default(), |at, step| match step {
        Step::Member(key) => at.key(key),
        Step::Item(index) => at.index(*index),
    })
}

/// Reports that `value` is not what is `expected`.
pub(crate) fn unexpected(value: &Value, expected: &str, at: &Place, found: &mut Findings) {
    let what = match value {
        // A slip of indentation, mostly.
        Value::Null => return found.error(at, "has no value: give one, or leave the key out"),
        Value::Bool(b) => format!("boolean `{b}`"),
        Value::Number(n) if n.is_f64() => format!("floating point `{n}`"),
        Value::Number(n) => format!("integer `{n}`"),
        Value::String(s) => format!("the text {s:?}"),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a mapping".to_owned(),
    };
    found.error(at, format!("expected {expected}, found {what}"));
}

// === impl Shape ===

impl Shape for String {
    fn read(value: &Value, at: &Place, found: &mut Findings) -> Option<Self> {
        let text = value.as_str().map(str::to_owned);
        if text.is_none() {
            unexpected(value, "a text", at, found);
        }
        text
    }
}

impl Shape for bool {
    fn read(value: &Value, at: &Place, found: &mut Findings) -> Option<Self> {
        if !value.is_boolean() {
            unexpected(value, "true or false", at, found);
        }
        value.as_bool()
    }
}

impl Shape for u32 {
    fn read(value: &Value, at: &Place, found: &mut Findings) -> Option<Self> {
        let number = value.as_u64().and_then(|n| n.try_into().ok());
        if number.is_none() {
            unexpected(value, "a whole number from 0 to 4294967295", at, found);
        }
        number
    }
}

impl Shape for Number {
    fn read(value: &Value, at: &Place, found: &mut Findings) -> Option<Self> {
        let number = value.as_number().cloned();
        if number.is_none() {
            unexpected(value, "a number", at, found);
        }
        number
    }
}

impl<T: Shape> Shape for Named<T> {
    fn read(value: &Value, at: &Place, found: &mut Findings) -> Option<Self> {
        let Value::Object(members) = value else {
            unexpected(value, "a mapping", at, found);
            return None;
        };
        let mut read = Vec::with_capacity(members.len());
        for (key, value) in members {
            read.extend(T::read(value, &at.key(key), found).map(|value| (key.clone(), value)));
        }
        (read.len() == members.len()).then_some(Self(read))
    }
}

impl<T: Shape> Shape for Option<T> {
    fn read(value: &Value, at: &Place, found: &mut Findings) -> Option<Self> {
        T::read(value, at, found).map(Some)
    }
}

impl<T: Shape> Shape for Vec<T> {
    fn read(value: &Value, at: &Place, found: &mut Findings) -> Option<Self> {
        let Value::Array(items) = value else {
            unexpected(value, "a list", at, found);
            return None;
        };
        let mut read = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            read.extend(T::read(item, &at.index(index), found));
        }
        (read.len() == items.len()).then_some(read)
    }
}

// === impl Members ===

impl<'v> Members<'v> {
    /// The members of `value`, all of them `known`. `None` if it is no mapping; an unknown key is a finding only.
    pub(crate) fn of(
        value: &'v Value,
        at: &'v Place,
        expected: &str,
        known: &'static [&'static str],
        found: &mut Findings,
    ) -> Option<Self> {
        let Value::Object(map) = value else {
            unexpected(value, expected, at, found);
            return None;
        };
        let names: Vec<&str> = known.iter().map(|key| plain(key)).collect();
        for key in map.keys().filter(|key| !names.contains(&key.as_str())) {
            let message = format!("unknown key `{key}`; known here: {}", names.join(", "));
            found.suggest(&at.key(key), message, nearest(key, names.iter().copied()));
        }
        Some(Self { map, at, known: known.iter() })
    }

    /// The next of those that are known and its place, if it is there. In a function of its own for all of them: what
    /// follows is in the module once for each type.
    #[inline(never)]
    fn next(&mut self, missing: Option<&mut Findings>) -> Option<(&'v Value, Place)> {
        let key = self.known.next().map_or("", |key| plain(key));
        let value = self.map.get(key);
        if let (None, Some(found)) = (value, missing) {
            found.error(self.at, format!("the key `{key}` is missing"));
        }
        value.map(|value| (value, self.at.key(key)))
    }

    pub(crate) fn required<T: Shape>(&mut self, found: &mut Findings) -> Option<T> {
        self.next(Some(found)).and_then(|(value, at)| T::read(value, &at, found))
    }

    /// The default if it is absent, and if it cannot be read.
    pub(crate) fn optional<T: Shape + Default>(&mut self, found: &mut Findings) -> T {
        self.next(None).and_then(|(value, at)| T::read(value, &at, found)).unwrap_or_default()
    }
}

/// The name of a field in the document: Rust's mark of a keyword is not part of it.
fn plain(field: &'static str) -> &'static str {
    field.trim_start_matches("r#")
}

#[cfg(feature = "schema")]
impl<T: schemars::JsonSchema> schemars::JsonSchema for Named<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("Named{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let inner = generator.subschema_for::<T>();
        schemars::json_schema!({"type": "object", "additionalProperties": inner})
    }
}
