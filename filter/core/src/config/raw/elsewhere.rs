//! How is what stands in the policy for another reader written? Part of the mirror.

use crate::config::error::{Findings, Place};
use crate::config::read::Shape;
use serde_json::Value;

const NOT_OURS: &str = "is for the Envoy around the filter, which does not take it: render the policy first";

/// A key that the filter does not take. The command line reads it and takes it out; the schema knows its shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Elsewhere;

// === impl Elsewhere ===

impl Shape for Elsewhere {
    fn read(_: &Value, at: &Place, found: &mut Findings) -> Option<Self> {
        found.error(at, NOT_OURS);
        None
    }
}
