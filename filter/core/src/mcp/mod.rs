//! What is asked: from bytes and headers to an [`operation::Operation`], strictly.

pub mod jsonrpc;
pub mod method;
pub mod operation;
pub mod strict;
pub mod versions;
