//! What do the tools of a server say of themselves, is that what they said before, and are calls and answers as they say?
//!
//! Read out of answers to `tools/list`, and kept in three memories, each for what it is asked:
//!
//! | file | question |
//! |---|---|
//! | `listed`, `table` | what was listed last? For rules that read annotations; of all workers, a full set forgets |
//! | `entry`, `canonical`, `digest`, `listing` | what stands for a definition, and what does it hide? |
//! | `book`, `pins` | is a tool what was listed first, or approved? Of all workers, nothing is forgotten |
//! | `schema`, `schemas` | what does a JSON Schema demand, and which ones has this VM seen? |
//! | `calls`, `defaults` | what of calls is checked, and which bytes does a default put into one? |
//! | `structured` | is the structured content of an answer as its tool's output schema says? |

pub mod book;
pub mod calls;
pub mod canonical;
pub mod defaults;
pub mod digest;
pub mod entry;
pub mod listed;
pub mod listing;
pub mod pins;
pub mod schema;
pub mod schemas;
pub mod structured;
pub mod table;
