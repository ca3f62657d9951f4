//! Wicketgate's core: given what came over the wire and what time it is, decide.
//!
//! Pure by construction: no host call, no clock, no logger, no executor.
#![forbid(unsafe_code)]

pub mod config;
pub mod denial;
pub mod guard;
pub mod head;
pub mod identity;
pub mod limits;
pub mod mcp;
pub mod policy;
pub mod sanitize;
pub mod server;
pub mod time;
