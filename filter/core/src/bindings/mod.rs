//! Whose is it? A session or a task belongs to the principal to whom a server handed it out.

pub mod owner;
pub mod table;
