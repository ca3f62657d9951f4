//! Is it really this client? The method it registered, and that one alone.

use std::net::IpAddr;

use super::{client_documents, client_keys, clients};
use crate::app::Context;
use crate::clock::UnixTime;
use crate::error::Failure;
use crate::oauth::client::Client;
use crate::oauth::client_assertion::{Assertion, Proven};
use crate::oauth::client_credentials::{Presented, Proof};
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::metadata_document;

/// The client that these credentials prove. One answer for every mistake: which ids exist is nobody's business.
pub(crate) async fn authenticate(
    context: &Context,
    presented: Presented,
    now: UnixTime,
) -> Result<Client, Failure> {
    let id = presented.client_id.as_str();
    if metadata_document::is_url(id) && !clients::was_let_in(context, id, now).await? {
        // Nobody has signed in for it: nothing is fetched for whoever names it here.
        return Err(refused().into());
    }
    prove(context, presented, now).await
}

/// The same where a flow begins and nobody can have signed in yet: a document is fetched as for a sign-in, and counted for
/// the address that it is asked from.
pub(crate) async fn authenticate_first(
    context: &Context,
    presented: Presented,
    address: IpAddr,
    now: UnixTime,
) -> Result<Client, Failure> {
    if metadata_document::is_url(&presented.client_id) {
        client_documents::begin(context, &presented.client_id, address, now).await?;
    }
    match prove(context, presented, now).await {
        // Whether a place does not answer now or is none of the public internet: the request named it.
        Err(Failure::Unavailable(_)) => Err(refused().into()),
        proven => proven,
    }
}

async fn prove(context: &Context, presented: Presented, now: UnixTime) -> Result<Client, Failure> {
    let id = presented.client_id.as_str();
    let client = clients::find(context, id, now).await?.ok_or_else(refused)?;
    if client.auth_method != presented.method {
        return Err(refused().into());
    }
    let proven = match (&client.secret, &presented.proof) {
        (None, Proof::Nothing) => !client.is_confidential(),
        (Some(kept), Proof::Secret(presented)) => kept.matches(presented),
        (None, Proof::Assertion(assertion)) => is_own_word(context, &client, assertion, now).await?,
        _ => false,
    };
    if proven { Ok(client) } else { Err(refused().into()) }
}

/// Whether the client signed this, for us, and it is used for the first time.
async fn is_own_word(
    context: &Context,
    client: &Client,
    assertion: &Assertion,
    now: UnixTime,
) -> Result<bool, Failure> {
    let Some(Proven { jti, expires_at }) = verified(context, client, assertion, now).await? else {
        return Ok(false);
    };
    let counter = format!("client assertion {} {jti}", client.id);
    let uses = context.store.count(&counter, expires_at, now).await?;
    if uses > 1 {
        tracing::warn!(event = "client_assertion_replayed", client_id = client.id);
    }
    Ok(uses == 1)
}

async fn verified(
    context: &Context,
    client: &Client,
    assertion: &Assertion,
    now: UnixTime,
) -> Result<Option<Proven>, Failure> {
    let issuer = &context.config.issuer;
    // RFC 9126 section 2 names the third.
    let audiences = [issuer.as_str().to_owned(), issuer.endpoint("/token"), issuer.endpoint("/par")];
    let Some(keys) = client_keys::current(context, client, now).await? else { return Ok(None) };
    if let Some(proven) = assertion.verify(client, &keys, &audiences, now) {
        return Ok(Some(proven));
    }
    let newer = client_keys::newer(context, client, now).await?;
    Ok(newer.and_then(|keys| assertion.verify(client, &keys, &audiences, now)))
}

fn refused() -> OAuthError {
    ErrorCode::InvalidClient
        .because("the client is unknown, or its authentication failed or is not the registered one")
}
