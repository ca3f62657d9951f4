//! Where in the document is the mistake, and what is it?

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
