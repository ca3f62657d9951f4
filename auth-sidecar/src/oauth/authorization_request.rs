//! Is this authorization request valid, and what does it ask for? Read in two steps, because until client and redirect
//! URI are known to belong together no answer may leave for that URI (RFC 6749 section 4.1.2.1).

use serde::{Deserialize, Serialize};

use super::client::{Client, GrantType};
use super::error::{ErrorCode, OAuthError};
use super::openid::{self, OPENID, OpenIdRequest};
use super::params::Params;
use super::scope::ScopeSet;
use super::{pkce, resource};
use crate::config::Resources;
use crate::secret::Digest;

/// All parameters that are read of a request; every other is ignored (RFC 6749 section 3.1). The last three refuse it.
pub(crate) const READ: [&str; 18] = [
    "response_type",
    "response_mode",
    "client_id",
    "redirect_uri",
    "state",
    "scope",
    "resource",
    "code_challenge",
    "code_challenge_method",
    "prompt",
    "max_age",
    "nonce",
    "login_hint",
    "id_token_hint",
    "dpop_jkt",
    "request",
    "request_uri",
    "registration",
];

/// The longest `state` that is returned, in bytes.
pub(crate) const LONGEST_STATE: usize = 4096;

/// A valid request, as it waits for the user.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    /// Who asks.
    pub client_id: String,
    /// Where the answer goes, exactly as requested.
    pub redirect_uri: String,
    /// `state`, to be returned unchanged.
    pub state: Option<String>,
    /// What is asked for.
    pub scope: ScopeSet,
    /// For which resource servers.
    pub resources: Vec<String>,
    /// The PKCE challenge: a digest of the verifier.
    pub challenge: Digest,
    /// What the client wants the user to see.
    pub prompt: Prompt,
    /// What counts in the client's metadata document, where it has one.
    #[serde(default)]
    pub document: Option<Digest>,
    /// The sign-in may be at most so many seconds old (OpenID Connect Core 3.1.2.1).
    pub max_age: Option<u64>,
    /// What OpenID Connect adds.
    #[serde(default)]
    pub openid: OpenIdRequest,
    /// Whether it is this client that asks, and no other: see [`Client::is_assured`].
    #[serde(default)]
    pub is_assured: bool,
    /// Thumbprint of the key that the code is bound to (RFC 9449 section 10).
    #[serde(default)]
    pub dpop_jkt: Option<String>,
}

/// `prompt` of OpenID Connect Core 3.1.2.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// Nothing may be shown; what would need the user is refused.
    pub none: bool,
    /// The user must sign in again.
    pub login: bool,
    /// The user must be able to sign in as somebody else.
    #[serde(default)]
    pub select_account: bool,
    /// The user must consent again.
    pub consent: bool,
}

// === impl Prompt ===

impl Prompt {
    /// Whether a sign-in of before will not do.
    #[must_use]
    pub fn asks_again(&self) -> bool {
        self.login || self.select_account
    }
}

/// Where every further answer to this request goes.
#[derive(Clone, Debug)]
pub struct ReplyTo {
    /// The redirect URI, checked against the client.
    pub redirect_uri: String,
    /// `state`, to be returned.
    pub state: Option<String>,
}

/// Step one: which client does this request name?
///
/// # Errors
/// `invalid_request`; to be shown on our own page, never redirected.
pub fn client_id(params: &Params) -> Result<&str, OAuthError> {
    params.require("client_id")
}

/// Step two: may the answer go where the request wants it? A client with one redirect URI may leave it out, except in an
/// OpenID Connect request (Core 3.1.2.1).
///
/// # Errors
/// `invalid_request`; to be shown on our own page, never redirected.
pub fn reply_to(params: &Params, client: &Client) -> Result<ReplyTo, OAuthError> {
    let redirect_uri = match (params.all("redirect_uri").count(), client.redirect_uris.as_slice()) {
        (0, [only]) if !asks_openid(params) => only.clone(),
        (1, _) => params.require("redirect_uri")?.to_owned(),
        (0, _) => return Err(ErrorCode::InvalidRequest.because("redirect_uri is missing")),
        _ => return Err(ErrorCode::InvalidRequest.because("redirect_uri is repeated")),
    };
    if !client.accepts_redirect(&redirect_uri) {
        return Err(ErrorCode::InvalidRequest.because("redirect_uri is not registered for this client"));
    }
    Ok(ReplyTo { redirect_uri, state: params.get("state").map(ToOwned::to_owned) })
}

/// Step three: the request itself.
///
/// # Errors
/// To be sent to `reply_to`.
pub fn validate(
    params: &Params,
    client: &Client,
    reply_to: &ReplyTo,
    resources: &Resources,
    issuer: &str,
) -> Result<AuthorizationRequest, OAuthError> {
    params.admit()?;
    if params.get("request").is_some() {
        return Err(ErrorCode::RequestNotSupported.because("request objects are not supported"));
    }
    if params.get("request_uri").is_some() {
        return Err(ErrorCode::RequestUriNotSupported.because("request_uri is not supported"));
    }
    if params.require("response_type")? != "code" {
        return Err(ErrorCode::UnsupportedResponseType.because("response_type must be code"));
    }
    if params.get("response_mode").is_some_and(|mode| mode != "query") {
        return Err(ErrorCode::InvalidRequest.because("response_mode must be query"));
    }
    if !client.may(GrantType::AuthorizationCode) {
        return Err(ErrorCode::UnauthorizedClient.because("this client is not registered for this grant"));
    }
    if reply_to.state.as_ref().is_some_and(|state| state.len() > LONGEST_STATE) {
        return Err(ErrorCode::InvalidRequest.because("state is too long"));
    }
    let challenge = pkce::challenge(params)?;
    let urls = resource::requested_or_own(params, resources, issuer)?;
    Ok(AuthorizationRequest {
        client_id: client.id.clone(),
        redirect_uri: reply_to.redirect_uri.clone(),
        state: reply_to.state.clone(),
        scope: resource::requested_scope(params, client, &urls, resources)?,
        resources: urls,
        challenge,
        prompt: prompt(params)?,
        document: client.document,
        max_age: max_age(params)?.or(client.preferences.max_age),
        openid: openid::read(params)?,
        is_assured: client.is_assured(&reply_to.redirect_uri),
        dpop_jkt: dpop_jkt(params)?,
    })
}

fn asks_openid(params: &Params) -> bool {
    params.all("scope").flat_map(|scope| scope.split(' ')).any(|token| token == OPENID)
}

/// A thumbprint is a SHA-256 digest in base64url.
fn dpop_jkt(params: &Params) -> Result<Option<String>, OAuthError> {
    let Some(jkt) = params.get("dpop_jkt") else { return Ok(None) };
    match Digest::try_from(jkt.to_owned()) {
        Ok(_) => Ok(Some(jkt.to_owned())),
        Err(_) => Err(ErrorCode::InvalidRequest.because("dpop_jkt must be a SHA-256 JWK thumbprint")),
    }
}

fn prompt(params: &Params) -> Result<Prompt, OAuthError> {
    let mut prompt = Prompt::default();
    let words: Vec<&str> = params.get("prompt").unwrap_or_default().split_ascii_whitespace().collect();
    for word in &words {
        match *word {
            "none" => prompt.none = true,
            "login" => prompt.login = true,
            "select_account" => prompt.select_account = true,
            "consent" => prompt.consent = true,
            _ => return Err(ErrorCode::InvalidRequest.because("prompt has an unknown value")),
        }
    }
    if prompt.none && words.len() > 1 {
        return Err(ErrorCode::InvalidRequest.because("prompt none excludes every other value"));
    }
    Ok(prompt)
}

fn max_age(params: &Params) -> Result<Option<u64>, OAuthError> {
    let Some(text) = params.get("max_age") else { return Ok(None) };
    // `parse` takes a sign, too.
    let digits = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let seconds = digits.and_then(|digits| digits.parse().ok());
    seconds.map(Some).ok_or_else(|| ErrorCode::InvalidRequest.because("max_age must be a number of seconds"))
}
