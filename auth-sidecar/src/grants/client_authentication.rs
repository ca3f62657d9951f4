//! Is it really this client? The method it registered, and that one alone.

use super::clients;
use crate::app::Context;
use crate::clock::UnixTime;
use crate::error::Failure;
use crate::oauth::client::Client;
use crate::oauth::client_credentials::Presented;
use crate::oauth::error::{ErrorCode, OAuthError};

/// The client that these credentials prove. One answer for every mistake: which ids exist is nobody's business.
pub(crate) async fn authenticate(
    context: &Context,
    presented: Presented,
    now: UnixTime,
) -> Result<Client, Failure> {
    let client = clients::find(context, &presented.client_id, now).await?.ok_or_else(refused)?;
    if client.auth_method != presented.method {
        return Err(refused().into());
    }
    match (&client.secret, &presented.secret) {
        (None, None) => Ok(client),
        (Some(kept), Some(presented)) if kept.matches(presented) => Ok(client),
        _ => Err(refused().into()),
    }
}

fn refused() -> OAuthError {
    ErrorCode::InvalidClient
        .because("the client is unknown, or its authentication failed or is not the registered one")
}
