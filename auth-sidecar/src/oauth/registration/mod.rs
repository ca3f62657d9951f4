//! May this client be registered as it describes itself? Client metadata of RFC 7591 section 2 and of OpenID Connect
//! Registration, field by field; the same fields come from a request, an update (RFC 7592) and a metadata document.

mod fields;
mod unique;

use std::borrow::Cow;

use serde_json::{Map, Value};

pub use self::unique::Unique;
use super::client::{AuthMethod, GrantType};
use super::error::{ErrorCode, OAuthError};
use super::jwk::{Algorithm, KeySource};
use super::openid::Preferences;
use super::redirect_uri::{self, PrivateUse};
use super::registration_preferences;
use super::scope::ScopeSet;

const MOST_REDIRECT_URIS: usize = 20;
const POST_LOGOUT: &str = "post_logout_redirect_uris";
const LONGEST_SCOPE: usize = 2048;

/// What differs between the ways in which metadata comes.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// Which redirect URIs such as `com.example.app:/callback` are admitted.
    pub private_use: &'a PrivateUse,
    /// Whether a client may be registered for tokens in its own name.
    pub client_credentials: bool,
    /// Whether it may be for tokens on the word of an identity assertion.
    pub jwt_bearer: bool,
    /// `token_endpoint_auth_method` where it is left out.
    pub default_method: AuthMethod,
}

/// Metadata that was admitted. What we do not know is left out (RFC 7591 section 2), what we cannot do is replaced by
/// what we can; the response says what was registered.
#[derive(Debug, PartialEq)]
pub struct Registration {
    /// `token_endpoint_auth_method`.
    pub auth_method: AuthMethod,
    /// `token_endpoint_auth_signing_alg`.
    pub assertion_algorithm: Option<Algorithm>,
    /// `jwks` or `jwks_uri`.
    pub keys: Option<KeySource>,
    /// `grant_types`, those that we support.
    pub grant_types: Vec<GrantType>,
    /// `redirect_uris`.
    pub redirect_uris: Vec<String>,
    /// `post_logout_redirect_uris` (OpenID Connect RP-Initiated Logout 3.1).
    pub post_logout_redirect_uris: Vec<String>,
    /// `client_name`.
    pub name: Option<String>,
    /// `scope`.
    pub scope: Option<ScopeSet>,
    /// How it wants its tokens and requests.
    pub preferences: Preferences,
    /// Every field to be echoed.
    pub metadata: Map<String, Value>,
}

/// Reads the JSON object of a request, in which each field stands once.
///
/// # Errors
/// `invalid_client_metadata` for anything else.
pub fn object(body: &[u8]) -> Result<Map<String, Value>, OAuthError> {
    let object = serde_json::from_slice::<Unique>(body);
    object
        .map(|Unique(fields)| fields)
        .map_err(|_| refuse("the body must be a JSON object without repeated fields"))
}

/// Judges metadata. `null` and empty text count as left out (RFC 7591 section 2, RFC 7592 section 2.2).
///
/// # Errors
/// `invalid_client_metadata` or `invalid_redirect_uri` (RFC 7591 section 3.2.2), naming the field.
pub fn admit(mut asked: Map<String, Value>, rules: Rules<'_>) -> Result<Registration, OAuthError> {
    asked.retain(|_, value| !value.is_null() && value != "");
    let auth_method = auth_method(&asked, rules.default_method)?;
    let grant_types = grant_types(&asked, auth_method, rules)?;
    let has_code = grant_types.contains(&GrantType::AuthorizationCode);
    let redirect_uris = redirect_uris(&asked, has_code, rules.private_use)?;
    let post_logout_redirect_uris = post_logout_redirect_uris(&asked, rules.private_use)?;
    let response_types = response_types(&asked, has_code)?;
    if auth_method == AuthMethod::None && grant_types.contains(&GrantType::ClientCredentials) {
        return Err(refuse("client_credentials is for clients that can prove who they are"));
    }
    let assertion_algorithm = assertion_algorithm(&asked)?;
    let keys = fields::keys(&asked)?;
    keys_suit(auth_method, assertion_algorithm, keys.as_ref())?;
    let name = fields::text(&asked, "client_name", fields::LONGEST_NAME)?;
    let scope_text = fields::text(&asked, "scope", LONGEST_SCOPE)?;
    let scope = scope_text
        .as_deref()
        .map(ScopeSet::parse)
        .transpose()
        .map_err(|why| refuse(format!("scope: {why}")))?
        .filter(|scope| !scope.is_empty());

    let mut metadata = fields::descriptive(&asked)?;
    let preferences = registration_preferences::read(&asked, &mut metadata)?;
    metadata.insert("redirect_uris".into(), redirect_uris.clone().into());
    if asked.contains_key(POST_LOGOUT) {
        metadata.insert(POST_LOGOUT.into(), post_logout_redirect_uris.clone().into());
    }
    metadata.insert("token_endpoint_auth_method".into(), auth_method.as_str().into());
    let grant_names: Vec<&str> = grant_types.iter().map(|grant| grant.as_str()).collect();
    metadata.insert("grant_types".into(), grant_names.into());
    metadata.insert("response_types".into(), response_types.into());
    if let Some(algorithm) = assertion_algorithm {
        metadata.insert("token_endpoint_auth_signing_alg".into(), algorithm.as_str().into());
    }
    if let Some(text) = scope_text.filter(|_| scope.is_some()) {
        metadata.insert("scope".into(), text.into());
    }
    Ok(Registration {
        auth_method,
        assertion_algorithm,
        keys,
        grant_types,
        redirect_uris,
        post_logout_redirect_uris,
        name,
        scope,
        preferences,
        metadata,
    })
}

fn auth_method(asked: &Map<String, Value>, default: AuthMethod) -> Result<AuthMethod, OAuthError> {
    match asked.get("token_endpoint_auth_method") {
        None => Ok(default),
        Some(value) => AuthMethod::ALL
            .into_iter()
            .find(|method| value == method.as_str())
            .ok_or_else(|| refuse("token_endpoint_auth_method is not supported")),
    }
}

/// The one algorithm that assertions of this client may have (OpenID Connect Registration section 2).
fn assertion_algorithm(asked: &Map<String, Value>) -> Result<Option<Algorithm>, OAuthError> {
    let Some(value) = asked.get("token_endpoint_auth_signing_alg") else { return Ok(None) };
    let algorithm = value.as_str().and_then(Algorithm::named);
    algorithm.map(Some).ok_or_else(|| refuse("token_endpoint_auth_signing_alg is not supported"))
}

/// Who signs assertions must say with which keys (OpenID Connect Core section 9).
fn keys_suit(
    method: AuthMethod,
    algorithm: Option<Algorithm>,
    keys: Option<&KeySource>,
) -> Result<(), OAuthError> {
    match (method, keys) {
        (AuthMethod::PrivateKeyJwt, None) => Err(refuse("private_key_jwt needs jwks or jwks_uri")),
        (AuthMethod::PrivateKeyJwt, Some(KeySource::Inline(set))) if !set.serves(algorithm) => {
            Err(refuse("jwks holds no key that private_key_jwt could use here"))
        }
        _ => Ok(()),
    }
}

/// What is redirected to a client needs somewhere to go (RFC 7591 section 2).
fn redirect_uris(
    asked: &Map<String, Value>,
    has_code: bool,
    private_use: &PrivateUse,
) -> Result<Vec<String>, OAuthError> {
    let invalid = |why: &'static str| ErrorCode::InvalidRedirectUri.because(why);
    let list = match asked.get("redirect_uris") {
        Some(Value::Array(list)) => list.as_slice(),
        None if !has_code => &[],
        _ => return Err(invalid("redirect_uris must be a list")),
    };
    if (list.is_empty() && has_code) || list.len() > MOST_REDIRECT_URIS {
        return Err(invalid("redirect_uris must hold 1 to 20 URIs"));
    }
    let mut uris = Vec::new();
    for entry in list {
        let uri = entry.as_str().ok_or_else(|| invalid("a redirect URI must be a string"))?;
        redirect_uri::admit(uri, private_use).map_err(invalid)?;
        uris.push(uri.to_owned());
    }
    Ok(uris)
}

/// Browsers are sent there like to redirect URIs, so no other places will do.
fn post_logout_redirect_uris(
    asked: &Map<String, Value>,
    private_use: &PrivateUse,
) -> Result<Vec<String>, OAuthError> {
    let uris = fields::strings(asked, POST_LOGOUT)?.unwrap_or_default();
    if uris.len() > MOST_REDIRECT_URIS {
        return Err(refuse("post_logout_redirect_uris must hold at most 20 URIs"));
    }
    for uri in &uris {
        redirect_uri::admit(uri, private_use).map_err(|why| refuse(format!("{POST_LOGOUT}: {why}")))?;
    }
    Ok(uris.into_iter().map(ToOwned::to_owned).collect())
}

/// Clients list every grant that they know (`urn:ietf:params:oauth:grant-type:jwt-bearer` and the like); what we do
/// not support is left out, as long as there is one left that gets a token. `client_credentials` is the operator's to
/// give: whoever may register could else do without any user. What needs no user at hand and gives a user's rights is never
/// registered: token exchange, and identity assertions but for documents that the operator has named.
fn grant_types(
    asked: &Map<String, Value>,
    auth_method: AuthMethod,
    rules: Rules<'_>,
) -> Result<Vec<GrantType>, OAuthError> {
    let Rules { client_credentials, jwt_bearer, .. } = rules;
    let Some(names) = fields::strings(asked, "grant_types")? else {
        return Ok(vec![GrantType::AuthorizationCode]);
    };
    let named = |grant: GrantType| names.contains(&grant.as_str());
    let has_code = named(GrantType::AuthorizationCode);
    let has_device = named(GrantType::DeviceCode);
    let own = client_credentials && named(GrantType::ClientCredentials);
    // A client that proves nothing is left its other grants (RFC 7591 section 2).
    let asserted = jwt_bearer && auth_method != AuthMethod::None && named(GrantType::JwtBearer);
    // In the client's own order: it may compare what it sent with what it reads.
    let mut asked: Vec<GrantType> = Vec::new();
    for name in &names {
        let grant = GrantType::ALL.into_iter().find(|grant| grant.as_str() == *name);
        asked.extend(grant.filter(|grant| !asked.contains(grant)));
    }
    let granted = asked.into_iter().filter(|grant| match grant {
        GrantType::AuthorizationCode => has_code,
        GrantType::RefreshToken => (has_code || has_device) && named(GrantType::RefreshToken),
        GrantType::ClientCredentials => own,
        GrantType::DeviceCode => has_device,
        GrantType::JwtBearer => asserted,
        GrantType::TokenExchange => false,
    });
    match (has_code || has_device || own || asserted, client_credentials) {
        (true, _) => Ok(granted.collect()),
        (false, false) => Err(refuse("grant_types must include authorization_code")),
        (false, true) => Err(refuse("grant_types must include authorization_code or client_credentials")),
    }
}

/// `code` belongs to the code grant, and nothing else does (RFC 7591 section 2.1).
fn response_types(asked: &Map<String, Value>, has_code: bool) -> Result<Vec<&'static str>, OAuthError> {
    let names = fields::strings(asked, "response_types")?;
    match (has_code, names) {
        (true, Some(names)) if !names.contains(&"code") => Err(refuse("response_types must include code")),
        (true, _) => Ok(vec!["code"]),
        (false, Some(names)) if !names.is_empty() => {
            Err(refuse("response_types do not fit grant_types without authorization_code"))
        }
        (false, _) => Ok(Vec::new()),
    }
}

fn refuse(why: impl Into<Cow<'static, str>>) -> OAuthError {
    ErrorCode::InvalidClientMetadata.because(why)
}

#[cfg(test)]
mod tests;
