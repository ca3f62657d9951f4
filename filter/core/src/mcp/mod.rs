//! What is asked: from bytes and headers to an [`operation::Operation`], strictly.

pub mod operation;
pub mod versions;
