//! May they now: sizes, token buckets, what is held back.

pub mod held;
pub mod rate;
pub mod size;
pub mod store;
pub mod tag;
pub mod token_bucket;
