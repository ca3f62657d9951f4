//! How often may one try? Dynamic registration, sign-in and what users grant.

use std::time::Duration;

use serde::Deserialize;

use super::ConfigError;
use super::duration::Span;
use super::secret_ref::SecretRef;
use crate::oauth::redirect_uri::PrivateUse;
use crate::oauth::scope::ScopeSet;
use crate::secret::Digest;

/// Who may register clients at run time, and how many.
#[derive(Clone, Debug)]
pub struct RegistrationPolicy {
    /// Anyone may register (RFC 7591 section 3, open registration).
    pub open: bool,
    /// Digests of the tokens that allow to register where not everybody may, and beyond the limits below.
    pub initial_access_tokens: Vec<Digest>,
    /// Registrations without such a token per address and hour; an IPv6 /64 is one address.
    pub per_address_per_hour: u32,
    /// Registrations without such a token per hour altogether.
    pub per_hour: u32,
    /// Whether the same public client, registered again from the same address, gets the same id. Nobody can manage
    /// such a shared registration.
    pub share_identical: bool,
    /// What clients that registered themselves may get in their own name; empty: they may not register for that.
    pub client_credentials_scopes: ScopeSet,
    /// Which redirect URIs such as `com.example.app:/callback` may be registered. Outside the MCP specification.
    pub private_use: PrivateUse,
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

/// How much may be granted.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GrantLimits {
    /// New grants of one user per hour, by codes and by devices: each of them may become an entry of the log that all gateways read.
    pub per_user_per_hour: u32,
}

/// Mirrors the document.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawRegistration {
    open: bool,
    initial_access_tokens: Vec<SecretRef>,
    per_address_per_hour: u32,
    per_hour: u32,
    share_identical: bool,
    client_credentials_scopes: Vec<String>,
    private_use_schemes: RawPrivateUse,
}

/// Mirrors the document.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "true, false or a list of schemes")]
enum RawPrivateUse {
    Dotted(bool),
    Listed(Vec<String>),
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

// === impl RegistrationPolicy ===

impl RegistrationPolicy {
    /// Whether there is a registration endpoint.
    #[must_use]
    pub fn is_offered(&self) -> bool {
        self.open || !self.initial_access_tokens.is_empty()
    }
}

// === impl GrantLimits ===

impl Default for GrantLimits {
    fn default() -> Self {
        // A developer whose tools all connect anew after each change comes nowhere near.
        Self { per_user_per_hour: 240 }
    }
}

// === impl RawRegistration ===

impl Default for RawRegistration {
    fn default() -> Self {
        Self {
            open: false,
            initial_access_tokens: Vec::new(),
            per_address_per_hour: 3_600,
            per_hour: 20_000,
            share_identical: false,
            client_credentials_scopes: Vec::new(),
            private_use_schemes: RawPrivateUse::Dotted(false),
        }
    }
}

impl RawRegistration {
    pub(super) fn compile(self) -> Result<RegistrationPolicy, ConfigError> {
        let mut initial_access_tokens = Vec::new();
        for (index, reference) in self.initial_access_tokens.iter().enumerate() {
            let path = format!("registration.initial_access_tokens[{index}]");
            initial_access_tokens.push(Digest::of(&reference.resolve_token(&path)?));
        }
        Ok(RegistrationPolicy {
            open: self.open,
            initial_access_tokens,
            per_address_per_hour: self.per_address_per_hour,
            per_hour: self.per_hour,
            share_identical: self.share_identical,
            client_credentials_scopes: ScopeSet::from_list(&self.client_credentials_scopes)
                .map_err(|why| ConfigError::new("registration.client_credentials_scopes", why))?,
            private_use: self
                .private_use_schemes
                .compile()
                .map_err(|why| ConfigError::new("registration.private_use_schemes", why))?,
        })
    }
}

// === impl RawPrivateUse ===

impl RawPrivateUse {
    fn compile(self) -> Result<PrivateUse, &'static str> {
        match self {
            Self::Dotted(false) => Ok(PrivateUse::None),
            Self::Dotted(true) => Ok(PrivateUse::Dotted),
            Self::Listed(schemes) => PrivateUse::listed(schemes),
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
