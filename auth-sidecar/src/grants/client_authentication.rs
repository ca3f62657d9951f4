//! Is it really this client? The method it registered, and that one alone.

use std::net::IpAddr;

use super::{client_documents, client_keys, clients, proof_limit, secret_guesses};
use crate::app::Context;
use crate::audit::Act;
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
    network: IpAddr,
    now: UnixTime,
) -> Result<Client, Failure> {
    let id = presented.client_id.as_str();
    if metadata_document::is_url(id) && !clients::was_let_in(context, id, now).await? {
        // Nobody has signed in for it: nothing is fetched for whoever names it here.
        return Err(fail(context, None, Fault::Unknown).into());
    }
    let found = clients::find(context, id, network, now).await?;
    prove(context, found, presented, network, now).await
}

/// The same where a flow begins and nobody can have signed in yet: a document is fetched as for a sign-in, and counted for
/// the network that it is asked from.
pub(crate) async fn authenticate_first(
    context: &Context,
    presented: Presented,
    network: IpAddr,
    now: UnixTime,
) -> Result<Client, Failure> {
    if metadata_document::is_url(&presented.client_id) {
        client_documents::begin(context, &presented.client_id, network, now).await?;
    }
    let found = match clients::find(context, &presented.client_id, network, now).await {
        // Whether a place does not answer now or is none of the public internet: the request named it.
        Err(Failure::Unavailable(_)) => None,
        found => found?,
    };
    // Keys that cannot be had now are another matter: who is told that it is unknown would register again.
    prove(context, found, presented, network, now).await
}

async fn prove(
    context: &Context,
    found: Option<Client>,
    presented: Presented,
    network: IpAddr,
    now: UnixTime,
) -> Result<Client, Failure> {
    let Some(client) = found else {
        return Err(fail(context, None, Fault::Unknown).into());
    };
    let fault = match (&client.secret, &presented.proof) {
        _ if client.auth_method != presented.method => Some(Fault::Method),
        (None, Proof::Nothing) if !client.is_confidential() => None,
        (Some(kept), Proof::Secret(presented)) => {
            secret_guesses::admit(context, &client, network, now)?;
            match kept.matches(presented) {
                true => None,
                false => {
                    secret_guesses::count(context, &client, network, now).await?;
                    Some(Fault::Proof)
                }
            }
        }
        (None, Proof::Assertion(assertion)) => fault_of(context, &client, assertion, network, now).await?,
        _ => Some(Fault::Proof),
    };
    match fault {
        None => Ok(client),
        Some(fault) => Err(fail(context, Some(&client), fault).into()),
    }
}

/// Why this is not the client. It learns nothing of that; whoever runs the server does.
#[derive(Clone, Copy)]
enum Fault {
    Unknown,
    Method,
    Proof,
    Replay,
}

/// Whether the client signed this, for us, and it is used for the first time.
async fn fault_of(
    context: &Context,
    client: &Client,
    assertion: &Assertion,
    network: IpAddr,
    now: UnixTime,
) -> Result<Option<Fault>, Failure> {
    let Some(Proven { jti, expires_at }) = verified(context, client, assertion, network, now).await? else {
        return Ok(Some(Fault::Proof));
    };
    proof_limit::count(context, client, network, now).await?;
    let counter = format!("client assertion {} {jti}", client.id);
    let uses = context.store.count(&counter, expires_at, now).await?;
    Ok((uses > 1).then_some(Fault::Replay))
}

async fn verified(
    context: &Context,
    client: &Client,
    assertion: &Assertion,
    network: IpAddr,
    now: UnixTime,
) -> Result<Option<Proven>, Failure> {
    let issuer = &context.config.issuer;
    // RFC 9126 section 2 names the third.
    let audiences = [issuer.as_str().to_owned(), issuer.endpoint("/token"), issuer.endpoint("/par")];
    let Some(keys) = client_keys::current(context, client, network, now).await? else { return Ok(None) };
    if let Some(proven) = assertion.verify(client, &keys, &audiences, now) {
        return Ok(Some(proven));
    }
    let newer = client_keys::newer(context, client, network, now).await?;
    Ok(newer.and_then(|keys| assertion.verify(client, &keys, &audiences, now)))
}

/// Writes it down. What names no client may be anything, a secret in the wrong field among it.
fn fail(context: &Context, client: Option<&Client>, fault: Fault) -> OAuthError {
    let (act, why) = match fault {
        Fault::Unknown => (Act::ClientAuthenticationFailed, "there is no such client"),
        Fault::Method => (Act::ClientAuthenticationFailed, "not the registered method"),
        Fault::Proof => (Act::ClientAuthenticationFailed, "wrong secret, signature or claims"),
        Fault::Replay => (Act::AssertionReplayed, "used before"),
    };
    let event = client.map_or_else(|| act.event(), |client| act.by_client(&client.id));
    context.audit.write(&event.because(why));
    ErrorCode::InvalidClient
        .because("the client is unknown, or its authentication failed or is not the registered one")
}
