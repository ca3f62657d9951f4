//! How can a request fail? It is refused, or we cannot answer it now. The two must never be mixed up: on a refusal a
//! client throws its tokens away.

use crate::keys::KeyError;
use crate::oauth::error::OAuthError;
use crate::sealing::SealingError;
use crate::secret::NoRandomness;
use crate::store::StoreError;

/// Why a request has no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The request is at fault.
    #[error(transparent)]
    Refused(#[from] OAuthError),
    /// No bearer token was presented where one is due.
    #[error("no bearer token was presented")]
    Unauthenticated,
    /// Something that we need of others cannot be had now; trying again may help.
    #[error("{0}")]
    Unavailable(&'static str),
    /// Too many of them.
    #[error("too many requests")]
    TooMany,
    /// The store is at fault; trying again may help.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// We are at fault.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// We are at fault.
    #[error(transparent)]
    Sealing(#[from] SealingError),
    /// The system is at fault.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
}

/// Why the server does not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The signing keys.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// A user's password.
    #[error("users: {0}")]
    Password(#[from] crate::idp::password::PasswordError),
    /// A listener.
    #[error("cannot listen on {address} ({listener}): {source}")]
    Listen {
        /// `public`, `internal`, `admin` or `metrics`.
        listener: &'static str,
        /// The configured address.
        address: std::net::SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The audit file.
    #[error("audit.file: cannot open {path}: {source}")]
    AuditFile {
        /// The configured path.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The system.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
    /// Tracing.
    #[error("telemetry: {0}")]
    Telemetry(String),
    /// Work was given up half-way.
    #[error("given up: {0}")]
    Interrupted(String),
    /// The addresses file.
    #[error("cannot write {path}: {source}")]
    AddressesFile {
        /// The configured path.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
}
