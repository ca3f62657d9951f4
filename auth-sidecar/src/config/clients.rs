//! Which clients are known in advance? They never expire, and their scopes are a ceiling.

use serde::Deserialize;

use super::secret_ref::SecretRef;
use super::{Config, ConfigError, Resources, Signing, User};
use crate::oauth::algorithm::SigningAlgorithm;
use crate::oauth::client::{AuthMethod, Client, GrantType};
use crate::oauth::jwk::{Algorithm, KeySet, KeySource};
use crate::oauth::metadata_document;
use crate::oauth::openid::{AccessTokenFormat, Preferences};
use crate::oauth::redirect_uri::{self, PrivateUse};
use crate::oauth::scope::ScopeSet;
use crate::secret::{Digest, Opaque};

/// Mirrors the document.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawClient {
    id: String,
    name: Option<String>,
    secret: Option<SecretRef>,
    auth_method: Option<AuthMethod>,
    /// Public keys, for `private_key_jwt`.
    jwks: Option<serde_json::Value>,
    jwks_uri: Option<String>,
    /// The one algorithm of its assertions.
    signing_alg: Option<Algorithm>,
    #[serde(default)]
    redirect_uris: Vec<String>,
    /// Where browsers may go once they are signed out.
    #[serde(default)]
    post_logout_redirect_uris: Vec<String>,
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
    users: &[User],
    signing: &Signing,
) -> Result<Vec<Client>, ConfigError> {
    let mut clients: Vec<Client> = Vec::new();
    for (index, raw) in raw.into_iter().enumerate() {
        let path = format!("clients[{index}]");
        let client = compile_one(raw, &path, resources)?;
        suits(&client, &path, users, signing)?;
        if clients.iter().any(|other| other.id == client.id) {
            return Err(ConfigError::new(format!("{path}.id"), "is listed twice"));
        }
        clients.push(client);
    }
    Ok(clients)
}

/// Judges a client that an operator makes while the server runs: the fields are those of `clients`, but for the secret, which is
/// this fresh one where it needs any. It does where nothing says how it authenticates.
pub(crate) fn admit(
    asked: serde_json::Value,
    fresh: &Opaque,
    config: &Config,
) -> Result<Client, ConfigError> {
    const PATH: &str = "client";
    let mut raw: RawClient = serde_path_to_error::deserialize(asked).map_err(|error| {
        let place = error.path().to_string();
        ConfigError::new(format!("{PATH}.{place}"), error.into_inner().to_string())
    })?;
    if raw.secret.is_some() {
        return Err(ConfigError::new(format!("{PATH}.secret"), "is made here and shown once"));
    }
    let has_keys = raw.jwks.is_some() || raw.jwks_uri.is_some();
    let method = raw.auth_method.or((!has_keys).then_some(AuthMethod::ClientSecretBasic));
    raw.auth_method = method;
    raw.secret = method.filter(|method| method.is_shared_secret()).map(|_| SecretRef::Made(fresh.clone()));
    let client = compile_one(raw, PATH, &config.resources)?;
    suits(&client, PATH, &config.users, &config.signing)?;
    Ok(client)
}

/// Whether it gets on with what else is configured.
fn suits(client: &Client, path: &str, users: &[User], signing: &Signing) -> Result<(), ConfigError> {
    if !client.preferences.id_token.is_none_or(|algorithm| signing.held().contains(&algorithm)) {
        let place = format!("{path}.id_token_signed_response_alg");
        return Err(ConfigError::new(place, "no such key is held: name it in `signing` too"));
    }
    // Both would be the `sub` of tokens (RFC 9068 section 5).
    if client.may(GrantType::ClientCredentials) && users.iter().any(|user| user.name == client.id) {
        return Err(ConfigError::new(format!("{path}.id"), "is also the name of a user"));
    }
    Ok(())
}

fn compile_one(mut raw: RawClient, path: &str, resources: &Resources) -> Result<Client, ConfigError> {
    let at = |key: &str, why: &str| ConfigError::new(format!("{path}.{key}"), why);
    if raw.id.is_empty() || raw.id.len() > 255 || !raw.id.bytes().all(|byte| (0x21..=0x7e).contains(&byte)) {
        return Err(at("id", "must be 1 to 255 visible ASCII characters"));
    }
    if metadata_document::is_url(&raw.id) {
        return Err(at("id", "must not be a URL: such ids belong to metadata documents (`cimd`)"));
    }
    let (auth_method, secret, keys) = authentication(&mut raw, path)?;
    for (key, uris) in
        [("redirect_uris", &raw.redirect_uris), ("post_logout_redirect_uris", &raw.post_logout_redirect_uris)]
    {
        for (index, uri) in uris.iter().enumerate() {
            redirect_uri::admit(uri, &PrivateUse::Any).map_err(|why| at(&format!("{key}[{index}]"), why))?;
        }
    }
    for (index, url) in raw.introspects.iter().enumerate() {
        if resources.exactly(url).is_none() {
            return Err(at(&format!("introspects[{index}]"), "is not among `resources`"));
        }
    }
    let is_public = auth_method == AuthMethod::None;
    if !raw.introspects.is_empty() && is_public {
        return Err(at("introspects", "needs a secret or keys: a public client cannot prove who it is"));
    }
    for grant in raw.grant_types.iter().flatten() {
        let (proves, bounded) = needs(*grant);
        if proves && is_public || bounded && raw.scopes.is_none() {
            let scopes = if bounded { ", and `scopes`" } else { "" };
            return Err(at("grant_types", &format!("{} needs a secret or keys{scopes}", grant.as_str())));
        }
    }
    let ceiling = match &raw.scopes {
        Some(list) => Some(ScopeSet::from_list(list).map_err(|why| at("scopes", why))?),
        None => None,
    };
    Ok(Client {
        name: raw.name,
        auth_method,
        secret,
        keys,
        assertion_algorithm: raw.signing_alg,
        redirect_uris: raw.redirect_uris,
        post_logout_redirect_uris: raw.post_logout_redirect_uris,
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
        document: None,
        dynamic: None,
        id: raw.id,
    })
}

/// Whether who uses this must prove who it is, and whether its scopes must have a ceiling: where nobody else says what it may.
fn needs(grant: GrantType) -> (bool, bool) {
    match grant {
        GrantType::ClientCredentials | GrantType::TokenExchange => (true, true),
        GrantType::JwtBearer => (true, false),
        GrantType::AuthorizationCode | GrantType::RefreshToken | GrantType::DeviceCode => (false, false),
    }
}

/// How it proves who it is, and with what.
fn authentication(
    raw: &mut RawClient,
    path: &str,
) -> Result<(AuthMethod, Option<Digest>, Option<KeySource>), ConfigError> {
    let at = |key: &str, why: &str| ConfigError::new(format!("{path}.{key}"), why);
    let keys = keys(raw, path)?;
    let implied = match (&raw.secret, &keys) {
        (Some(_), _) => AuthMethod::ClientSecretBasic,
        (None, Some(_)) => AuthMethod::PrivateKeyJwt,
        (None, None) => AuthMethod::None,
    };
    let method = raw.auth_method.unwrap_or(implied);
    match (method, &raw.secret, &keys) {
        (AuthMethod::None | AuthMethod::PrivateKeyJwt, Some(_), _) => {
            Err(at("secret", &format!("auth_method is `{}`", method.as_str())))
        }
        (AuthMethod::PrivateKeyJwt, None, None) => {
            Err(at("jwks", "or jwks_uri is needed for this auth_method"))
        }
        (AuthMethod::PrivateKeyJwt, None, Some(_)) => Ok((method, None, keys)),
        (_, _, Some(_)) => Err(at("jwks", "and jwks_uri are for auth_method `private_key_jwt`")),
        (AuthMethod::None, None, None) => Ok((method, None, None)),
        (_, None, None) => Err(at("secret", "is needed for this auth_method")),
        (_, Some(reference), None) => {
            let secret = reference.resolve_client_secret(&format!("{path}.secret"))?;
            Ok((method, Some(Digest::of(&secret)), None))
        }
    }
}

fn keys(raw: &mut RawClient, path: &str) -> Result<Option<KeySource>, ConfigError> {
    let at = |key: &str, why: &str| ConfigError::new(format!("{path}.{key}"), why);
    match (raw.jwks.take(), raw.jwks_uri.take()) {
        (Some(_), Some(_)) => Err(at("jwks", "and jwks_uri exclude each other")),
        (Some(set), None) => {
            let set = KeySet::admit(set).map_err(|why| at("jwks", why))?;
            if !set.serves(raw.signing_alg) {
                return Err(at(
                    "jwks",
                    "holds no key for ES256, EdDSA, RS256 or PS256, or for `signing_alg`",
                ));
            }
            Ok(Some(KeySource::Inline(set)))
        }
        (None, Some(uri)) => match url::Url::parse(&uri) {
            Ok(url) if url.scheme() == "https" => Ok(Some(KeySource::Uri(uri))),
            _ => Err(at("jwks_uri", "must be an https URL")),
        },
        (None, None) => Ok(None),
    }
}
