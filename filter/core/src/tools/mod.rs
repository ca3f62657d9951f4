//! What did servers last say of their tools? Read out of answers to `tools/list`, and kept for all workers.

pub mod listed;
pub mod table;
