//! Wicketgate's core: given what came over the wire and what time it is, decide.
//!
//! ```text
//! Event --> exchange --> Step             exchange        one HTTP exchange, in order: start there
//!              |                          server, guard   the compiled configuration
//!   mcp  identity  policy  limits         what is asked, by whom, may they, may they now
//!              |           bindings       whose session or task it is
//!              |           history tools  what was done before, what tools were said to be
//!              |                          sanitize        what may come back
//!              |                          tools           what tools say of themselves, and said before
//!        denial --> reply                 every refusal, and its words
//!              audit                      what is written down
//! config: the user's document, checked and compiled into a guard
//! ```
//!
//! Pure by construction: no host call, no clock, no logger, no executor.
#![forbid(unsafe_code)]

pub mod audit;
pub mod bindings;
pub mod callout;
mod characters;
pub mod config;
pub mod denial;
pub mod exchange;
pub mod guard;
pub mod head;
pub mod history;
pub mod identity;
mod json;
pub mod limits;
pub mod mcp;
pub mod order;
pub mod policy;
pub mod reply;
mod rows;
pub mod salt;
pub mod sanitize;
pub mod server;
pub mod time;
pub mod tools;
