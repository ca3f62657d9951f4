//! How does somebody sign in at an OpenID Connect provider? Discovery, the code flow with PKCE and nonce, an ID token.

use async_trait::async_trait;
use serde_json::Value;
use url::Url;

use super::id_token::{self, Expected, IdToken};
use super::published::{Discovered, JSON, Published};
use super::strict_json;
use super::upstream::{Attempt, Identity, UpstreamError, UpstreamProvider};
use crate::clock::UnixTime;
use crate::config::{UpstreamConfig, UpstreamKind};
use crate::fetch::provider::ProviderHttp;
use crate::oauth::jwk::Algorithm;

/// With a token in it that may hold many groups.
const LARGEST_ANSWER: usize = 256 * 1024;
const TOKEN_RESPONSE: &str = "token response";
const ID_TOKEN: &str = "ID token";
const USERINFO: &str = "UserInfo response";

/// A provider that is found by discovery.
pub(super) struct Oidc {
    config: UpstreamConfig,
    published: Published,
}

/// What a code was redeemed for.
struct Tokens {
    access_token: String,
    id_token: String,
}

// === impl Oidc ===

impl Oidc {
    pub(super) fn new(config: &UpstreamConfig, http: ProviderHttp) -> Self {
        Self { config: config.clone(), published: Published::new(&config.issuer, http) }
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
        let answer = self.published.http.post(&provider.token_endpoint, &form, basic, LARGEST_ANSWER).await;
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
        let read = |keys: &_| id_token::read(&tokens.id_token, keys, &expected);
        self.published.verified(ID_TOKEN, &provider.jwks_uri, now, read).await
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
        let answer = self.published.http.get(place, Some(access_token), JSON, LARGEST_ANSWER).await;
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
        let mut url = self.published.discover(now).await?.authorization_endpoint;
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
            None => !self.published.discover(now).await?.names_issuer,
        })
    }

    async fn identify(
        &self,
        code: &str,
        attempt: &Attempt<'_>,
        now: UnixTime,
    ) -> Result<Identity, UpstreamError> {
        let provider = self.published.discover(now).await?;
        let tokens = self.redeem(&provider, code, attempt).await?;
        let mut token = self.verified(&provider, &tokens, attempt, now).await?;
        if matches!(self.config.kind, UpstreamKind::Oidc { userinfo: true, .. }) {
            token = self.complete(&provider, &tokens.access_token, token).await?;
        }
        Ok(Identity { subject: token.subject, claims: token.claims, auth_time: token.auth_time })
    }
}
