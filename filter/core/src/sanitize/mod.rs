//! What may come back? Answers with what the caller may not see cut out, every other byte untouched.

pub mod characters;
pub mod list;
pub mod stream;
