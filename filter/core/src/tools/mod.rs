//! What do the tools of a server look like, and is that what they looked like before?
//!
//! An entry of `tools/list` is examined (`entry`), digested in canonical form (`canonical`, `digest`), noted in what all
//! workers remember (`book`), and judged by what the configuration says of it (`pins`).

pub mod book;
pub mod canonical;
pub mod digest;
pub mod entry;
pub mod listing;
pub mod pins;
