//! May they now: sizes, token buckets, of this Envoy or of a fleet, what is held back, how many streams at once, which proofs are used up; and what all VMs
//! have under way.

pub mod held;
pub mod lease;
pub mod places;
pub mod rate;
pub mod roll;
pub mod room;
pub mod size;
pub mod store;
pub mod streams;
pub mod tag;
pub mod taking;
pub mod token_bucket;
pub mod used_proofs;
