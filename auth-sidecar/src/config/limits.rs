//! How often may one try? Dynamic registration and sign-in.

use std::time::Duration;

use serde::Deserialize;

use super::duration::Span;

/// Who may register clients at run time, and how many.
#[derive(Clone, Debug)]
pub struct RegistrationPolicy {
    /// Anyone may register (RFC 7591 section 3, open registration); else there is no registration endpoint.
    pub open: bool,
    /// Registrations per address and hour.
    pub per_address_per_hour: u32,
    /// Whether redirect URIs such as `com.example.app:/callback` may be registered. Outside the MCP specification.
    pub private_use_schemes: bool,
}

/// Failed sign-ins before further ones are refused unseen.
#[derive(Clone, Debug)]
pub struct LoginLimits {
    /// For one account from one address.
    pub per_account_and_address: u32,
    /// For one account from anywhere: higher, since a stranger can use it up to lock the owner out.
    pub per_account: u32,
    /// From one address, for any account.
    pub per_address: u32,
    /// The window that these count in.
    pub window: Duration,
}

/// Mirrors the document.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawRegistration {
    open: bool,
    per_address_per_hour: u32,
    private_use_schemes: bool,
}

/// Mirrors the document.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLogin {
    per_account_and_address: u32,
    per_account: u32,
    per_address: u32,
    window: Span,
}

// === impl RawRegistration ===

impl Default for RawRegistration {
    fn default() -> Self {
        Self { open: false, per_address_per_hour: 600, private_use_schemes: false }
    }
}

impl RawRegistration {
    pub(super) fn compile(self) -> RegistrationPolicy {
        RegistrationPolicy {
            open: self.open,
            per_address_per_hour: self.per_address_per_hour,
            private_use_schemes: self.private_use_schemes,
        }
    }
}

// === impl RawLogin ===

impl Default for RawLogin {
    fn default() -> Self {
        Self { per_account_and_address: 10, per_account: 100, per_address: 200, window: Span::minutes(15) }
    }
}

impl RawLogin {
    pub(super) fn compile(self) -> LoginLimits {
        LoginLimits {
            per_account_and_address: self.per_account_and_address,
            per_account: self.per_account,
            per_address: self.per_address,
            window: self.window.0,
        }
    }
}
