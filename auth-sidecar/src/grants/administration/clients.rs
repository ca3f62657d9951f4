//! Which clients are there, and what may an operator do to one? Those of the configuration stand there and are changed there.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::super::clients;
use super::{Listing, Refusal};
use crate::app::Context;
use crate::audit::Act;
use crate::clock::UnixTime;
use crate::config::admit_client;
use crate::oauth::client::{AuthMethod, Client, GrantType};
use crate::oauth::error::ErrorCode;
use crate::oauth::scope::ScopeSet;
use crate::secret::{Kind, Opaque, random_text};
use crate::store::backend::NEVER;
use crate::store::{Part, StoreError};

const UNKNOWN: &str = "there is no client of this id";
const CONFIGURED: &str = "this client stands in the configuration: change it there and restart";

/// A client, for operators; no secret.
#[derive(Debug, Serialize)]
pub(crate) struct ClientSummary {
    client_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    source: Source,
    auth_method: AuthMethod,
    redirect_uris: Vec<String>,
    post_logout_redirect_uris: Vec<String>,
    grant_types: Vec<GrantType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes: Option<ScopeSet>,
    introspects: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registered_at: Option<UnixTime>,
}

/// Whence we know a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Source {
    /// It stands in the configuration.
    Configuration,
    /// An operator made it over the API.
    Operator,
    /// It registered itself.
    Registration,
    /// It publishes a metadata document, and a user let it in.
    Document,
}

/// A client that has just been made, or got another secret: the one time that this is shown.
#[derive(Serialize)]
pub(crate) struct CreatedClient {
    client: ClientSummary,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
}

/// The clients of the configuration, and a part of those in the store.
pub(crate) async fn list(
    context: &Context,
    listing: &Listing,
    now: UnixTime,
) -> Result<Part<ClientSummary>, StoreError> {
    let part = context.store.clients(&listing.after, listing.most, now).await?;
    let configured = context.config.clients.iter().filter(|_| listing.after.is_empty());
    let stored = part.entries.iter().filter(|client| !is_configured(context, &client.id));
    let entries = configured.chain(stored).map(|client| summary(context, client)).collect();
    Ok(Part { entries, next: part.next })
}

/// One client. No document is fetched for this.
pub(crate) async fn show(context: &Context, id: &str, now: UnixTime) -> Result<ClientSummary, Refusal> {
    let client = clients::known(context, id, now).await?;
    Ok(summary(context, &client.ok_or(Refusal::NotFound(UNKNOWN))?))
}

/// Makes a client that never expires, of the fields that `clients` has in the configuration.
pub(crate) async fn create(
    context: &Context,
    mut asked: Map<String, Value>,
    now: UnixTime,
) -> Result<CreatedClient, Refusal> {
    if !asked.contains_key("id") {
        asked.insert("id".into(), json!(format!("c_{}", random_text::<16>()?)));
    }
    let secret = Opaque::standalone(Kind::ClientSecret)?;
    let client = admit_client(Value::Object(asked), &secret, &context.config)
        .map_err(|error| ErrorCode::InvalidClientMetadata.because(error.to_string()))?;
    if is_configured(context, &client.id) || !context.store.put_new_client(&client, NEVER, now).await? {
        return Err(Refusal::Conflict("this id is taken"));
    }
    context.audit.write(&Act::ClientCreated.by_client(&client.id));
    Ok(shown(context, &client, client.secret.map(|_| secret)))
}

/// Gives a client another secret.
pub(crate) async fn rotate_secret(
    context: &Context,
    id: &str,
    now: UnixTime,
) -> Result<CreatedClient, Refusal> {
    let client = kept(context, id, now).await?;
    let secret = Opaque::standalone(Kind::ClientSecret)?;
    if !context.store.replace_client_secret(id, secret.digest(), now).await? {
        return Err(Refusal::Conflict("this client has no secret"));
    }
    context.audit.write(&Act::ClientSecretRotated.by_client(id));
    Ok(shown(context, &client, Some(secret)))
}

/// Removes a client and withdraws all that it was granted.
pub(crate) async fn delete(context: &Context, id: &str, now: UnixTime) -> Result<(), Refusal> {
    let client = kept(context, id, now).await?;
    context.store.dismiss_client(&client.id, &*context.clock).await?;
    context.audit.write(&Act::ClientDeleted.by_client(id).because("operator"));
    Ok(())
}

/// Withdraws all that a client was granted; it may be granted more. A client that published itself need not be known here.
pub(crate) async fn revoke_all_of_client(context: &Context, id: &str) -> Result<(), Refusal> {
    context.store.withdraw_client(id, &*context.clock).await?;
    context.audit.write(&Act::ClientWithdrawn.by_client(id).because("operator"));
    Ok(())
}

/// A client that lies in the store.
async fn kept(context: &Context, id: &str, now: UnixTime) -> Result<Client, Refusal> {
    if is_configured(context, id) {
        return Err(Refusal::Conflict(CONFIGURED));
    }
    clients::known(context, id, now).await?.ok_or(Refusal::NotFound(UNKNOWN))
}

fn is_configured(context: &Context, id: &str) -> bool {
    context.config.clients.iter().any(|client| client.id == id)
}

fn shown(context: &Context, client: &Client, secret: Option<Opaque>) -> CreatedClient {
    let client_secret = secret.map(|secret| secret.expose().to_owned());
    CreatedClient { client: summary(context, client), client_secret }
}

fn summary(context: &Context, client: &Client) -> ClientSummary {
    let source = match (&client.dynamic, &client.document) {
        (Some(_), _) => Source::Registration,
        (None, Some(_)) => Source::Document,
        (None, None) if is_configured(context, &client.id) => Source::Configuration,
        (None, None) => Source::Operator,
    };
    ClientSummary {
        client_id: client.id.clone(),
        name: client.name.clone(),
        source,
        auth_method: client.auth_method,
        redirect_uris: client.redirect_uris.clone(),
        post_logout_redirect_uris: client.post_logout_redirect_uris.clone(),
        grant_types: client.grant_types.clone(),
        scopes: client.scope_ceiling.clone(),
        introspects: client.introspects.clone(),
        registered_at: client.dynamic.as_ref().map(|dynamic| dynamic.issued_at),
    }
}
