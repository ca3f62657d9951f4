//! What does OpenID Connect Core add to a request and to a client?

use serde::{Deserialize, Serialize};

use super::algorithm::SigningAlgorithm;
use super::error::{ErrorCode, OAuthError};
use super::params::Params;
use super::scope::ScopeSet;

/// Asks for an ID token and for `sub` at the userinfo endpoint.
pub const OPENID: &str = "openid";
/// Asks for what we know of the user.
pub const PROFILE: &str = "profile";

const LONGEST_NONCE: usize = 1024;
const LONGEST_HINT: usize = 256;

/// What a request says beyond OAuth (OpenID Connect Core 3.1.2.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenIdRequest {
    /// `nonce`, to be returned in the ID token, byte for byte.
    pub nonce: Option<String>,
    /// `login_hint`: whom the client expects; shown in the form, and no more.
    pub login_hint: Option<String>,
    /// The user of a verified `id_token_hint`: nobody else may answer.
    pub expected_subject: Option<String>,
}

// === impl OpenIdRequest ===

impl OpenIdRequest {
    /// Whether this user may answer (OpenID Connect Core 3.1.2.2).
    #[must_use]
    pub fn means(&self, subject: &str) -> bool {
        self.expected_subject.as_deref().is_none_or(|expected| expected == subject)
    }
}

/// What a client wants of its tokens and requests, by its registration or by the operator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Preferences {
    /// `id_token_signed_response_alg`.
    pub id_token: Option<SigningAlgorithm>,
    /// `default_max_age`, in seconds.
    pub max_age: Option<u64>,
    /// Whether its access tokens are JWTs; set by the operator only.
    pub access_tokens: Option<AccessTokenFormat>,
    /// `require_pushed_authorization_requests` (RFC 9126 section 6).
    pub pushed_only: bool,
    /// `dpop_bound_access_tokens` (RFC 9449 section 5.2).
    pub dpop_only: bool,
}

/// What an access token is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccessTokenFormat {
    /// A JWT (RFC 9068), which a resource server verifies by itself.
    #[default]
    Jwt,
    /// A random string, which a resource server asks us about.
    Opaque,
}

/// The scopes of OpenID Connect that we know. They belong to no resource server.
#[must_use]
pub fn scopes() -> ScopeSet {
    [OPENID, PROFILE].into_iter().collect()
}

/// The scopes that are left when those of OpenID Connect count only beside `openid` (OpenID Connect Core 3.1.2.1).
#[must_use]
pub fn without_stray(scope: ScopeSet) -> ScopeSet {
    if scope.contains(OPENID) { scope } else { scope.without(&scopes()) }
}

/// Reads the parameters that need no key to be judged.
///
/// # Errors
/// `invalid_request` for what is too long, `registration_not_supported`.
pub fn read(params: &Params) -> Result<OpenIdRequest, OAuthError> {
    if params.get("registration").is_some() {
        return Err(ErrorCode::RegistrationNotSupported.because("registration is not supported here"));
    }
    let bounded = |name: &'static str, longest: usize| match params.get(name) {
        Some(text) if text.len() > longest => {
            Err(ErrorCode::InvalidRequest.because(format!("{name} is too long")))
        }
        text => Ok(text.map(ToOwned::to_owned)),
    };
    let login_hint = bounded("login_hint", LONGEST_HINT)?;
    Ok(OpenIdRequest {
        nonce: bounded("nonce", LONGEST_NONCE)?,
        login_hint: login_hint.filter(|hint| !hint.chars().any(char::is_control)),
        expected_subject: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profile_counts_beside_openid_only() {
        let parse = |text: &str| ScopeSet::parse(text).unwrap();
        assert_eq!(without_stray(parse("a profile")), parse("a"));
        assert_eq!(without_stray(parse("a openid profile")), parse("a openid profile"));
    }

    #[test]
    fn a_nonce_is_kept_as_it_is_and_bounded() {
        let read = |query: String| super::read(&Params::parse(query.as_bytes()));
        assert_eq!(read("nonce=a+b%26%C3%A9".into()).unwrap().nonce.as_deref(), Some("a b&é"));
        assert_eq!(read(format!("nonce={}", "x".repeat(1025))).unwrap_err().code, ErrorCode::InvalidRequest);
        let refused = read("registration=%7B%7D".into()).unwrap_err();
        assert_eq!(refused.code, ErrorCode::RegistrationNotSupported);
    }
}
