//! Whose identity assertions count, and with which keys? Issuers that the operator named.

use url::Url;

use super::identity_assertion::{self, Assertion, Expected};
use super::jwt;
use super::published::Published;
use super::upstream::UpstreamError;
use crate::clock::UnixTime;
use crate::config::{AssertionIssuer, Config};
use crate::fetch::provider::ProviderHttp;

const ASSERTION: &str = "identity assertion";

/// All of them.
pub(crate) struct AssertionIssuers(Vec<Trusted>);

/// One of them.
pub(crate) struct Trusted {
    /// What the operator says of it.
    pub(crate) config: AssertionIssuer,
    published: Published,
}

// === impl AssertionIssuers ===

impl AssertionIssuers {
    pub(crate) fn new(config: &Config) -> Self {
        let trusted = config.identity_assertions.iter().map(|one| {
            let issuer = Url::parse(&one.issuer).ok();
            // Where the keys have a place of their own, nothing is asked of the issuer's.
            let named = one.jwks_uri.as_ref().or(issuer.as_ref());
            let http = ProviderHttp::new(&config.fetch, named.into_iter());
            Trusted { config: one.clone(), published: Published::new(&one.issuer, http) }
        });
        Self(trusted.collect())
    }

    /// The issuer that an assertion names: nothing of it is verified yet.
    pub(crate) fn of(&self, assertion: &str) -> Option<&Trusted> {
        let issuer = jwt::issuer_of(assertion)?;
        self.0.iter().find(|one| one.config.issuer == issuer)
    }
}

// === impl Trusted ===

impl Trusted {
    /// What an assertion says, if it is this issuer's, for us, and about this client.
    pub(crate) async fn read(
        &self,
        assertion: &str,
        client_id: &str,
        audience: &str,
        now: UnixTime,
    ) -> Result<Assertion, UpstreamError> {
        let place = match &self.config.jwks_uri {
            Some(place) => place.clone(),
            None => self.published.discover(now).await?.jwks_uri,
        };
        let expected = Expected {
            issuer: &self.config.issuer,
            algorithms: &self.config.algorithms,
            tenant: self.config.tenant.as_deref(),
            audience,
            client_id,
            now,
        };
        let read = |keys: &_| identity_assertion::read(assertion, keys, &expected);
        self.published.verified(ASSERTION, &place, now, read).await
    }
}
