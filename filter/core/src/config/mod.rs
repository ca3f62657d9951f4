//! From the user's document to a [`Guard`], or to everything that is wrong with it.
//!
//! `strict` reads JSON, `read` turns it into the mirror in `raw`, `compile` and the files beside it judge the meaning.
//! Nothing unknown is accepted; nothing is half applied.

mod compile;
mod digest;
pub mod error;
mod issuers;
mod limits;
mod methods;
pub mod raw;
mod read;
mod rules;
mod servers;
mod strict;
pub mod units;
mod url;
mod who;

pub use compile::{Compiled, compile};
pub use error::{ConfigError, ConfigWarning};

use crate::guard::Guard;

/// The revision of the configuration format: the value of `version`.
pub const VERSION: u32 = 1;

/// The JSON Schema (draft 2020-12) of the configuration.
#[cfg(feature = "schema")]
pub fn schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(raw::RawConfig).to_value();
    if let Some(members) = schema.as_object_mut() {
        members.insert("title".to_owned(), "Wicketgate gateway policy".into());
    }
    schema
}

/// What [`compile`] gives back when the document is sound; see there.
type Sound = (Guard, Vec<ConfigWarning>);

#[cfg(test)]
mod tests;
