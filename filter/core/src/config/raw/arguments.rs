//! How is written what arguments must be? Part of the mirror.

use crate::config::error::{Findings, Place};
use crate::config::read::{Shape, mapping, unexpected};
use serde_json::{Number, Value};

/// What one argument must be: all of it.
#[derive(Clone, Debug, Default)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, rename = "Argument")
)]
pub struct RawArgument {
    /// Whether it must be there; where the path leads through a list, in each of its items. Default: it may be absent.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub required: bool,
    /// Whether `null` counts as absent. Default: it is a value, which most of these refuse.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub nullable: bool,
    /// Its type, or several: `string`, `number`, `integer`, `boolean`, `array`, `object`, `null`. `1.0` is an integer.
    pub r#type: Option<RawTexts>,
    /// One of these texts, numbers and truth values.
    pub one_of: Option<Vec<RawScalar>>,
    /// This value and no other; it must be there. Nothing is rewritten: other calls are refused.
    pub pin: Option<RawScalar>,
    /// A number, not smaller. Compared exactly.
    pub min: Option<Number>,
    /// A number, not greater. Compared exactly.
    pub max: Option<Number>,
    /// A text of so many characters at least.
    pub min_length: Option<u32>,
    /// A text of so many characters at most.
    pub max_length: Option<u32>,
    /// A list of so many items at least.
    pub min_items: Option<u32>,
    /// A list of so many items at most.
    pub max_items: Option<u32>,
    /// A text of at most 16 KiB that matches this regular expression: as a whole in an allow rule, anywhere in a deny rule.
    /// Needs the module with regular expressions.
    pub pattern: Option<String>,
    /// The path of a file at or below this folder, or one of these: `/srv/notes` for absolute paths, `notes` or `.` for
    /// relative ones. Paths that not everybody reads alike lie nowhere.
    pub within: Option<RawTexts>,
    /// A URL to one of these hosts: `api.example.com`, `*.example.org` for all names below it, an IP address, `*`; with a
    /// port, or without for that of the scheme (in a deny rule: for all). URLs that not everybody reads alike lead nowhere.
    pub hosts: Option<Vec<String>>,
    /// Of `hosts`: `deny` refuses addresses and names that are not public (private, loopback, link-local, metadata services,
    /// names without a dot); where a public name leads, nobody knows here. Default `deny`.
    pub private: Option<String>,
    /// Of `hosts`: `allow` admits international names in their ASCII form (`xn--`), which may look like others; in
    /// Unicode none is. Default `deny`.
    pub punycode: Option<String>,
    /// Of `hosts`: the schemes of the URL. Default `[https]`.
    pub schemes: Option<Vec<String>>,
}

mapping!(
    RawArgument,
    "a mapping such as {max: 100}",
    [],
    [
        required, nullable, r#type, one_of, pin, min, max, min_length, max_length, min_items, max_items,
        pattern, within, hosts, private, punycode, schemes
    ]
);

/// A text, a number, or a truth value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RawScalar {
    /// A text.
    Text(String),
    /// A number.
    Number(Number),
    /// `true` or `false`.
    Boolean(bool),
}

/// One text or a list of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawTexts(pub Vec<String>);

// === impl RawScalar ===

impl Shape for RawScalar {
    fn read(value: &Value, at: &Place, found: &mut Findings) -> Option<Self> {
        match value {
            Value::String(text) => Some(Self::Text(text.clone())),
            Value::Number(number) => Some(Self::Number(number.clone())),
            Value::Bool(flag) => Some(Self::Boolean(*flag)),
            other => {
                unexpected(other, "a text, a number, true or false", at, found);
                None
            }
        }
    }
}

// === impl RawTexts ===

impl Shape for RawTexts {
    fn read(value: &Value, at: &Place, found: &mut Findings) -> Option<Self> {
        match value {
            Value::String(text) => Some(Self(vec![text.clone()])),
            Value::Array(_) => Vec::read(value, at, found).map(Self),
            other => {
                unexpected(other, "a text or a list", at, found);
                None
            }
        }
    }
}

#[cfg(feature = "schema")]
mod schema {
    use super::{RawScalar, RawTexts};
    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
    use std::borrow::Cow;

    impl JsonSchema for RawScalar {
        fn schema_name() -> Cow<'static, str> {
            "Scalar".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({"description": "A text, a number, or a truth value.", "type": ["string", "number", "boolean"]})
        }
    }

    impl JsonSchema for RawTexts {
        fn schema_name() -> Cow<'static, str> {
            "Texts".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({
                "description": "One text, or a list of them.",
                "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]
            })
        }
    }
}
