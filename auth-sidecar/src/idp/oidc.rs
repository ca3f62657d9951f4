//! How does somebody sign in at an OpenID Connect provider? Discovery, the code flow with PKCE and nonce, an ID token.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value};
use url::Url;

use super::id_token::{self, Expected, Fault, IdToken};
use super::strict_json;
use super::upstream::{Attempt, Identity, UpstreamError, UpstreamProvider};
use crate::clock::UnixTime;
use crate::config::{UpstreamConfig, UpstreamKind, is_loopback};
use crate::fetch::cache::{Cache, Known};
use crate::fetch::provider::ProviderHttp;
use crate::fetch::{FetchError, Fetched};
use crate::oauth::jwk::{Algorithm, KeySet};

const LARGEST: usize = 64 * 1024;
/// With a token in it that may hold many groups.
const LARGEST_ANSWER: usize = 256 * 1024;
/// Keys that do not fit may have been replaced since: they are fetched anew, but not more often than this.
const REFETCH_AFTER: Duration = Duration::from_secs(10);
const JSON: &str = "application/json";
const DISCOVERY: &str = "discovery";
const KEYS: &str = "keys";
const TOKEN_RESPONSE: &str = "token response";
const ID_TOKEN: &str = "ID token";
const USERINFO: &str = "UserInfo response";
const MISSING: &str = "it cannot be fetched";

/// A provider that is found by discovery.
pub(super) struct Oidc {
    config: UpstreamConfig,
    http: ProviderHttp,
    documents: Cache<Discovered>,
    keys: Cache<KeySet>,
}

/// What we need of the document (OpenID Connect Discovery section 3, RFC 8414).
#[derive(Clone)]
struct Discovered {
    authorization_endpoint: Url,
    token_endpoint: Url,
    jwks_uri: Url,
    userinfo_endpoint: Option<Url>,
    /// Whether the secret goes into the form instead of the header.
    secret_in_form: bool,
    /// Whether every answer names its issuer (RFC 9207).
    names_issuer: bool,
}

/// What a code was redeemed for.
struct Tokens {
    access_token: String,
    id_token: String,
}

// === impl Oidc ===

impl Oidc {
    pub(super) fn new(config: &UpstreamConfig, http: ProviderHttp) -> Self {
        Self { config: config.clone(), http, documents: Cache::new(), keys: Cache::new() }
    }

    async fn discover(&self, now: UnixTime) -> Result<Discovered, UpstreamError> {
        let place = format!("{}/.well-known/openid-configuration", self.config.issuer.trim_end_matches('/'));
        let read = |fetched: &Fetched| discovered(&fetched.body, &self.config.issuer);
        match self.documents.get(&place, now) {
            Known::Good(known, _) => Ok(known),
            Known::Bad(why) => Err(failure(DISCOVERY, why)),
            Known::Nothing => self.fetch(&self.documents, DISCOVERY, &place, read, now).await,
        }
    }

    async fn keys(
        &self,
        place: &Url,
        at_least_from: Option<UnixTime>,
        now: UnixTime,
    ) -> Result<KeySet, UpstreamError> {
        let read = |fetched: &Fetched| {
            let set = strict_json::parse(&fetched.body).ok_or("it is not JSON")?;
            KeySet::admit(set)
        };
        match self.keys.get(place.as_str(), now) {
            Known::Good(known, asked_at) if at_least_from.is_none_or(|least| asked_at >= least) => Ok(known),
            Known::Bad(why) => Err(failure(KEYS, why)),
            _ => self.fetch(&self.keys, KEYS, place.as_str(), read, now).await,
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
            Err(FetchError::Unreachable | FetchError::NotPublic) => {
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

    async fn redeem(
        &self,
        provider: &Discovered,
        code: &str,
        attempt: &Attempt<'_>,
    ) -> Result<Tokens, UpstreamError> {
        let (id, secret) = (self.config.client_id.as_str(), self.config.client_secret.expose());
        let verifier = attempt.verifier();
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", attempt.redirect_uri),
            ("code_verifier", &verifier),
        ];
        if provider.secret_in_form {
            form.extend([("client_id", id), ("client_secret", secret)]);
        }
        let basic = (!provider.secret_in_form).then_some((id, secret));
        let answer = self.http.post(&provider.token_endpoint, &form, basic, LARGEST_ANSWER).await;
        let answer = answer.map_err(UpstreamError::of(TOKEN_RESPONSE))?;
        let refuse = |why| UpstreamError::Refused { what: TOKEN_RESPONSE, why };
        let body = strict_json::parse(&answer.body).ok_or(refuse("it is not JSON"))?;
        let text = |name| body.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
        if !text("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("bearer")) {
            return Err(refuse("token_type is not Bearer"));
        }
        Ok(Tokens {
            access_token: text("access_token").ok_or(refuse("it has no access token"))?,
            id_token: text("id_token").ok_or(refuse("it has no ID token"))?,
        })
    }

    async fn verified(
        &self,
        provider: &Discovered,
        tokens: &Tokens,
        attempt: &Attempt<'_>,
        now: UnixTime,
    ) -> Result<IdToken, UpstreamError> {
        let nonce = attempt.nonce();
        let expected = Expected {
            issuer: &self.config.issuer,
            client_id: &self.config.client_id,
            nonce: &nonce,
            access_token: &tokens.access_token,
            algorithms: self.algorithms(),
            now,
        };
        let known = self.keys(&provider.jwks_uri, None, now).await?;
        let mut read = id_token::read(&tokens.id_token, &known, &expected);
        if matches!(read, Err(Fault::Signature)) {
            let least = UnixTime(now.0.saturating_sub(REFETCH_AFTER.as_secs()).saturating_add(1));
            let newer = self.keys(&provider.jwks_uri, Some(least), now).await?;
            read = id_token::read(&tokens.id_token, &newer, &expected);
        }
        read.map_err(|fault| match fault {
            Fault::Signature => UpstreamError::Refused { what: ID_TOKEN, why: "signature" },
            Fault::Claims(why) => UpstreamError::Refused { what: ID_TOKEN, why },
        })
    }

    /// Claims that the ID token lacks. Of UserInfo nothing is believed but what it says of the same subject (OpenID
    /// Connect Core section 5.3.2), and nothing that the ID token says itself is overwritten.
    async fn complete(
        &self,
        provider: &Discovered,
        access_token: &str,
        mut token: IdToken,
    ) -> Result<IdToken, UpstreamError> {
        let refuse = |why| UpstreamError::Refused { what: USERINFO, why };
        let place = provider.userinfo_endpoint.as_ref().ok_or(refuse("there is no such endpoint"))?;
        let answer = self.http.get(place, Some(access_token), JSON, LARGEST_ANSWER).await;
        let answer = answer.map_err(UpstreamError::of(USERINFO))?;
        let Some(Value::Object(further)) = strict_json::parse(&answer.body) else {
            return Err(refuse("it is no JSON object"));
        };
        if further.get("sub").and_then(Value::as_str) != Some(token.subject.as_str()) {
            return Err(refuse("sub"));
        }
        for (name, value) in further {
            token.claims.entry(name).or_insert(value);
        }
        Ok(token)
    }

    fn algorithms(&self) -> &[Algorithm] {
        match &self.config.kind {
            UpstreamKind::Oidc { algorithms, .. } => algorithms,
            UpstreamKind::Github { .. } => &[],
        }
    }
}

#[async_trait]
impl UpstreamProvider for Oidc {
    fn config(&self) -> &UpstreamConfig {
        &self.config
    }

    async fn authorization_url(&self, attempt: &Attempt<'_>, now: UnixTime) -> Result<Url, UpstreamError> {
        let mut url = self.discover(now).await?.authorization_endpoint;
        let prompt = match &self.config.kind {
            UpstreamKind::Oidc { prompt, .. } if attempt.again => Some(*prompt),
            _ => None,
        };
        let max_age = attempt.max_age.map(|seconds| seconds.to_string());
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.config.client_id)
            .append_pair("redirect_uri", attempt.redirect_uri)
            .append_pair("scope", &self.config.scopes.join(" "))
            .append_pair("state", attempt.state)
            .append_pair("nonce", &attempt.nonce())
            .append_pair("code_challenge", &attempt.challenge())
            .append_pair("code_challenge_method", "S256")
            .extend_pairs(prompt.map(|prompt| ("prompt", prompt)))
            .extend_pairs(max_age.as_deref().map(|seconds| ("max_age", seconds)));
        Ok(url)
    }

    async fn may_have_answered(&self, iss: Option<&str>, now: UnixTime) -> Result<bool, UpstreamError> {
        Ok(match iss {
            Some(iss) => iss == self.config.issuer,
            None => !self.discover(now).await?.names_issuer,
        })
    }

    async fn identify(
        &self,
        code: &str,
        attempt: &Attempt<'_>,
        now: UnixTime,
    ) -> Result<Identity, UpstreamError> {
        let provider = self.discover(now).await?;
        let tokens = self.redeem(&provider, code, attempt).await?;
        let mut token = self.verified(&provider, &tokens, attempt, now).await?;
        if matches!(self.config.kind, UpstreamKind::Oidc { userinfo: true, .. }) {
            token = self.complete(&provider, &tokens.access_token, token).await?;
        }
        Ok(Identity { subject: token.subject, claims: token.claims, auth_time: token.auth_time })
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
