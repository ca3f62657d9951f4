//! What does a token exchange ask for (RFC 8693 section 2.1)? An access token of ours, for another audience and no more
//! than before.

use super::client::Client;
use super::error::{ErrorCode, OAuthError};
use super::params::Params;
use super::resource;
use super::scope::ScopeSet;
use crate::config::{Resource, Resources};

/// A token type that we can read and give (RFC 8693 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenType {
    /// An access token, whatever it looks like.
    AccessToken,
    /// One that is a JWT.
    Jwt,
}

/// A request that can be read. The token in it is a credential: there is no `Debug`.
pub struct Request<'a> {
    /// `subject_token`: not looked at yet.
    pub subject_token: &'a str,
    /// `subject_token_type`.
    pub subject_token_type: TokenType,
    /// `requested_token_type`.
    pub requested: TokenType,
    /// `scope`.
    pub scope: Option<ScopeSet>,
}

// === impl TokenType ===

impl TokenType {
    /// The registered name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "urn:ietf:params:oauth:token-type:access_token",
            Self::Jwt => "urn:ietf:params:oauth:token-type:jwt",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::AccessToken, Self::Jwt].into_iter().find(|one| one.as_str() == name)
    }
}

/// Reads the parameters that need no look at the token.
///
/// # Errors
/// `invalid_request`, also for delegation (`actor_token`): our tokens do not say who acts for whom. `invalid_scope` for a
/// malformed one.
pub fn read(params: &Params) -> Result<Request<'_>, OAuthError> {
    let refuse = |why: &'static str| ErrorCode::InvalidRequest.because(why);
    if params.get("actor_token").is_some() || params.get("actor_token_type").is_some() {
        return Err(refuse("delegation (actor_token) is not supported"));
    }
    let subject_token = params.require("subject_token")?;
    let kind = TokenType::named(params.require("subject_token_type")?);
    let subject_token_type = kind.ok_or_else(|| refuse("this subject_token_type is not supported"))?;
    let requested = match params.get("requested_token_type") {
        None => Some(TokenType::AccessToken),
        Some(name) => TokenType::named(name),
    };
    let requested = requested.ok_or_else(|| refuse("this requested_token_type is not supported"))?;
    let scope = resource::asked_scope(params)?;
    Ok(Request { subject_token, subject_token_type, requested, scope })
}

/// The one resource server that `resource` and `audience` name; here both are its URL.
///
/// # Errors
/// `invalid_target` for none, an unknown one, or several.
pub fn target<'r>(params: &Params, resources: &'r Resources) -> Result<&'r Resource, OAuthError> {
    let refuse = |why: &'static str| ErrorCode::InvalidTarget.because(why);
    let mut found: Option<&Resource> = None;
    for named in params.all("resource").chain(params.all("audience")) {
        let resource = resources.named(named).ok_or_else(|| refuse("the target is unknown"))?;
        if found.is_some_and(|other| other.url != resource.url) {
            return Err(refuse("a token is exchanged for one target"));
        }
        found = Some(resource);
    }
    found.ok_or_else(|| refuse("resource or audience is missing"))
}

/// What is left of the scope: what the token has, the client may have, the target knows, and the request names if it
/// names any.
///
/// # Errors
/// `invalid_scope` when the request names more than the token has, or nothing is left where something could be.
pub fn narrowed(
    asked: Option<&ScopeSet>,
    held: &ScopeSet,
    client: &Client,
    target: &Resource,
) -> Result<ScopeSet, OAuthError> {
    let refuse = |why: &'static str| ErrorCode::InvalidScope.because(why);
    if asked.is_some_and(|asked| !asked.is_subset_of(held)) {
        return Err(refuse("the scope exceeds that of the subject token"));
    }
    let scope = asked.unwrap_or(held).and(&resource::without_user(client, target));
    let wanted = !target.scopes.is_empty() || asked.is_some();
    if scope.is_empty() && wanted {
        return Err(refuse("no scope of the subject token exists for this target and client"));
    }
    Ok(scope)
}
