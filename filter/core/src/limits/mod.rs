//! May they now: sizes and token buckets.

pub mod rate;
