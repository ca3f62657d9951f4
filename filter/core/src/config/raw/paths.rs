//! How is it written where claims stand? Part of the mirror.

use crate::config::error::{Findings, Place};
use crate::config::read::{Shape, unexpected};
use serde_json::Value;

/// One path of a claim, or several whose values count together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawPaths(pub Vec<String>);

// === impl RawPaths ===

impl Shape for RawPaths {
    fn read(value: &Value, at: &Place, found: &mut Findings) -> Option<Self> {
        match value {
            Value::String(path) => Some(Self(vec![path.clone()])),
            Value::Array(_) => Vec::read(value, at, found).map(Self),
            other => {
                unexpected(other, "the path of a claim, or a list of such paths", at, found);
                None
            }
        }
    }
}

#[cfg(feature = "schema")]
mod schema {
    use super::RawPaths;
    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
    use std::borrow::Cow;

    impl JsonSchema for RawPaths {
        fn schema_name() -> Cow<'static, str> {
            "Paths".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({
                "description": "The path of a claim, or several whose values count together.",
                "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]
            })
        }
    }
}
