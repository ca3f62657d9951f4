//! What is asked: from bytes and headers to an [`operation::Operation`], strictly.

pub mod headers;
pub mod jsonrpc;
pub mod method;
pub mod number;
pub mod operation;
pub mod session;
pub mod sse;
pub mod strict;
pub mod versions;
