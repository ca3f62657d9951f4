//! What do the pages look like? Like ours, but for what the operator's style sheet says otherwise.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;

use super::ConfigError;

/// In bytes; ours has a tenth of it.
const LARGEST: usize = 64 * 1024;

/// The looks of the pages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PagesConfig {
    /// A style sheet that comes after ours; empty where there is none.
    pub style: Arc<str>,
}

/// Mirrors the document.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawPages {
    style: Option<PathBuf>,
}

// === impl RawPages ===

impl RawPages {
    pub(super) fn compile(self) -> Result<PagesConfig, ConfigError> {
        let refuse = |why: String| ConfigError::new("pages.style", why);
        let Some(path) = self.style else { return Ok(PagesConfig::default()) };
        // Not text is an error of reading, too.
        let style = std::fs::read_to_string(&path)
            .map_err(|error| refuse(format!("cannot read {}: {error}", path.display())))?;
        match style.len() <= LARGEST {
            true => Ok(PagesConfig { style: style.into() }),
            false => Err(refuse(format!("is longer than {LARGEST} bytes"))),
        }
    }
}
