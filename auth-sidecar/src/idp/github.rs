//! How does somebody sign in at GitHub? An OAuth app: no ID token, so its API is asked who the token belongs to.
//!
//! Somebody's identity is the number of the account. Names of users, organizations and teams can be given up and taken
//! by others, so they decide nothing here.

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use url::Url;

use super::strict_json;
use super::upstream::{Attempt, Identity, UpstreamError, UpstreamProvider};
use crate::clock::UnixTime;
use crate::config::UpstreamConfig;
use crate::fetch::provider::ProviderHttp;

const LARGEST: usize = 1024 * 1024;
const PAGE: usize = 100;
/// Of organizations or teams: whoever is in more than this many hundreds is not let in by the last of them.
const MOST_PAGES: usize = 10;
const API_JSON: &str = "application/vnd.github+json";
const TOKEN_RESPONSE: &str = "token response";
const API: &str = "API";

/// GitHub, or an installation of GitHub Enterprise Server.
pub(super) struct Github {
    config: UpstreamConfig,
    api: Url,
    http: ProviderHttp,
}

// === impl Github ===

impl Github {
    pub(super) fn new(config: &UpstreamConfig, api: &Url, http: ProviderHttp) -> Self {
        Self { config: config.clone(), api: api.clone(), http }
    }

    fn web(&self, path: &str) -> Result<Url, UpstreamError> {
        let url = Url::parse(&format!("{}{path}", self.config.issuer));
        url.map_err(|_| UpstreamError::Refused { what: API, why: "no URL" })
    }

    async fn redeem(&self, code: &str, attempt: &Attempt<'_>) -> Result<String, UpstreamError> {
        let verifier = attempt.verifier();
        let form = [
            ("client_id", self.config.client_id.as_str()),
            ("client_secret", self.config.client_secret.expose()),
            ("code", code),
            ("redirect_uri", attempt.redirect_uri),
            ("code_verifier", &verifier),
        ];
        let answer = self.http.post(&self.web("/login/oauth/access_token")?, &form, None, LARGEST).await;
        let answer = answer.map_err(UpstreamError::of(TOKEN_RESPONSE))?;
        let refuse = |why| UpstreamError::Refused { what: TOKEN_RESPONSE, why };
        let body = strict_json::parse(&answer.body).ok_or(refuse("it is not JSON"))?;
        // A refusal has status 200 too.
        let text = |name| body.get(name).and_then(Value::as_str);
        if body.get("error").is_some() {
            return Err(refuse("the code was refused"));
        }
        if !text("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("bearer")) {
            return Err(refuse("token_type is not bearer"));
        }
        text("access_token").map(ToOwned::to_owned).ok_or(refuse("it has no access token"))
    }

    async fn ask(&self, path: &str, page: Option<usize>, token: &str) -> Result<Value, UpstreamError> {
        let mut url = self.api.clone();
        url.set_path(&format!("{}{path}", self.api.path().trim_end_matches('/')));
        if let Some(page) = page {
            url.set_query(Some(&format!("per_page={PAGE}&page={page}")));
        }
        let answer = self.http.get(&url, Some(token), API_JSON, LARGEST).await;
        let answer = answer.map_err(UpstreamError::of(API))?;
        strict_json::parse(&answer.body).ok_or(UpstreamError::Refused { what: API, why: "it is not JSON" })
    }

    /// The numbers of everything in a list of several pages.
    async fn numbers(&self, path: &str, token: &str) -> Result<Value, UpstreamError> {
        let mut numbers = Vec::new();
        for page in 1..=MOST_PAGES {
            let Value::Array(found) = self.ask(path, Some(page), token).await? else {
                return Err(UpstreamError::Refused { what: API, why: "it is no list" });
            };
            for one in &found {
                numbers.push(json!(number(one)?.to_string()));
            }
            if found.len() < PAGE {
                break;
            }
        }
        Ok(Value::Array(numbers))
    }
}

#[async_trait]
impl UpstreamProvider for Github {
    fn config(&self) -> &UpstreamConfig {
        &self.config
    }

    async fn authorization_url(&self, attempt: &Attempt<'_>, _now: UnixTime) -> Result<Url, UpstreamError> {
        let mut url = self.web("/login/oauth/authorize")?;
        url.query_pairs_mut()
            .append_pair("client_id", &self.config.client_id)
            .append_pair("redirect_uri", attempt.redirect_uri)
            .append_pair("scope", &self.config.scopes.join(" "))
            .append_pair("state", attempt.state)
            .append_pair("code_challenge", &attempt.challenge())
            .append_pair("code_challenge_method", "S256")
            .append_pair("allow_signup", "false")
            .extend_pairs(attempt.again.then_some(("prompt", "select_account")));
        Ok(url)
    }

    async fn may_have_answered(&self, iss: Option<&str>, _now: UnixTime) -> Result<bool, UpstreamError> {
        // What GitHub calls itself in its own metadata.
        Ok(iss.is_none_or(|iss| iss == format!("{}/login/oauth", self.config.issuer)))
    }

    /// The token is asked for these answers and then forgotten.
    async fn identify(
        &self,
        code: &str,
        attempt: &Attempt<'_>,
        _now: UnixTime,
    ) -> Result<Identity, UpstreamError> {
        let token = self.redeem(code, attempt).await?;
        let subject = number(&self.ask("/user", None, &token).await?)?.to_string();
        let mut claims = Map::new();
        for list in ["orgs", "teams"] {
            if self.config.rules.read(&format!("/{list}")) {
                claims.insert(list.to_owned(), self.numbers(&format!("/user/{list}"), &token).await?);
            }
        }
        Ok(Identity { subject, claims, auth_time: None })
    }
}

/// The `id` of something of GitHub's: a number from one on.
fn number(of: &Value) -> Result<u64, UpstreamError> {
    let id = of.get("id").and_then(Value::as_u64).filter(|id| *id > 0);
    id.ok_or(UpstreamError::Refused { what: API, why: "id is no number" })
}
