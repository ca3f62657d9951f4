//! What does an operator's own policy say, written in Rego (the language of the Open Policy Agent)?
//!
//! ```text
//! sources --> compile (command line) --> packed --> configuration --> load --> Rego
//!                                                   rules: Permit --> narrow --> Permit, challenge or denial
//! ```
//!
//! Two entry points of the package `mcp.authz`: `visible` decides what lists show, `visible` and `allow` decide calls; a
//! policy without `visible` shows all that the rules allow. Rego only narrows what the rules permit. The machine that runs it
//! has no parser, a bounded number of instructions, and built-ins whose cost is bounded by what they are given; whatever
//! goes wrong denies.

#[cfg(not(feature = "rego"))]
mod absent;
#[cfg(feature = "rego")]
mod admitted;
pub mod answer;
#[cfg(feature = "rego")]
mod arguments;
mod circumstance;
#[cfg(feature = "rego-compiler")]
pub mod compile;
#[cfg(feature = "rego")]
mod guarded;
#[cfg(feature = "rego")]
mod input;
#[cfg(feature = "rego")]
mod machine;
mod memo;
pub mod narrow;
pub mod opa;
pub mod packed;
#[cfg(feature = "rego")]
mod policy;
pub mod reads;
#[cfg(feature = "rego")]
mod result;
pub mod ruling;
mod setting;
#[cfg(feature = "rego")]
mod texts;

#[cfg(not(feature = "rego"))]
pub use absent::{Picked, Rego};
#[cfg(feature = "rego")]
pub use arguments::Picked;
pub use circumstance::headers_of;
#[cfg(feature = "rego")]
pub use machine::keep_time_by;
#[cfg(feature = "rego")]
pub use policy::Rego;
pub use setting::{Labels, Obligable, Setting, ToolLabels};

#[cfg(feature = "rego-compiler")]
#[cfg(test)]
mod tests;
