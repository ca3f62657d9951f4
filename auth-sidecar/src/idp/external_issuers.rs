//! Whose access token is this, and does its issuer stand by it? Its keys say so, or it is asked: once about a token, whoever
//! else wants to know at the same time, and not again for a while.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use url::Url;

use super::external_token::Said;
use super::jwt;
use super::published::Published;
use super::strict_json;
use super::upstream::UpstreamError;
use crate::clock::UnixTime;
use crate::config::{Check, Config, ExternalIssuer, Introspection, Resource};
use crate::error::Failure;
use crate::fetch::cache::{Cache, Known};
use crate::fetch::provider::ProviderHttp;
use crate::fetch::turns::Turns;
use crate::oauth::claims::AccessClaims;
use crate::secret::{Digest, Kind};

const ACCESS_TOKEN: &str = "access token";
const ANSWER: &str = "answer about a token";
const LARGEST_ANSWER: usize = 64 * 1024;
/// So long is it believed that a token is alive; that it is not, as long as other failures are remembered.
const BELIEVED: Duration = Duration::from_secs(30);
/// What is remembered of a token whose issuer gave no answer.
const NO_ANSWER: &str = "no answer";

/// All of them.
pub(crate) struct ExternalIssuers(Vec<Trusted>);

/// One of them.
pub(crate) struct Trusted {
    config: ExternalIssuer,
    published: Published,
    /// By digest of the token.
    answers: Cache<Arc<Said>>,
    turns: Turns,
}

// === impl ExternalIssuers ===

impl ExternalIssuers {
    pub(crate) fn new(config: &Config) -> Self {
        let trusted = config.external_issuers.iter().map(|one| {
            let issuer = Url::parse(&one.issuer).ok();
            let named = match &one.check {
                Check::Introspection(how) => Some(&how.url),
                Check::Keys { jwks_uri, .. } => jwks_uri.as_ref().or(issuer.as_ref()),
            };
            let http = ProviderHttp::new(&config.fetch, named.into_iter());
            let published = Published::new(&one.issuer, http);
            Trusted { config: one.clone(), published, answers: Cache::new(), turns: Turns::new() }
        });
        Self(trusted.collect())
    }

    /// Whose token this may be: the issuer that a JWT names (nothing of it is verified yet), else the one whose prefix it has,
    /// else the first that is asked about tokens without one. Tokens of ours are nobody else's.
    pub(crate) fn of(&self, token: &str) -> Option<&Trusted> {
        if let Some(issuer) = jwt::issuer_of(token) {
            return self.0.iter().find(|one| one.config.issuer == issuer);
        }
        if Kind::ALL.iter().any(|kind| token.starts_with(kind.prefix())) {
            return None;
        }
        let asked = self.0.iter().filter_map(|one| match &one.config.check {
            Check::Introspection(how) if token.starts_with(&how.prefix) => Some((one, how.prefix.len())),
            _ => None,
        });
        // Of several with the longest prefix the first: `max_by_key` would take the last.
        asked.rev().max_by_key(|(_, length)| *length).map(|(one, _)| one)
    }

    /// The public keys of the issuer with this id, none where it is asked instead; `None` where there is no such issuer.
    pub(crate) async fn keys(&self, id: &str, now: UnixTime) -> Result<Option<Value>, Failure> {
        let Some(one) = self.0.iter().find(|one| one.config.id == id) else { return Ok(None) };
        let Check::Keys { jwks_uri, .. } = &one.config.check else { return Ok(Some(json!({"keys": []}))) };
        let keys = async {
            let place = one.published.place_of_keys(jwks_uri.as_ref(), now).await?;
            one.published.keys(&place, UnixTime::default(), now).await
        };
        let keys = keys.await.map_err(|error| one.unavailable(&error))?;
        Ok(Some(keys.public_members()))
    }
}

// === impl Trusted ===

impl Trusted {
    /// What a token of this issuer means here, if it is alive and for this resource server.
    pub(crate) async fn claims(
        &self,
        token: &str,
        resource: &Resource,
        now: UnixTime,
    ) -> Result<Option<AccessClaims>, Failure> {
        let Some(said) = self.said(token, now).await? else { return Ok(None) };
        match said.for_resource(&self.config, resource, token) {
            Ok(claims) => Ok(Some(claims)),
            Err(why) => Ok(self.refused(&why)),
        }
    }

    async fn said(&self, token: &str, now: UnixTime) -> Result<Option<Arc<Said>>, Failure> {
        let (jwks_uri, terms) = match &self.config.check {
            Check::Introspection(how) => return self.asked(how, token, now).await,
            Check::Keys { jwks_uri, algorithms, token_type } => {
                (jwks_uri.as_ref(), (algorithms.as_slice(), *token_type))
            }
        };
        let read = |keys: &_| Said::by_signature(token, keys, &self.config, terms, now);
        let said = async {
            let place = self.published.place_of_keys(jwks_uri, now).await?;
            self.published.verified(ACCESS_TOKEN, &place, now, read).await
        };
        match said.await {
            Ok(said) => Ok(Some(Arc::new(said))),
            Err(UpstreamError::Refused { what: ACCESS_TOKEN, why }) => Ok(self.refused(why)),
            Err(error) => Err(self.unavailable(&error)),
        }
    }

    /// What was answered a moment ago, else what is answered now.
    async fn asked(
        &self,
        how: &Introspection,
        token: &str,
        now: UnixTime,
    ) -> Result<Option<Arc<Said>>, Failure> {
        let name = Digest::of(token).encoded();
        if let Some(known) = self.remembered(&name, now) {
            return known;
        }
        let _turn = self.turns.of(&name).await;
        if let Some(known) = self.remembered(&name, now) {
            return known;
        }
        match self.ask(how, token, now).await {
            Ok(Ok(said)) => {
                let said = Arc::new(said);
                self.answers.keep(&name, &said, BELIEVED.min(said.expires_at().since(now)), now);
                Ok(Some(said))
            }
            Ok(Err(why)) => {
                self.answers.refuse(&name, why, now);
                Ok(self.refused(why))
            }
            Err(error) => {
                self.answers.refuse(&name, NO_ANSWER, now);
                Err(self.unavailable(&error))
            }
        }
    }

    fn remembered(&self, name: &str, now: UnixTime) -> Option<Result<Option<Arc<Said>>, Failure>> {
        match self.answers.get(name, now) {
            Known::Good(said, _) => Some(Ok(Some(said))),
            Known::Bad(NO_ANSWER) => Some(Err(gone())),
            Known::Bad(_) => Some(Ok(None)),
            Known::Nothing => None,
        }
    }

    /// RFC 7662. Whatever is no answer to the question, 401 to us among it, says nothing about the token.
    async fn ask(
        &self,
        how: &Introspection,
        token: &str,
        now: UnixTime,
    ) -> Result<Result<Said, &'static str>, UpstreamError> {
        let form = [("token", token), ("token_type_hint", "access_token")];
        let basic = Some((how.client_id.as_str(), how.client_secret.expose()));
        let answer = self.published.http.post(&how.url, &form, basic, LARGEST_ANSWER).await;
        let answer = answer.map_err(UpstreamError::of(ANSWER))?;
        let refuse = |why| UpstreamError::Refused { what: ANSWER, why };
        let answer: Map<String, Value> = match strict_json::parse(&answer.body) {
            Some(Value::Object(answer)) => answer,
            _ => return Err(refuse("it is no JSON object")),
        };
        match answer.get("active").and_then(Value::as_bool) {
            Some(true) => Ok(Said::by_answer(answer, &self.config, now)),
            Some(false) => Ok(Err("not active")),
            None => Err(refuse("active")),
        }
    }

    /// A token that does not count.
    fn refused<T>(&self, why: &str) -> Option<T> {
        tracing::info!(event = "external_token_refused", issuer = self.config.id, why);
        None
    }

    fn unavailable(&self, error: &UpstreamError) -> Failure {
        tracing::warn!(event = "external_issuer_unavailable", issuer = self.config.id, %error);
        gone()
    }
}

fn gone() -> Failure {
    Failure::Unavailable("the issuer of the token cannot be asked")
}
