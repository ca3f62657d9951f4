//! What may come back? Answers with what the caller may not see cut out, every other byte untouched.

pub mod asks;
pub mod characters;
mod edit;
pub mod judge;
pub mod list;
mod sensitive;
pub mod server_asks;
pub mod stream;
