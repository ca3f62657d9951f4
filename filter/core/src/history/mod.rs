//! What did a session do before? Marks of fixed size in fixed slots, and rules that look at them when a call is decided.

pub mod rule;
pub mod table;
