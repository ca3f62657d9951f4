//! What must clients do beyond the minimum? Pushed requests (RFC 9126) and DPoP nonces (RFC 9449).

use serde::Deserialize;

/// Proofs of possession.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DpopPolicy {
    /// Whether a proof must hold a nonce of ours (RFC 9449 section 8).
    pub require_nonce: bool,
}
