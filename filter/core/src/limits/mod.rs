//! May they now: sizes and token buckets.

pub mod rate;
pub mod size;
pub mod store;
pub mod tag;
pub mod token_bucket;
