//! Which clients are known in advance? They never expire, and their scopes are a ceiling.

use serde::Deserialize;

use super::secret_ref::SecretRef;
use super::{ConfigError, Resources, Signing};
use crate::oauth::algorithm::SigningAlgorithm;
use crate::oauth::client::{AuthMethod, Client, GrantType};
use crate::oauth::openid::{AccessTokenFormat, Preferences};
use crate::oauth::redirect_uri;
use crate::oauth::scope::ScopeSet;
use crate::secret::Digest;

/// Mirrors the document.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawClient {
    id: String,
    name: Option<String>,
    secret: Option<SecretRef>,
    auth_method: Option<AuthMethod>,
    #[serde(default)]
    redirect_uris: Vec<String>,
    grant_types: Option<Vec<GrantType>>,
    scopes: Option<Vec<String>>,
    /// Resource servers that this client speaks for: it may introspect tokens issued for them.
    #[serde(default)]
    introspects: Vec<String>,
    id_token_signed_response_alg: Option<SigningAlgorithm>,
    access_tokens: Option<AccessTokenFormat>,
    #[serde(default)]
    require_pushed_authorization_requests: bool,
    #[serde(default)]
    dpop_bound_access_tokens: bool,
}

pub(super) fn compile(
    raw: Vec<RawClient>,
    resources: &Resources,
    signing: &Signing,
) -> Result<Vec<Client>, ConfigError> {
    let mut clients: Vec<Client> = Vec::new();
    for (index, raw) in raw.into_iter().enumerate() {
        let client = compile_one(raw, &format!("clients[{index}]"), resources)?;
        if !client.preferences.id_token.is_none_or(|algorithm| signing.held().contains(&algorithm)) {
            let place = format!("clients[{index}].id_token_signed_response_alg");
            return Err(ConfigError::new(place, "no such key is held: name it in `signing` too"));
        }
        if clients.iter().any(|other| other.id == client.id) {
            return Err(ConfigError::new(format!("clients[{index}].id"), "is listed twice"));
        }
        clients.push(client);
    }
    Ok(clients)
}

fn compile_one(raw: RawClient, path: &str, resources: &Resources) -> Result<Client, ConfigError> {
    let at = |key: &str, why: &str| ConfigError::new(format!("{path}.{key}"), why);
    if raw.id.is_empty() || raw.id.len() > 255 || !raw.id.bytes().all(|byte| (0x21..=0x7e).contains(&byte)) {
        return Err(at("id", "must be 1 to 255 visible ASCII characters"));
    }
    let (auth_method, secret) = match (raw.auth_method, raw.secret) {
        (None | Some(AuthMethod::None), None) => (AuthMethod::None, None),
        (Some(AuthMethod::None), Some(_)) => return Err(at("secret", "auth_method is `none`")),
        (Some(_), None) => return Err(at("secret", "is needed for this auth_method")),
        (method, Some(reference)) => {
            let secret = reference.resolve(&format!("{path}.secret"))?;
            (method.unwrap_or(AuthMethod::ClientSecretBasic), Some(Digest::of(&secret)))
        }
    };
    for (index, uri) in raw.redirect_uris.iter().enumerate() {
        redirect_uri::admit(uri, true).map_err(|why| at(&format!("redirect_uris[{index}]"), why))?;
    }
    for (index, url) in raw.introspects.iter().enumerate() {
        if resources.exactly(url).is_none() {
            return Err(at(&format!("introspects[{index}]"), "is not among `resources`"));
        }
    }
    if !raw.introspects.is_empty() && secret.is_none() {
        return Err(at("introspects", "needs a secret: a public client cannot prove who it is"));
    }
    let ceiling = match &raw.scopes {
        Some(list) => Some(ScopeSet::from_list(list).map_err(|why| at("scopes", why))?),
        None => None,
    };
    Ok(Client {
        name: raw.name,
        auth_method,
        secret,
        redirect_uris: raw.redirect_uris,
        grant_types: raw
            .grant_types
            .unwrap_or_else(|| vec![GrantType::AuthorizationCode, GrantType::RefreshToken]),
        default_scope: None,
        scope_ceiling: ceiling,
        introspects: raw.introspects,
        preferences: Preferences {
            id_token: raw.id_token_signed_response_alg,
            max_age: None,
            access_tokens: raw.access_tokens,
            pushed_only: raw.require_pushed_authorization_requests,
            dpop_only: raw.dpop_bound_access_tokens,
        },
        dynamic: None,
        id: raw.id,
    })
}
