//! Where do records of what happened go besides standard error?

use std::path::PathBuf;

use serde::Deserialize;

/// Records of security-relevant acts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditConfig {
    /// A file that they are appended to; made with mode 0600.
    pub file: Option<PathBuf>,
}
