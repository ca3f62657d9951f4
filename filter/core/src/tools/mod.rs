//! What do the tools of a server look like, and is that what they looked like before?
//!
//! Read out of answers to `tools/list`, and kept for all workers, in two memories. Rules that read annotations ask what was
//! listed last (`listed`, `table`): whatever it was, a full set forgets, and nothing known is nothing promised. Pins ask what
//! was listed first: an entry is examined (`entry`), digested in canonical form (`canonical`, `digest`), noted in the page of
//! its server (`book`), which forgets nothing, and judged by what the configuration says of it (`pins`).

pub mod book;
pub mod canonical;
pub mod digest;
pub mod entry;
pub mod listed;
pub mod listing;
pub mod pins;
pub mod table;
