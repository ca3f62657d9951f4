//! Who is a client whose id is a URL? Whoever its metadata document says, fetched when it is needed and remembered as
//! long as it may be.

use std::net::IpAddr;
use std::time::Duration;

use super::limit::Limit;
use super::{clients, id_token};
use crate::app::Context;
use crate::audit::Act;
use crate::clock::UnixTime;
use crate::error::Failure;
use crate::fetch::cache::Known;
use crate::fetch::{FetchError, Turn};
use crate::oauth::client::Client;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::metadata_document;

/// Of a document; the draft recommends 5 KiB at least, and real ones have less than one.
const LARGEST: usize = 16 * 1024;
/// However short its publisher says: each look costs us both a request.
const FRESH_AT_LEAST: Duration = Duration::from_secs(5 * 60);
const NOT_PUBLIC: &str = "its place is not public";
const MISSING: &str = "the metadata document of this client_id cannot be fetched";

/// The client whose document lies at `id`; `network` asks for it, where it may be anybody's.
///
/// # Errors
/// `invalid_client` where the document is none; [`Failure::Unavailable`] where it cannot be had.
pub(crate) async fn find(
    context: &Context,
    id: &str,
    network: Option<IpAddr>,
    now: UnixTime,
) -> Result<Client, Failure> {
    if !context.config.cimd.enabled {
        return Err(refuse("a client_id here is no URL").into());
    }
    let url = metadata_document::admit_url(id).map_err(|why| {
        context.audit.write(&Act::ClientDocumentRefused.event().because(why));
        refuse(why)
    })?;
    if let Some(known) = recalled(context, id, now) {
        return known;
    }
    let Ok(turn) = context.fetcher.turn(&url, network).await else { return stand_in(context, id, now) };
    match recalled(context, id, now) {
        Some(known) => known,
        None => fetch(context, id, &turn, now).await,
    }
}

/// What can be said without asking anybody.
fn recalled(context: &Context, id: &str, now: UnixTime) -> Option<Result<Client, Failure>> {
    match context.documents.get(id, now) {
        Known::Good(client, _) => Some(Ok(client)),
        Known::Bad(why) => Some(Err(failure(why))),
        Known::Nothing => None,
    }
}

/// What can be said where too much is being fetched.
fn stand_in(context: &Context, id: &str, now: UnixTime) -> Result<Client, Failure> {
    tracing::warn!(event = "client_document_waited_for", client_id = id);
    context.documents.stand_in(id, now).ok_or_else(|| failure(MISSING))
}

async fn fetch(context: &Context, id: &str, turn: &Turn, now: UnixTime) -> Result<Client, Failure> {
    let fetched = match context.fetcher.json(turn, LARGEST).await {
        Ok(fetched) => fetched,
        Err(FetchError::Refused(why)) => return Err(refused(context, id, why, now)),
        Err(FetchError::Busy) => return stand_in(context, id, now),
        Err(error) => {
            match error {
                FetchError::NotPublic => note_refusal(context, id, NOT_PUBLIC),
                _ => tracing::warn!(event = "client_document_missing", client_id = id),
            }
            return match context.documents.miss(id, MISSING, now) {
                Known::Good(client, _) => Ok(client),
                _ => Err(failure(MISSING)),
            };
        }
    };
    let rules = (&context.config.registration.private_use, clients::presents_assertions(context, id));
    match metadata_document::admit(id, &fetched.body, rules) {
        // It may ask for what only others hold, since it is written for all.
        Ok(client) if !id_token::is_signed_as(context, &client) => {
            Err(refused(context, id, "its id_token_signed_response_alg is not supported", now))
        }
        Ok(client) => {
            context.documents.keep(id, &client, fetched.fresh_for.max(FRESH_AT_LEAST), now);
            tracing::info!(event = "client_document_fetched", client_id = id);
            Ok(client)
        }
        Err(error) => {
            tracing::warn!(event = "client_document_not_admissible", client_id = id, %error);
            Err(refused(context, id, "its metadata is not admissible", now))
        }
    }
}

/// A sign-in begins with an id from anywhere. What it makes us fetch is counted for the network that it came from, so
/// that nobody can send us against others; a failure is then no reason not to try again (the draft forbids to remember
/// errors).
pub(crate) async fn begin(
    context: &Context,
    id: &str,
    network: IpAddr,
    now: UnixTime,
) -> Result<(), Failure> {
    let would_ask = metadata_document::admit_url(id).is_ok_and(|url| context.fetcher.may_name(&url));
    let known = matches!(context.documents.get(id, now), Known::Good(..));
    if !context.config.cimd.enabled || !would_ask || known {
        return Ok(());
    }
    count(context, id, network, now).await?;
    context.documents.forget_failure(id);
    Ok(())
}

/// Counts a fetch for the client of this id, which is a stranger's, for the network that asks for it.
pub(crate) async fn count(
    context: &Context,
    id: &str,
    network: IpAddr,
    now: UnixTime,
) -> Result<(), Failure> {
    let counter = format!("client document {network}");
    let limit = Limit::hourly(context.config.cimd.per_address_per_hour);
    limit.count(context, &counter, Act::ClientDocumentThrottled.by_client(id), now).await
}

/// Remembers that a user let this client in, or may do so until then, so that it may make us fetch at the token endpoint too.
pub(crate) async fn remember(
    context: &Context,
    id: &str,
    until: UnixTime,
    now: UnixTime,
) -> Result<(), Failure> {
    if context.store.client(id, now).await?.is_none() {
        let client = find(context, id, None, now).await?;
        return Ok(context.store.put_client(client, until, now).await?);
    }
    Ok(context.store.extend_client(id, until, now).await?)
}

fn note_refusal(context: &Context, id: &str, why: &'static str) {
    context.audit.write(&Act::ClientDocumentRefused.by_client(id).because(why));
}

fn refused(context: &Context, id: &str, why: &'static str, now: UnixTime) -> Failure {
    note_refusal(context, id, why);
    context.documents.refuse(id, why, now);
    failure(why)
}

fn failure(why: &'static str) -> Failure {
    match why {
        MISSING => Failure::Unavailable(MISSING),
        _ => ErrorCode::InvalidClient
            .because(format!("the metadata document of this client_id cannot be used: {why}"))
            .into(),
    }
}

fn refuse(why: &'static str) -> OAuthError {
    ErrorCode::InvalidClient.because(why)
}
