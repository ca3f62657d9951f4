//! From the user's document to a [`Guard`], or to everything that is wrong with it.
//!
//! `read` turns the JSON into the mirror in `raw`, `compile` and the files beside it judge the meaning.
//! Nothing unknown is accepted; nothing is half applied.

mod arguments;
mod asks;
mod calls;
mod captures;
mod certificates;
mod compile;
mod content;
mod credential;
mod destination;
mod digest;
mod dispatch;
mod dpop;
#[cfg(feature = "edge")]
pub mod edge;
pub mod error;
mod history;
mod issuers;
mod layers;
mod leases;
mod limits;
mod metadata;
mod methods;
mod obligations;
mod opa;
pub mod raw;
mod read;
mod rego;
mod rules;
mod servers;
mod tools;
pub mod units;
mod url;
mod who;

pub use compile::{Compiled, compile};
pub use error::{ConfigError, ConfigWarning};

use crate::guard::Guard;

/// The revision of the configuration format: the value of `version`.
pub const VERSION: u32 = 1;

/// The JSON Schema (draft 2020-12) of the configuration. It knows shapes, not meanings: what it accepts may still be
/// refused by [`compile`].
#[cfg(feature = "schema")]
pub fn schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(raw::RawConfig).to_value();
    if let Some(members) = schema.as_object_mut() {
        members.insert("title".to_owned(), "Wicketgate gateway policy".into());
    }
    refuse_null(&mut schema);
    schema
}

/// A key that may be absent may not be null: `compile` refuses a key without a value.
#[cfg(feature = "schema")]
fn refuse_null(schema: &mut serde_json::Value) {
    use serde_json::Value;
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|t| t != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            if let Some(members) = schema.as_object_mut() {
                members.insert("type".to_owned(), only);
            }
        }
    }
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|c| c.get("type") != Some(&Value::from("null")));
        if let [Value::Object(only)] = choices.as_slice() {
            let only = only.clone();
            if let Some(members) = schema.as_object_mut() {
                members.remove("anyOf");
                members.extend(only);
            }
        }
    }
    match schema {
        Value::Object(members) => members.values_mut().for_each(refuse_null),
        Value::Array(items) => items.iter_mut().for_each(refuse_null),
        _ => {}
    }
}

/// What [`compile`] gives back when the document is sound; see there.
type Sound = (Guard, Vec<ConfigWarning>);

#[cfg(test)]
mod tests;
