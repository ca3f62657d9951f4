//! The authorization server that stands beside the gateway: OAuth 2.1 for MCP clients.
//!
//! ```text
//! endpoints/   extract -> call -> render, one file per endpoint; no rules
//!    |
//! grants/      where protocol and store meet: redeem, refresh, revoke, introspect, the steps of a sign-in
//!    |    \
//! oauth/   store/   the protocol, pure   |   what survives and what happens once
//! ```
//!
//! Start reading at [`app`], then `endpoints/public/authorize.rs` for the way of a sign-in and
//! `grants/authorization_code.rs` for the way of a code.

pub mod admin_client;
pub mod app;
pub mod audit;
pub mod clock;
pub mod config;
mod endpoints;
pub mod error;
mod fetch;
mod grants;
pub mod idp;
pub mod keys;
mod mcp_servers;
mod metrics;
pub mod oauth;
mod pages;
pub mod reload;
pub mod sealing;
pub mod secret;
mod server;
mod sightings;
pub mod store;
pub mod telemetry;
