//! What may come back? Answers with what the caller may not see cut out, every other byte untouched.

pub mod asks;
pub mod capture;
pub mod content;
pub mod detect;
mod edit;
pub mod list;
mod sensitive;
pub mod server_asks;
pub mod stream;
pub mod viewer;
