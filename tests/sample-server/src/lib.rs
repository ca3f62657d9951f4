//! A realistic MCP server to protect: notes that one can search, read, write and delete, a slow report with progress, a
//! configuration whose answer holds a (fake) secret, prompts, resources and a resource template with completion.
//!
//! `rmcp` speaks both protocol eras on one path: with sessions up to 2025-11-25, stateless from 2026-07-28.
//!
//! | file | question |
//! |---|---|
//! | `notes` | what is stored? |
//! | `server` | what does the server offer, and who answers which method? |
//! | `tools` | what does each tool do? |
//! | `prompts` | what does each prompt say? |
//! | `resources` | which resources are there, and what is in them? |
//! | `tls` | how is it met in TLS? |
//! | `turncoat` | what does a server do that was honest when it was approved? |

mod notes;
mod prompts;
mod resources;
mod server;
mod tls;
mod tools;
mod turncoat;

pub use server::{router, router_for_any_host};
pub use tls::Tls;
pub use tools::FAKE_ACCESS_KEY;
pub use turncoat::Turncoat;
