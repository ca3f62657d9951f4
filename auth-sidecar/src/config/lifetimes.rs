//! How long does everything live? Defaults, and bounds that no configuration can leave.

use std::time::Duration;

use serde::Deserialize;

use super::ConfigError;
use super::duration::Span;

/// Lifetimes, each inside its bounds.
#[derive(Clone, Debug)]
pub struct Lifetimes {
    /// Access tokens: short, because a stolen one works until it expires.
    pub access_token: Duration,
    /// Authorization codes (RFC 6749 section 4.1.2 recommends at most ten minutes).
    pub code: Duration,
    /// A refresh token that is not used for so long is dead.
    pub refresh_idle: Duration,
    /// No refresh chain outlives this.
    pub refresh_absolute: Duration,
    /// How long the predecessor of a refresh token still gets the same successor, for lost responses; 0 turns it off.
    pub reuse_grace: Duration,
    /// From the authorization request to the answer on the consent page.
    pub pending_authorization: Duration,
    /// A pushed authorization request (RFC 9126 section 2.2).
    pub pushed_request: Duration,
    /// A device code (RFC 8628 section 3.2).
    pub device_code: Duration,
    /// A browser's sign-in without activity.
    pub session_idle: Duration,
    /// A browser's sign-in altogether.
    pub session_absolute: Duration,
    /// A remembered consent.
    pub consent: Duration,
    /// A dynamically registered client that never obtained a code.
    pub unused_client: Duration,
    /// A dynamically registered client after its last use.
    pub used_client: Duration,
    /// An API key at most, and where nothing shorter is asked for.
    pub api_key: Duration,
}

/// Mirrors the document.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLifetimes {
    access_token: Span,
    code: Span,
    refresh_idle: Span,
    refresh_absolute: Span,
    reuse_grace: Span,
    pending_authorization: Span,
    pushed_request: Span,
    device_code: Span,
    session_idle: Span,
    session_absolute: Span,
    consent: Span,
    unused_client: Span,
    used_client: Span,
    api_key: Span,
}

// === impl RawLifetimes ===

impl Default for RawLifetimes {
    fn default() -> Self {
        Self {
            access_token: Span::minutes(10),
            code: Span::seconds(60),
            refresh_idle: Span::days(14),
            refresh_absolute: Span::days(90),
            reuse_grace: Span::seconds(10),
            pending_authorization: Span::minutes(10),
            pushed_request: Span::seconds(60),
            device_code: Span::minutes(10),
            session_idle: Span::hours(8),
            session_absolute: Span::hours(24),
            consent: Span::days(365),
            unused_client: Span::hours(24),
            used_client: Span::days(90),
            api_key: Span::days(365),
        }
    }
}

impl RawLifetimes {
    pub(super) fn compile(self) -> Result<Lifetimes, ConfigError> {
        let second = Span::seconds(1);
        Ok(Lifetimes {
            access_token: within("access_token", self.access_token, second, Span::hours(1))?,
            code: within("code", self.code, second, Span::minutes(10))?,
            refresh_idle: within("refresh_idle", self.refresh_idle, second, self.refresh_absolute)?,
            refresh_absolute: within("refresh_absolute", self.refresh_absolute, second, Span::days(365))?,
            reuse_grace: within("reuse_grace", self.reuse_grace, Span::seconds(0), Span::minutes(1))?,
            pending_authorization: within(
                "pending_authorization",
                self.pending_authorization,
                Span::minutes(1),
                Span::hours(1),
            )?,
            pushed_request: within(
                "pushed_request",
                self.pushed_request,
                Span::seconds(5),
                Span::minutes(10),
            )?,
            device_code: within("device_code", self.device_code, Span::minutes(1), Span::hours(1))?,
            session_idle: within("session_idle", self.session_idle, Span::minutes(1), self.session_absolute)?,
            session_absolute: within(
                "session_absolute",
                self.session_absolute,
                Span::minutes(1),
                Span::days(30),
            )?,
            consent: within("consent", self.consent, second, Span::days(3650))?,
            unused_client: within("unused_client", self.unused_client, Span::minutes(1), Span::days(365))?,
            used_client: within("used_client", self.used_client, Span::minutes(1), Span::days(3650))?,
            api_key: within("api_key", self.api_key, Span::minutes(1), Span::days(3650))?,
        })
    }
}

fn within(key: &str, value: Span, least: Span, most: Span) -> Result<Duration, ConfigError> {
    if value.0 < least.0 || value.0 > most.0 {
        let message = format!("must lie between {}s and {}s", least.0.as_secs(), most.0.as_secs());
        return Err(ConfigError::new(format!("lifetimes.{key}"), message));
    }
    Ok(value.0)
}
