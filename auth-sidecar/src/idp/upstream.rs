//! What is a provider of identity other than ourselves? Somewhere to send a browser, and somebody to redeem the code.

use async_trait::async_trait;
use serde_json::{Map, Value};
use url::Url;

use super::github::Github;
use super::oidc::Oidc;
use crate::clock::UnixTime;
use crate::config::{Config, UpstreamConfig, UpstreamKind};
use crate::fetch::FetchError;
use crate::fetch::provider::ProviderHttp;
use crate::secret::Digest;

/// One sign-in that is under way at a provider. Its secrets are made of two that only the browser has: its cookie, and
/// the `state` that travels with it. Nothing at rest here gives them away.
pub(crate) struct Attempt<'a> {
    /// Where the provider sends the browser back.
    pub(crate) redirect_uri: &'a str,
    /// `state`.
    pub(crate) state: &'a str,
    /// The value of the cookie.
    pub(crate) cookie: &'a str,
    /// Whether the user must show anew who they are.
    pub(crate) again: bool,
    /// How long ago that may have been.
    pub(crate) max_age: Option<u64>,
}

/// Whom the provider signed in.
#[derive(Debug)]
pub(crate) struct Identity {
    /// Unique at this provider and never given to somebody else.
    pub(crate) subject: String,
    /// What else it says.
    pub(crate) claims: Map<String, Value>,
    /// When the user last showed who they are, if the provider says so.
    pub(crate) auth_time: Option<UnixTime>,
}

/// Why nobody was signed in. Nothing of what the provider sent is in it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UpstreamError {
    /// It does not answer now.
    #[error("the provider cannot be reached")]
    Unavailable,
    /// What it says cannot be believed.
    #[error("{what}: {why}")]
    Refused {
        /// Which document or answer.
        what: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// A provider.
#[async_trait]
pub(crate) trait UpstreamProvider: Send + Sync {
    /// What the operator says of it.
    fn config(&self) -> &UpstreamConfig;

    /// Where to send the browser.
    async fn authorization_url(&self, attempt: &Attempt<'_>, now: UnixTime) -> Result<Url, UpstreamError>;

    /// Whether an answer with this `iss` can be its own (RFC 9207 section 2.4).
    async fn may_have_answered(&self, iss: Option<&str>, now: UnixTime) -> Result<bool, UpstreamError>;

    /// Redeems a code and reads who signed in.
    async fn identify(
        &self,
        code: &str,
        attempt: &Attempt<'_>,
        now: UnixTime,
    ) -> Result<Identity, UpstreamError>;
}

/// All providers of the configuration.
pub(crate) struct Providers(Vec<Box<dyn UpstreamProvider>>);

// === impl Attempt ===

impl Attempt<'_> {
    /// The PKCE verifier (RFC 7636).
    pub(crate) fn verifier(&self) -> String {
        self.derived("verifier").encoded()
    }

    /// Its challenge, S256.
    pub(crate) fn challenge(&self) -> String {
        Digest::of(&self.verifier()).encoded()
    }

    /// The nonce that the ID token must repeat.
    pub(crate) fn nonce(&self) -> String {
        self.derived("nonce").encoded()
    }

    fn derived(&self, what: &str) -> Digest {
        Digest::of(&format!("wicketgate upstream {what} v1\0{}\0{}", self.cookie, self.state))
    }
}

// === impl UpstreamError ===

impl UpstreamError {
    /// What a failed exchange means.
    pub(super) fn of(what: &'static str) -> impl Fn(FetchError) -> Self {
        move |error| match error {
            FetchError::Unreachable | FetchError::NotPublic | FetchError::Busy => Self::Unavailable,
            FetchError::Refused(why) => Self::Refused { what, why },
        }
    }
}

// === impl Providers ===

impl Providers {
    pub(crate) fn new(config: &Config) -> Self {
        let all = config.identity_providers.iter().map(|one| -> Box<dyn UpstreamProvider> {
            let issuer = Url::parse(&one.issuer).ok();
            match &one.kind {
                UpstreamKind::Oidc { .. } => {
                    Box::new(Oidc::new(one, ProviderHttp::new(&config.fetch, issuer.iter())))
                }
                UpstreamKind::Github { api } => {
                    let bases = issuer.iter().chain([api]);
                    Box::new(Github::new(one, api, ProviderHttp::new(&config.fetch, bases)))
                }
            }
        });
        Self(all.collect())
    }

    /// The provider of this id.
    pub(crate) fn named(&self, id: &str) -> Option<&dyn UpstreamProvider> {
        self.0.iter().map(AsRef::as_ref).find(|one| one.config().id == id)
    }
}
