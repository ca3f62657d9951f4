//! May they now: sizes and token buckets.
