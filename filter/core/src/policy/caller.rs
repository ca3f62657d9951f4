//! Who asks, and what else rules may look at: from where, and what is known of the tools that they name.

use std::fmt;
use std::net::IpAddr;

use crate::identity::principal::Principal;

/// Whether the server was last seen to list a tool of this name as one that changes nothing (`annotations.readOnlyHint`).
pub type ReadOnly<'a> = &'a dyn Fn(&str) -> bool;

/// Who asks.
#[derive(Clone, Copy)]
pub struct Caller<'a> {
    /// Whom the credential proves.
    pub principal: &'a Principal,
    /// From where, in normal form; `None` where the host names no IP address.
    pub address: Option<IpAddr>,
    /// What is known of tools; `None` where nothing is: then none is read-only.
    pub read_only: Option<ReadOnly<'a>>,
}

// === impl Caller ===

impl Caller<'_> {
    /// Whether `tool` is known to change nothing.
    pub(crate) fn knows_read_only(&self, tool: &str) -> bool {
        self.read_only.is_some_and(|known| known(tool))
    }
}

/// Somebody of whom nothing else is known.
impl<'a> From<&'a Principal> for Caller<'a> {
    fn from(principal: &'a Principal) -> Self {
        Self { principal, address: None, read_only: None }
    }
}

impl fmt::Debug for Caller<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("principal", self.principal).field("address", &self.address).finish()
    }
}
