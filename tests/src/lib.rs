//! Starts the whole product (Envoy with our filter, the sidecar, an MCP server), for `make run` and for the tests, and
//! speaks to it as a client.
//!
//! | module | question |
//! |---|---|
//! | [`world`] | how is one whole product started in a directory of its own, and stopped? |
//! | [`envoy`], [`sidecar`], [`upstream`], [`policy`] | how is each part configured and started? |
//! | [`process`], [`ports`], [`files`] | children with log files; free ports; files that only we read |
//! | [`ready`] | what does a running product say about itself? |
//! | [`client`] | how does an MCP client log in and call? |
//! | [`layout`] | where in the repository is what was built? |
//!
//! Errors are [`Failure`]s: one sentence that says what to do.

pub mod client;
pub mod envoy;
pub mod failure;
pub mod files;
pub mod layout;
pub mod policy;
pub mod ports;
pub mod process;
pub mod ready;
pub mod sidecar;
pub mod upstream;
pub mod world;

pub use failure::{Failure, Result};
