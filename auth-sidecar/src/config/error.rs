//! Where in the document is the mistake, and what is it?

use std::fmt::Display;
use std::path::Path;

/// A refused configuration: the path of the key and what is wrong with it. Never holds a secret.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Dotted path in the document, empty for the document itself.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
}

// === impl ConfigError ===

impl ConfigError {
    pub(crate) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }

    /// A file that the document names, or the document itself, cannot be read.
    pub(super) fn unreadable(path: impl Into<String>, file: &Path, why: impl Display) -> Self {
        Self::new(path, format!("cannot read {}: {why}", file.display()))
    }
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.path.as_str() {
            "" | "." => write!(f, "{}", self.message),
            path => write!(f, "{path}: {}", self.message),
        }
    }
}

impl std::error::Error for ConfigError {}
