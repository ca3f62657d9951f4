//! Which configuration is in force? A digest that does not depend on spacing or on the order of keys.

use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fmt::Write;

use crate::order;

/// SHA-256, lower-case hexadecimal, of `config` with sorted keys and without spaces.
pub(crate) fn digest(config: &Value) -> String {
    let mut text = String::new();
    write_canonical(&mut text, config);
    Sha256::digest(text.as_bytes()).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Sorted here and not by serde_json, whose order depends on a feature that another crate may switch on.
fn write_canonical(out: &mut String, value: &Value) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_canonical(out, item);
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut sorted: Vec<&str> = members.keys().map(String::as_str).collect();
            order::each_once(&mut sorted);
            out.push('{');
            for (at, key) in sorted.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                out.push_str(&serde_json::to_string(key).unwrap_or_default());
                out.push(':');
                write_canonical(out, members.get(key).unwrap_or(&Value::Null));
            }
            out.push('}');
        }
        // Of a scalar this cannot fail.
        scalar => out.push_str(&serde_json::to_string(scalar).unwrap_or_default()),
    }
}
