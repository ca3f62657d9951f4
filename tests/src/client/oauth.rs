//! How does a client get from a 401 to tokens? By what the answers say alone: protected-resource metadata from the
//! challenge (RFC 9728), authorization-server metadata (RFC 8414), registration (RFC 7591), authorization code with PKCE
//! (S256) and a resource indicator (RFC 8707), refresh. No URL of the sidecar is known beforehand.

#![expect(
    clippy::indexing_slicing,
    reason = "reading a member of a JSON value gives null where there is none"
)]

mod browser;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;

pub use browser::Browser;

use crate::client::http::{Answer, Http};
use crate::failure::Context as _;
use crate::ready::Login;
use crate::sidecar::random_text;
use crate::{Failure, Result};

/// Where our redirect URI points; nobody needs to listen there, the redirect is only read.
pub const REDIRECT_URI: &str = "http://127.0.0.1:33418/callback";

/// What a client learns before it registers.
#[derive(Clone, Debug)]
pub struct Discovery {
    /// The MCP URL that answered 401.
    pub mcp: String,
    /// The scope that the challenge asked for.
    pub scope: Option<String>,
    /// The protected-resource metadata.
    pub resource: Value,
    /// The authorization server's metadata.
    pub server: Value,
}

/// A registered client.
#[derive(Clone, Debug)]
pub struct Registration {
    /// Its identifier.
    pub client_id: String,
    /// The whole answer of the registration.
    pub answer: Value,
}

/// What the token endpoint gave.
#[derive(Clone)]
pub struct Tokens {
    /// The bearer token.
    pub access_token: String,
    /// For the next one.
    pub refresh_token: Option<String>,
    /// Seconds.
    pub expires_in: Option<u64>,
    /// What was granted, where it was said.
    pub scope: Option<String>,
}

/// A client that has logged in.
#[derive(Clone, Debug)]
pub struct Session {
    /// Where.
    pub discovery: Discovery,
    /// As whom.
    pub registration: Registration,
    /// With what.
    pub tokens: Tokens,
}

/// One authorization request, to be answered by a redirect.
#[derive(Clone, Debug)]
pub struct Authorization {
    /// The URL to visit.
    pub url: String,
    state: String,
    verifier: String,
}

/// The whole flow: discover, register, log in, consent, redeem.
///
/// # Errors
/// The first step that fails, with what was answered.
pub async fn log_in(http: &Http, mcp: &str, login: &Login, scope: Option<&str>) -> Result<Session> {
    let discovery = discover(http, mcp).await?;
    let registration = register(http, &discovery).await?;
    let tokens = authorize(http, &discovery, &registration, login, scope).await?;
    Ok(Session { discovery, registration, tokens })
}

/// Once more through the browser as a client that is registered already, as for a step-up.
///
/// # Errors
/// Any step of it fails.
pub async fn authorize(
    http: &Http,
    discovery: &Discovery,
    registration: &Registration,
    login: &Login,
    scope: Option<&str>,
) -> Result<Tokens> {
    let (authorization, code) = consent(http, discovery, registration, login, scope).await?;
    redeem(http, discovery, registration, &authorization, &code).await
}

/// The same for tokens that are bound to the key of a DPoP proof (RFC 9449 section 5), made for the token endpoint.
///
/// # Errors
/// Any step of it fails, or the tokens are not bound.
pub async fn authorize_bound(
    http: &Http,
    discovery: &Discovery,
    registration: &Registration,
    login: &Login,
    proof: &str,
) -> Result<Tokens> {
    let (authorization, code) = consent(http, discovery, registration, login, None).await?;
    let form = code_form(discovery, registration, &authorization, &code);
    token_request(http, discovery, &form, Some(proof)).await
}

/// Logs in and consents; the code, and the request that it answers.
async fn consent(
    http: &Http,
    discovery: &Discovery,
    registration: &Registration,
    login: &Login,
    scope: Option<&str>,
) -> Result<(Authorization, String)> {
    let authorization = Authorization::new(discovery, registration, scope)?;
    let mut browser = Browser::new(http.clone());
    let redirect = browser.decide(&authorization.url, login, REDIRECT_URI, true).await?;
    let code = authorization.code(discovery, &redirect)?;
    Ok((authorization, code))
}

/// Asks without a token and follows the challenge to both metadata documents.
///
/// # Errors
/// No 401 with `resource_metadata`, a document that is not there, or one that names another resource or issuer.
pub async fn discover(http: &Http, mcp: &str) -> Result<Discovery> {
    let probe = json!({"jsonrpc": "2.0", "id": 0, "method": "ping"});
    let refused = http.post_json(mcp, &[("accept", "application/json, text/event-stream")], &probe).await?;
    let challenge = refused.header("www-authenticate").unwrap_or_default();
    if refused.status != 401 {
        return Err(Failure::new(format!("{mcp} without a token answered {}, not 401", refused.status)));
    }
    let url = challenge_parameter(challenge, "resource_metadata")
        .ok_or_else(|| Failure::new(format!("the challenge names no resource_metadata: {challenge}")))?;
    let resource = document(http, &url).await?;
    if resource["resource"] != mcp {
        return Err(Failure::new(format!("{url} is about {}, not {mcp}", resource["resource"])));
    }
    let issuer = resource["authorization_servers"][0].as_str();
    let issuer = issuer.ok_or_else(|| Failure::new(format!("{url} names no authorization server")))?;
    let server = document(http, &metadata_url(issuer)?).await?;
    if server["issuer"] != issuer {
        return Err(Failure::new(format!("the metadata of {issuer} says it is {}", server["issuer"])));
    }
    Ok(Discovery { mcp: mcp.to_owned(), scope: challenge_parameter(challenge, "scope"), resource, server })
}

/// Registers a public client with our redirect URI.
///
/// # Errors
/// The registration was refused.
pub async fn register(http: &Http, discovery: &Discovery) -> Result<Registration> {
    let request = json!({
        "client_name": "wicketgate test client",
        "redirect_uris": [REDIRECT_URI],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "application_type": "native",
    });
    let answer = http.post_json(discovery.endpoint("registration_endpoint")?, &[], &request).await?;
    if answer.status != 201 {
        return Err(refusal("registration", &answer));
    }
    let answer = answer.json()?;
    let client_id = answer["client_id"].as_str().context_missing("client_id")?.to_owned();
    Ok(Registration { client_id, answer })
}

/// Exchanges the code.
///
/// # Errors
/// The token endpoint refused.
pub async fn redeem(
    http: &Http,
    discovery: &Discovery,
    registration: &Registration,
    authorization: &Authorization,
    code: &str,
) -> Result<Tokens> {
    let form = code_form(discovery, registration, authorization, code);
    token_request(http, discovery, &form, None).await
}

fn code_form<'a>(
    discovery: &'a Discovery,
    registration: &'a Registration,
    authorization: &'a Authorization,
    code: &'a str,
) -> [(&'a str, &'a str); 6] {
    [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", REDIRECT_URI),
        ("client_id", &registration.client_id),
        ("code_verifier", &authorization.verifier),
        ("resource", &discovery.mcp),
    ]
}

/// Exchanges a refresh token.
///
/// # Errors
/// The token endpoint refused.
pub async fn refresh(http: &Http, session: &Session) -> Result<Tokens> {
    let refresh_token = session.tokens.refresh_token.as_deref().context_missing("refresh_token")?;
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh_token),
        ("client_id", &session.registration.client_id),
        ("resource", &session.discovery.mcp),
    ];
    token_request(http, &session.discovery, &form, None).await
}

/// One parameter of a `Bearer` challenge.
#[must_use]
pub fn challenge_parameter(challenge: &str, name: &str) -> Option<String> {
    let mut rest = challenge.strip_prefix("Bearer")?.trim_start();
    while let Some((parameter, after)) = rest.split_once("=\"") {
        let (value, after) = after.split_once('"')?;
        if parameter.trim_start_matches([',', ' ']) == name {
            return Some(value.to_owned());
        }
        rest = after;
    }
    None
}

// === impl Discovery ===

impl Discovery {
    /// An endpoint of the authorization server by its metadata name.
    ///
    /// # Errors
    /// The metadata does not name it.
    pub fn endpoint(&self, name: &str) -> Result<&str> {
        self.server[name].as_str().context_missing(name)
    }

    /// The issuer.
    ///
    /// # Errors
    /// The metadata does not name it.
    pub fn issuer(&self) -> Result<&str> {
        self.endpoint("issuer")
    }
}

// === impl Authorization ===

impl Authorization {
    /// A request with fresh state and verifier. Scope: as given, else as challenged, else none.
    ///
    /// # Errors
    /// The server does not offer S256, or has no authorization endpoint.
    pub fn new(discovery: &Discovery, registration: &Registration, scope: Option<&str>) -> Result<Self> {
        let methods = &discovery.server["code_challenge_methods_supported"];
        if !methods.as_array().is_some_and(|methods| methods.contains(&json!("S256"))) {
            return Err(Failure::new("the authorization server does not offer PKCE with S256"));
        }
        let (state, verifier) = (random_text(16)?, random_text(32)?);
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier));
        let endpoint = discovery.endpoint("authorization_endpoint")?;
        let mut url = Url::parse(endpoint).context(|| format!("not a URL: {endpoint}"))?;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &registration.client_id)
            .append_pair("redirect_uri", REDIRECT_URI)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256")
            .append_pair("state", &state)
            .append_pair("resource", &discovery.mcp);
        if let Some(scope) = scope.or(discovery.scope.as_deref()) {
            url.query_pairs_mut().append_pair("scope", scope);
        }
        Ok(Self { url: url.into(), state, verifier })
    }

    /// The code in a redirect, after its `state` and `iss` were compared.
    ///
    /// # Errors
    /// Another state or issuer, an error, or no code.
    pub fn code(&self, discovery: &Discovery, redirect: &Url) -> Result<String> {
        let parameter = |name: &str| {
            redirect.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        if parameter("state").as_deref() != Some(self.state.as_str()) {
            return Err(Failure::new("the redirect carries another state"));
        }
        let promised = discovery.server["authorization_response_iss_parameter_supported"] == true;
        let issuer = parameter("iss");
        if (promised || issuer.is_some()) && issuer.as_deref() != Some(discovery.issuer()?) {
            return Err(Failure::new("the redirect carries another issuer, or none where one was promised"));
        }
        if let Some(error) = parameter("error") {
            return Err(Failure::new(format!("the authorization server answered {error}")));
        }
        parameter("code").ok_or_else(|| Failure::new("the redirect carries no code"))
    }
}

// === impl Tokens ===

impl Tokens {
    fn read(answer: &Value) -> Result<Self> {
        let text = |name: &str| answer[name].as_str().map(str::to_owned);
        Ok(Self {
            access_token: text("access_token").context_missing("access_token")?,
            refresh_token: text("refresh_token"),
            expires_in: answer["expires_in"].as_u64(),
            scope: text("scope"),
        })
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens")
            .field("expires_in", &self.expires_in)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

trait Missing<T> {
    fn context_missing(self, name: &str) -> Result<T>;
}

impl<T> Missing<T> for Option<T> {
    fn context_missing(self, name: &str) -> Result<T> {
        self.ok_or_else(|| Failure::new(format!("the answer holds no `{name}`")))
    }
}

/// With a `proof` the tokens must be bound, else not.
async fn token_request(
    http: &Http,
    discovery: &Discovery,
    form: &[(&str, &str)],
    proof: Option<&str>,
) -> Result<Tokens> {
    let form: Vec<_> = form.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let fields: Vec<_> = proof.map(|proof| ("dpop", proof)).into_iter().collect();
    let answer = http.post_form(discovery.endpoint("token_endpoint")?, &fields, &form).await?;
    if answer.status != 200 {
        return Err(refusal("token request", &answer));
    }
    let body = answer.json()?;
    let wanted = if proof.is_some() { "dpop" } else { "bearer" };
    if !body["token_type"].as_str().is_some_and(|kind| kind.eq_ignore_ascii_case(wanted)) {
        return Err(Failure::new(format!("the token is not a {wanted} token but {}", body["token_type"])));
    }
    Tokens::read(&body)
}

async fn document(http: &Http, url: &str) -> Result<Value> {
    let answer = http.get(url, &[("accept", "application/json")]).await?;
    if answer.status == 200 {
        answer.json()
    } else {
        Err(Failure::new(format!("{url} answered {}", answer.status)))
    }
}

/// RFC 8414 section 3.1: the well-known part goes between host and path.
fn metadata_url(issuer: &str) -> Result<String> {
    let mut url = Url::parse(issuer).context(|| format!("the issuer {issuer} is not a URL"))?;
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&format!("/.well-known/oauth-authorization-server{path}"));
    Ok(url.into())
}

fn refusal(what: &str, answer: &Answer) -> Failure {
    Failure::new(format!("the {what} was refused ({}): {}", answer.status, answer.text()))
}

#[cfg(test)]
mod tests;
