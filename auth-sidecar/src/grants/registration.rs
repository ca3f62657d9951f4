//! Who may register a client, and what comes of it? RFC 7591.

use std::net::IpAddr;

use serde_json::{Map, Value, json};
use url::Url;

use super::clients;
use super::limit::Limit;
use crate::app::Context;
use crate::audit::Act;
use crate::clock::UnixTime;
use crate::error::Failure;
use crate::oauth::client::{AuthMethod, Client, DynamicRegistration};
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::jwk::KeySource;
use crate::oauth::registration::{self, Registration, Rules};
use crate::secret::{Digest, Kind, Opaque, random_text};

/// Whether this caller may register at all: with an initial access token, or because everybody may.
pub(crate) fn admit(context: &Context, bearer: Option<&str>) -> Result<Admitted, Failure> {
    let policy = &context.config.registration;
    let presented = bearer.map(Digest::of);
    match presented {
        Some(digest) if policy.initial_access_tokens.iter().any(|token| token.matches(&digest)) => {
            Ok(Admitted::WithToken)
        }
        Some(_) if !policy.initial_access_tokens.is_empty() => {
            Err(ErrorCode::InvalidToken.because("the initial access token is not valid").into())
        }
        _ if policy.open => Ok(Admitted::LikeEverybody),
        _ => Err(Failure::Unauthenticated),
    }
}

/// Writes down that somebody was not let register, or not let manage a registration.
pub(crate) fn note_refusal(context: &Context, failure: &Failure) {
    let why = match failure {
        Failure::Refused(error) => error.code.as_str(),
        Failure::Unauthenticated => "no token",
        // Either written down already, or our own fault.
        _ => return,
    };
    context.audit.write(&Act::ClientRefused.event().because(why));
}

/// On what ground somebody registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admitted {
    /// With an initial access token: no limits.
    WithToken,
    /// Registration is open.
    LikeEverybody,
}

/// The rules of metadata that clients register themselves.
pub(crate) fn rules(context: &Context) -> Rules<'_> {
    Rules {
        private_use: &context.config.registration.private_use,
        client_credentials: !context.config.registration.client_credentials_scopes.is_empty(),
        jwt_bearer: false,
        default_method: AuthMethod::ClientSecretBasic,
    }
}

/// The metadata of a registration or an update, judged. Which algorithm the client's ID tokens have is said in the response
/// and kept: what a client does not find there it takes for RS256 (OpenID Connect Registration 2).
pub(crate) fn judge(context: &Context, asked: Map<String, Value>) -> Result<Registration, OAuthError> {
    const FIELD: &str = "id_token_signed_response_alg";
    let mut registration = registration::admit(asked, rules(context))?;
    if let Some(KeySource::Uri(uri)) = &registration.keys
        && !Url::parse(uri).is_ok_and(|url| context.fetcher.may_name(&url))
    {
        return Err(
            ErrorCode::InvalidClientMetadata.because("jwks_uri must name a host of the public internet")
        );
    }
    let signing = &context.config.signing;
    let algorithm = registration.preferences.id_token.unwrap_or(signing.id_token);
    if !signing.held().contains(&algorithm) {
        return Err(ErrorCode::InvalidClientMetadata.because(format!("{FIELD} is not supported")));
    }
    registration.preferences.id_token = Some(algorithm);
    registration.metadata.insert(FIELD.to_owned(), json!(algorithm));
    Ok(registration)
}

/// Registers a client and returns the response: the one place where its secrets are shown.
pub(crate) async fn register(
    context: &Context,
    admitted: Admitted,
    asked: Map<String, Value>,
    address: IpAddr,
    now: UnixTime,
) -> Result<Map<String, Value>, Failure> {
    let registration = judge(context, asked)?;
    if admitted == Admitted::LikeEverybody {
        if let Some(known) = shared(context, &registration, address, now).await? {
            return Ok(known);
        }
        limit(context, address, now).await?;
        if let Some(id) = shared_id(context, &registration, address) {
            return issue(context, id, registration, None, now).await;
        }
    }
    let id = format!("c_{}", random_text::<16>()?);
    let token = Opaque::standalone(Kind::Registration)?;
    issue(context, id, registration, Some(token), now).await
}

async fn issue(
    context: &Context,
    id: String,
    registration: Registration,
    token: Option<Opaque>,
    now: UnixTime,
) -> Result<Map<String, Value>, Failure> {
    let secret = match registration.auth_method.is_shared_secret() {
        true => Some(Opaque::standalone(Kind::ClientSecret)?),
        false => None,
    };
    let dynamic = DynamicRegistration {
        issued_at: now,
        metadata: Map::new(),
        registration_token: token.as_ref().map(Opaque::digest),
    };
    let client = client(id, registration, secret.as_ref().map(Opaque::digest), dynamic);
    let response = response(context, &client, token.as_ref(), secret.as_ref());
    let (id, method) = (client.id.clone(), client.auth_method.as_str());
    context.store.put_client(client, now.plus(context.config.lifetimes.unused_client), now).await?;
    context.metrics.clients_registered.inc();
    context.audit.write(&Act::ClientRegistered.by_client(&id).because(method));
    Ok(response)
}

/// The client of a registration; `dynamic` says what stays when it is updated.
pub(crate) fn client(
    id: String,
    registration: Registration,
    secret: Option<Digest>,
    dynamic: DynamicRegistration,
) -> Client {
    Client {
        id,
        name: registration.name,
        auth_method: registration.auth_method,
        secret,
        keys: registration.keys,
        assertion_algorithm: registration.assertion_algorithm,
        redirect_uris: registration.redirect_uris,
        post_logout_redirect_uris: registration.post_logout_redirect_uris,
        grant_types: registration.grant_types,
        default_scope: registration.scope,
        scope_ceiling: None,
        introspects: Vec::new(),
        preferences: registration.preferences,
        document: None,
        dynamic: Some(DynamicRegistration { metadata: registration.metadata, ..dynamic }),
    }
}

/// The client information response (RFC 7591 section 3.2.1, RFC 7592 section 3). `token` and `secret` stand there in
/// clear where the client may see them.
pub(crate) fn response(
    context: &Context,
    client: &Client,
    token: Option<&Opaque>,
    secret: Option<&Opaque>,
) -> Map<String, Value> {
    let mut response = Map::new();
    if let Some(dynamic) = &client.dynamic {
        response = dynamic.metadata.clone();
        response.insert("client_id_issued_at".into(), json!(dynamic.issued_at));
    }
    response.insert("client_id".into(), json!(client.id));
    if let Some(secret) = secret {
        response.insert("client_secret".into(), json!(secret.expose()));
    }
    if client.secret.is_some() {
        response.insert("client_secret_expires_at".into(), json!(0));
    }
    if let Some(token) = token {
        let uri = context.config.issuer.endpoint(&format!("/register/{}", client.id));
        response.insert("registration_client_uri".into(), json!(uri));
        response.insert("registration_access_token".into(), json!(token.expose()));
    }
    response
}

/// The answer to a registration that is already there.
async fn shared(
    context: &Context,
    registration: &Registration,
    address: IpAddr,
    now: UnixTime,
) -> Result<Option<Map<String, Value>>, Failure> {
    let Some(id) = shared_id(context, registration, address) else { return Ok(None) };
    let known = clients::known(context, &id, now).await?;
    if known.is_some() {
        let until = now.plus(context.config.lifetimes.unused_client);
        context.store.extend_client(&id, until, now).await?;
    }
    Ok(known.map(|client| response(context, &client, None, None)))
}

/// The id of a registration that may be shared. It follows from what was registered and from where, under a key, so
/// that it tells nobody the address; only a public client has one, because nothing about it is a secret.
fn shared_id(context: &Context, registration: &Registration, address: IpAddr) -> Option<String> {
    if !context.config.registration.share_identical || registration.auth_method != AuthMethod::None {
        return None;
    }
    let metadata = Value::Object(registration.metadata.clone());
    let digest = context.config.data_key.digest(&format!("shared registration {address} {metadata}"));
    Some(format!("c_{}", digest.encoded().get(..22)?))
}

async fn limit(context: &Context, address: IpAddr, now: UnixTime) -> Result<(), Failure> {
    let policy = &context.config.registration;
    for (counter, most) in [
        (format!("registration {address}"), policy.per_address_per_hour),
        ("registrations".to_owned(), policy.per_hour),
    ] {
        Limit::hourly(most).count(context, &counter, Act::RegistrationThrottled.event(), now).await?;
    }
    Ok(())
}
