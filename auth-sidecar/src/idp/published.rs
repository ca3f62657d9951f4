//! What does an issuer publish about itself? Its discovery document and its keys, fetched when they are needed.

use std::time::Duration;

use serde_json::{Map, Value};
use url::Url;

use super::jwt::Fault;
use super::strict_json;
use super::upstream::UpstreamError;
use crate::clock::UnixTime;
use crate::config::is_loopback;
use crate::fetch::cache::{Cache, Known};
use crate::fetch::provider::ProviderHttp;
use crate::fetch::turns::Turns;
use crate::fetch::{FetchError, Fetched};
use crate::oauth::jwk::KeySet;

const LARGEST: usize = 64 * 1024;
/// Keys that do not fit may have been replaced since: they are fetched anew, but not more often than this.
const REFETCH_AFTER: Duration = Duration::from_secs(10);
const DISCOVERY: &str = "discovery";
const KEYS: &str = "keys";
const MISSING: &str = "it cannot be fetched";
/// What is asked for.
pub(super) const JSON: &str = "application/json";

/// What one issuer publishes, as far as we know it.
pub(super) struct Published {
    issuer: String,
    pub(super) http: ProviderHttp,
    documents: Cache<Discovered>,
    keys: Cache<KeySet>,
    turns: Turns,
}

/// What we need of the document (OpenID Connect Discovery section 3, RFC 8414).
#[derive(Clone)]
pub(super) struct Discovered {
    pub(super) authorization_endpoint: Url,
    pub(super) token_endpoint: Url,
    pub(super) jwks_uri: Url,
    pub(super) userinfo_endpoint: Option<Url>,
    /// Whether the secret goes into the form instead of the header.
    pub(super) secret_in_form: bool,
    /// Whether every answer names its issuer (RFC 9207).
    pub(super) names_issuer: bool,
}

// === impl Published ===

impl Published {
    /// Nothing is fetched yet.
    pub(super) fn new(issuer: &str, http: ProviderHttp) -> Self {
        Self {
            issuer: issuer.to_owned(),
            http,
            documents: Cache::new(),
            keys: Cache::new(),
            turns: Turns::new(),
        }
    }

    /// The document, as remembered or fetched.
    pub(super) async fn discover(&self, now: UnixTime) -> Result<Discovered, UpstreamError> {
        let place = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let read = |fetched: &Fetched| discovered(&fetched.body, &self.issuer);
        self.current(&self.documents, DISCOVERY, &place, UnixTime::default(), read, now).await
    }

    /// Where its keys are: there, or where its document says.
    pub(super) async fn place_of_keys(
        &self,
        named: Option<&Url>,
        now: UnixTime,
    ) -> Result<Url, UpstreamError> {
        match named {
            Some(place) => Ok(place.clone()),
            None => Ok(self.discover(now).await?.jwks_uri),
        }
    }

    /// Its keys, as remembered or fetched; not those that were asked for earlier than `least`.
    pub(super) async fn keys(
        &self,
        place: &Url,
        least: UnixTime,
        now: UnixTime,
    ) -> Result<KeySet, UpstreamError> {
        let read = |fetched: &Fetched| {
            let set = strict_json::parse(&fetched.body).ok_or("it is not JSON")?;
            KeySet::admit(set)
        };
        self.current(&self.keys, KEYS, place.as_str(), least, read, now).await
    }

    /// What is remembered, else what is fetched, once for all who wait for it.
    async fn current<T: Clone>(
        &self,
        cache: &Cache<T>,
        what: &'static str,
        place: &str,
        least: UnixTime,
        read: impl Fn(&Fetched) -> Result<T, &'static str>,
        now: UnixTime,
    ) -> Result<T, UpstreamError> {
        let recall = || match cache.get(place, now) {
            Known::Good(known, asked_at) if asked_at >= least => Some(Ok(known)),
            Known::Bad(why) => Some(Err(failure(what, why))),
            _ => None,
        };
        if let Some(known) = recall() {
            return known;
        }
        let _turn = self.turns.of(place).await;
        match recall() {
            Some(known) => known,
            None => self.fetch(cache, what, place, read, now).await,
        }
    }

    /// Fetches, reads and remembers; while the provider does not answer, what was good stands in.
    async fn fetch<T: Clone>(
        &self,
        cache: &Cache<T>,
        what: &'static str,
        place: &str,
        read: impl Fn(&Fetched) -> Result<T, &'static str>,
        now: UnixTime,
    ) -> Result<T, UpstreamError> {
        let url = Url::parse(place).map_err(|_| UpstreamError::Refused { what, why: "no URL" })?;
        let (document, fresh_for) = match self.http.get(&url, None, JSON, LARGEST).await {
            Ok(fetched) => (read(&fetched), fetched.fresh_for),
            Err(FetchError::Refused(why)) => (Err(why), Duration::ZERO),
            Err(FetchError::Unreachable | FetchError::NotPublic | FetchError::Busy) => {
                return match cache.miss(place, MISSING, now) {
                    Known::Good(known, _) => Ok(known),
                    _ => Err(UpstreamError::Unavailable),
                };
            }
        };
        match document {
            Ok(document) => {
                cache.keep(place, &document, fresh_for, now);
                Ok(document)
            }
            Err(why) => {
                cache.refuse(place, why, now);
                Err(UpstreamError::Refused { what, why })
            }
        }
    }

    /// What `read` makes of a token with the keys at `place`; it is asked again where none of them made the signature and
    /// there may be newer ones.
    pub(super) async fn verified<T>(
        &self,
        what: &'static str,
        place: &Url,
        now: UnixTime,
        read: impl Fn(&KeySet) -> Result<T, Fault>,
    ) -> Result<T, UpstreamError> {
        let mut result = read(&self.keys(place, UnixTime::default(), now).await?);
        if matches!(result, Err(Fault::Signature)) {
            let least = UnixTime(now.0.saturating_sub(REFETCH_AFTER.as_secs()).saturating_add(1));
            result = read(&self.keys(place, least, now).await?);
        }
        result.map_err(|fault| match fault {
            Fault::Signature => UpstreamError::Refused { what, why: "signature" },
            Fault::Claims(why) => UpstreamError::Refused { what, why },
        })
    }
}

fn failure(what: &'static str, why: &'static str) -> UpstreamError {
    match why {
        MISSING => UpstreamError::Unavailable,
        _ => UpstreamError::Refused { what, why },
    }
}

/// Reads the document. Its issuer must be the configured one to the letter, else it speaks for somebody else.
fn discovered(body: &[u8], issuer: &str) -> Result<Discovered, &'static str> {
    let Some(Value::Object(document)) = strict_json::parse(body) else { return Err("it is no JSON object") };
    if document.get("issuer").and_then(Value::as_str) != Some(issuer) {
        return Err("its issuer is another one");
    }
    let plain = issuer.starts_with("http:");
    let methods = document.get("token_endpoint_auth_methods_supported").and_then(Value::as_array);
    let takes = |method: &str| methods.is_some_and(|all| all.iter().any(|one| one == method));
    Ok(Discovered {
        authorization_endpoint: endpoint(&document, "authorization_endpoint", plain)?
            .ok_or("it has no authorization_endpoint")?,
        token_endpoint: endpoint(&document, "token_endpoint", plain)?.ok_or("it has no token_endpoint")?,
        jwks_uri: endpoint(&document, "jwks_uri", plain)?.ok_or("it has no jwks_uri")?,
        userinfo_endpoint: endpoint(&document, "userinfo_endpoint", plain)?,
        secret_in_form: takes("client_secret_post") && !takes("client_secret_basic"),
        names_issuer: document.get("authorization_response_iss_parameter_supported")
            == Some(&Value::Bool(true)),
    })
}

/// https, and http on this machine for an issuer that is there too.
fn endpoint(
    document: &Map<String, Value>,
    name: &'static str,
    plain: bool,
) -> Result<Option<Url>, &'static str> {
    let Some(value) = document.get(name) else { return Ok(None) };
    let url = value.as_str().and_then(|text| Url::parse(text).ok()).ok_or("an endpoint is no URL")?;
    let allowed = url.scheme() == "https" || plain && url.scheme() == "http" && is_loopback(&url);
    let bare = url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
    if allowed && bare { Ok(Some(url)) } else { Err("an endpoint is not https") }
}
