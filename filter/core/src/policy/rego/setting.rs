//! What does an operator set beside the policy itself?

use std::collections::BTreeMap;

use crate::policy::pattern::Pattern;

/// Names and values that the policy sees.
pub type Labels = BTreeMap<String, String>;

/// What a policy is told of its server, and how much it may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The server's name.
    pub server: String,
    /// `input.server.labels`.
    pub labels: Labels,
    /// `input.tool.labels`, joined from all entries that match.
    pub tools: Vec<ToolLabels>,
    /// How many bytes of arguments one request may bring that the policy reads.
    pub argument_bytes: u64,
    /// How many instructions one answer may take.
    pub instructions: u32,
    /// What it may oblige a call to.
    pub obligable: Obligable,
}

/// What stands in the configuration for a policy to name in its obligations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Obligable {
    /// The ids of content rules about answers.
    pub redact: Vec<String>,
    /// The names of buckets.
    pub limit: Vec<String>,
}

/// Labels of some tools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolLabels {
    /// Which.
    pub names: Vec<Pattern>,
    /// Their labels.
    pub labels: Labels,
}
