//! Who may administer a running server? Whoever reaches a listener on loopback, or has the token.

use std::net::SocketAddr;

use serde::Deserialize;

use super::ConfigError;
use super::secret_ref::SecretRef;
use crate::secret::{Digest, Opaque};

/// Who may use the API of the admin listener.
#[derive(Clone, Debug, Default)]
pub struct AdminPolicy {
    /// In clear, because the commands present it.
    pub token: Option<Opaque>,
}

/// Mirrors the document.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawAdmin {
    token: Option<SecretRef>,
}

// === impl AdminPolicy ===

impl AdminPolicy {
    /// Whether who presents this token may; where none is configured everybody may.
    #[must_use]
    pub fn admits(&self, presented: Option<&str>) -> bool {
        match (&self.token, presented) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(token), Some(presented)) => token.digest().matches(&Digest::of(presented)),
        }
    }
}

// === impl RawAdmin ===

impl RawAdmin {
    pub(super) fn compile(self, listener: SocketAddr) -> Result<AdminPolicy, ConfigError> {
        const PLACE: &str = "admin.token";
        let Some(reference) = self.token else {
            return match listener.ip().is_loopback() {
                true => Ok(AdminPolicy::default()),
                false => Err(ConfigError::new(PLACE, "is needed while listen.admin is no loopback address")),
            };
        };
        let token = reference.resolve_token(PLACE)?;
        Ok(AdminPolicy { token: Some(Opaque::unsealed(token.to_string())) })
    }
}
