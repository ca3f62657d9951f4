//! Which client is this? The configured ones first, then those that registered themselves.

use serde_json::{Map, Value, json};

use crate::app::Context;
use crate::clock::UnixTime;
use crate::error::Failure;
use crate::oauth::client::{AuthMethod, Client, DynamicRegistration};
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::registration::Registration;
use crate::secret::{Kind, Opaque, random_text};
use crate::store::StoreError;

/// Longer ids were never issued and are not looked up.
const LONGEST_ID: usize = 255;

/// The client of this id.
pub(crate) async fn find(context: &Context, id: &str, now: UnixTime) -> Result<Option<Client>, StoreError> {
    if id.len() > LONGEST_ID {
        return Ok(None);
    }
    match context.config.clients.iter().find(|client| client.id == id) {
        Some(client) => Ok(Some(client.clone())),
        None => context.store.client(id, now).await,
    }
}

/// Notes that a client was used. Rounded up to whole days, so that a busy client costs one write a day. A failure is
/// logged and no more: what the client asked for has been done.
pub(crate) async fn keep_alive(context: &Context, id: &str, now: UnixTime) {
    const DAY: u64 = 24 * 60 * 60;
    let until = now.plus(context.config.lifetimes.used_client);
    let until = UnixTime(until.0.div_ceil(DAY).saturating_mul(DAY));
    if let Err(error) = context.store.extend_client(id, until, now).await {
        tracing::error!(event = "client_not_extended", client_id = id, %error);
    }
}

/// Registers a client (RFC 7591 section 3.2.1) and returns the response: the one place where its secret is shown.
pub(crate) async fn register(
    context: &Context,
    mut registration: Registration,
    now: UnixTime,
) -> Result<Map<String, Value>, Failure> {
    settle_id_token(context, &mut registration)?;
    let id = format!("c_{}", random_text::<16>()?);
    let secret = match registration.auth_method {
        AuthMethod::None => None,
        AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost => {
            Some(Opaque::standalone(Kind::ClientSecret)?)
        }
    };
    let mut response = registration.metadata.clone();
    response.insert("client_id".into(), json!(id));
    response.insert("client_id_issued_at".into(), json!(now));
    if let Some(secret) = &secret {
        response.insert("client_secret".into(), json!(secret.expose()));
        response.insert("client_secret_expires_at".into(), json!(0));
    }
    let client = Client {
        id,
        name: registration.name,
        auth_method: registration.auth_method,
        secret: secret.as_ref().map(Opaque::digest),
        redirect_uris: registration.redirect_uris,
        grant_types: registration.grant_types,
        default_scope: registration.scope,
        scope_ceiling: None,
        introspects: Vec::new(),
        preferences: registration.preferences,
        dynamic: Some(DynamicRegistration { issued_at: now, metadata: registration.metadata }),
    };
    tracing::info!(
        event = "client_registered",
        client_id = client.id,
        auth_method = client.auth_method.as_str()
    );
    context.store.put_client(client, now.plus(context.config.lifetimes.unused_client)).await?;
    context.metrics.clients_registered.inc();
    Ok(response)
}

/// Which algorithm the client's ID tokens have is said in the response and kept: what a client does not find there it
/// takes for RS256 (OpenID Connect Registration 2).
fn settle_id_token(context: &Context, registration: &mut Registration) -> Result<(), OAuthError> {
    const FIELD: &str = "id_token_signed_response_alg";
    let signing = &context.config.signing;
    let algorithm = registration.preferences.id_token.unwrap_or(signing.id_token);
    if !signing.held().contains(&algorithm) {
        return Err(ErrorCode::InvalidClientMetadata.because(format!("{FIELD} is not supported")));
    }
    registration.preferences.id_token = Some(algorithm);
    registration.metadata.insert(FIELD.to_owned(), json!(algorithm));
    Ok(())
}
