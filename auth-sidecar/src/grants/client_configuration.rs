//! What may a client do with its own registration? Read it, replace it, end it (RFC 7592), with the token that it got
//! when it registered.
//!
//! A client that is gone, one of the operator's, and a wrong token are one answer: `invalid_token`.

use serde_json::{Map, Value};

use super::registration;
use crate::app::Context;
use crate::audit::Act;
use crate::clock::UnixTime;
use crate::error::Failure;
use crate::oauth::client::{Client, DynamicRegistration};
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::registration as metadata;
use crate::secret::{Digest, Kind, Opaque};

/// Longer ids were never issued and are not looked up.
const LONGEST_ID: usize = 255;
/// What an update must not name (section 2.2).
const OURS: [&str; 4] = [
    "registration_access_token",
    "registration_client_uri",
    "client_secret_expires_at",
    "client_id_issued_at",
];

/// Reads it. The token stays the same, so that a read whose answer is lost can be repeated.
pub(crate) async fn read(
    context: &Context,
    id: &str,
    bearer: Option<&str>,
    now: UnixTime,
) -> Result<Map<String, Value>, Failure> {
    let (client, token) = managed(context, id, bearer, now).await?;
    Ok(registration::response(context, &client, Some(&token), None))
}

/// Replaces it by the metadata in `body`, or says what is wrong with that: what is left out is gone. The token is replaced too, and the old one is worth nothing from then on.
pub(crate) async fn replace(
    context: &Context,
    id: &str,
    bearer: Option<&str>,
    body: Result<&[u8], OAuthError>,
    now: UnixTime,
) -> Result<Map<String, Value>, Failure> {
    let (client, presented) = managed(context, id, bearer, now).await?;
    let mut asked = metadata::object(body?)?;
    let named_secret = own_fields(&client, &mut asked)?;
    let registration = registration::judge(context, asked)?;

    let token = Opaque::standalone(Kind::Registration)?;
    let (kept, shown) = match (registration.auth_method.is_shared_secret(), client.secret) {
        (false, _) => (None, None),
        (true, Some(kept)) => (Some(kept), named_secret),
        (true, None) => {
            let fresh = Opaque::standalone(Kind::ClientSecret)?;
            (Some(fresh.digest()), Some(fresh))
        }
    };
    let issued_at = client.dynamic.as_ref().map_or(now, |dynamic| dynamic.issued_at);
    let dynamic =
        DynamicRegistration { issued_at, metadata: Map::new(), registration_token: Some(token.digest()) };
    let client = registration::client(client.id, registration, kept, dynamic);
    let response = registration::response(context, &client, Some(&token), shown.as_ref());
    if !context.store.replace_client(client, presented.digest(), now).await? {
        // Another request with this token came first.
        return Err(refused().into());
    }
    context.audit.write(&Act::ClientUpdated.by_client(id));
    Ok(response)
}

/// Ends it. A grant whose client is gone is dead, and so are its tokens.
pub(crate) async fn remove(
    context: &Context,
    id: &str,
    bearer: Option<&str>,
    now: UnixTime,
) -> Result<(), Failure> {
    let (client, presented) = managed(context, id, bearer, now).await?;
    if !context.store.remove_client(&client.id, presented.digest(), &*context.clock).await? {
        return Err(refused().into());
    }
    context.audit.write(&Act::ClientDeleted.by_client(&client.id));
    Ok(())
}

async fn managed(
    context: &Context,
    id: &str,
    bearer: Option<&str>,
    now: UnixTime,
) -> Result<(Client, Opaque), Failure> {
    let token = Opaque::unsealed(bearer.ok_or(Failure::Unauthenticated)?.to_owned());
    let is_one = token.expose().starts_with(Kind::Registration.prefix()) && id.len() <= LONGEST_ID;
    let client = if is_one { context.store.client(id, now).await? } else { None };
    let client = client.filter(|client| client.is_managed_with(&token.digest())).ok_or_else(refused)?;
    Ok((client, token))
}

/// The fields that an update may not change, or may not name at all. Returns the client's secret if it was named.
fn own_fields(client: &Client, asked: &mut Map<String, Value>) -> Result<Option<Opaque>, OAuthError> {
    let refuse = |why: String| Err(ErrorCode::InvalidClientMetadata.because(why));
    if let Some(field) = OURS.into_iter().find(|field| asked.contains_key(*field)) {
        return refuse(format!("{field} must not be in an update"));
    }
    if asked.remove("client_id").is_none_or(|id| id != client.id.as_str()) {
        return refuse("client_id must be there and cannot change".into());
    }
    match asked.remove("client_secret") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(secret))
            if client.secret.is_some_and(|kept| kept.matches(&Digest::of(&secret))) =>
        {
            Ok(Some(Opaque::unsealed(secret)))
        }
        Some(_) => refuse("client_secret cannot be chosen by the client".into()),
    }
}

fn refused() -> OAuthError {
    ErrorCode::InvalidToken.because("the registration access token is not valid for this client")
}
