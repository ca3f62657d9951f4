//! With what are tokens signed, and when do keys change?

use std::time::Duration;

use serde::Deserialize;

use super::ConfigError;
use super::duration::Span;
use crate::oauth::algorithm::SigningAlgorithm;

/// The algorithms that are held whatever the configuration says: ES256 is what the gateway verifies natively, RS256 what
/// RFC 9068 section 2.1 and OpenID Connect Discovery section 3 demand.
const ALWAYS: [SigningAlgorithm; 2] = [SigningAlgorithm::Es256, SigningAlgorithm::Rs256];

/// What tokens are signed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signing {
    /// Access tokens.
    pub algorithm: SigningAlgorithm,
    /// ID tokens of clients that did not register an algorithm.
    pub id_token: SigningAlgorithm,
    /// How long a key signs; `None`: until somebody rotates it.
    pub rotate_every: Option<Duration>,
    /// How long a key is published before it signs.
    pub publish_before: Duration,
}

/// Mirrors the document.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawSigning {
    algorithm: SigningAlgorithm,
    id_token: Option<SigningAlgorithm>,
    rotate_every: Span,
    publish_before: Span,
}

// === impl Signing ===

impl Signing {
    /// The algorithms of which a key is held.
    #[must_use]
    pub fn held(&self) -> Vec<SigningAlgorithm> {
        let held = |algorithm: &SigningAlgorithm| {
            ALWAYS.contains(algorithm) || *algorithm == self.algorithm || *algorithm == self.id_token
        };
        SigningAlgorithm::ALL.into_iter().filter(held).collect()
    }
}

// === impl RawSigning ===

impl Default for RawSigning {
    fn default() -> Self {
        Self {
            algorithm: SigningAlgorithm::default(),
            id_token: None,
            rotate_every: Span::days(30),
            publish_before: Span::hours(1),
        }
    }
}

impl RawSigning {
    pub(super) fn compile(self) -> Result<Signing, ConfigError> {
        let at = |key: &str, why: &str| Err(ConfigError::new(format!("signing.{key}"), why));
        let (every, before) = (self.rotate_every.0, self.publish_before.0);
        // The key set may be cached for five minutes.
        if before < Span::minutes(10).0 || before > Span::days(7).0 {
            return at("publish_before", "must lie between 10m and 7d");
        }
        if !every.is_zero() && (every < before.saturating_mul(2) || every > Span::days(3650).0) {
            return at("rotate_every", "must be at least twice `publish_before` and at most 3650d, or 0s");
        }
        Ok(Signing {
            algorithm: self.algorithm,
            id_token: self.id_token.unwrap_or(self.algorithm),
            rotate_every: (!every.is_zero()).then_some(every),
            publish_before: before,
        })
    }
}
