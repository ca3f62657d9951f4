//! How is a size written? Part of the mirror.

use crate::config::error::{Findings, Place};
use crate::config::read::{Shape, unexpected};
use serde_json::Value;

/// A size: a number of bytes, or a text such as `64KiB` or `1MiB`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawSize(pub String);

// === impl RawSize ===

impl Shape for RawSize {
    fn read(value: &Value, at: &Place, found: &mut Findings) -> Option<Self> {
        match value {
            Value::Number(bytes) if bytes.is_u64() => Some(Self(bytes.to_string())),
            Value::String(size) => Some(Self(size.clone())),
            other => {
                unexpected(other, "a number of bytes or a size such as 1MiB", at, found);
                None
            }
        }
    }
}

#[cfg(feature = "schema")]
mod schema {
    use super::RawSize;
    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
    use std::borrow::Cow;

    impl JsonSchema for RawSize {
        fn schema_name() -> Cow<'static, str> {
            "Size".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({
                "description": "A size: a number of bytes, or a text such as `64KiB` or `1MiB`.",
                "anyOf": [
                    {"type": "integer", "minimum": 1},
                    {"type": "string", "pattern": "^([0-9]+(B|KiB|MiB|GiB)?|.*\\$\\{.*\\}.*)$"}
                ]
            })
        }
    }
}
