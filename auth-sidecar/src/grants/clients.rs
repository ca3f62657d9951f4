//! Which client is this? One of the configured, one that registered itself, or one whose id is a URL.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::client_documents;
use crate::app::Context;
use crate::clock::UnixTime;
use crate::error::Failure;
use crate::oauth::authorization_request::AuthorizationRequest;
use crate::oauth::client::Client;
use crate::oauth::metadata_document;
use crate::store::StoreError;
use crate::store::grant::Grant;

/// Longer ids were never issued and are not looked up; those that are URLs are the longest.
const LONGEST_ID: usize = metadata_document::LONGEST;

/// The client of this id, for which `network` asks.
pub(crate) async fn find(
    context: &Context,
    id: &str,
    network: IpAddr,
    now: UnixTime,
) -> Result<Option<Client>, Failure> {
    match metadata_document::is_url(id) {
        true => client_documents::find(context, id, Some(network), now).await.map(Some),
        false => Ok(known(context, id, now).await?),
    }
}

/// Whether the client that made this request is still there, and its answer may still go where it wanted: since then it may have
/// changed, or gone.
pub(crate) async fn still_asks(
    context: &Context,
    request: &AuthorizationRequest,
    network: IpAddr,
    now: UnixTime,
) -> Result<bool, Failure> {
    let client = find(context, &request.client_id, network, now).await?;
    Ok(client.is_some_and(|client| client.still_accepts(&request.redirect_uri)))
}

/// Whether there still is a client of this id. A grant whose client is gone is dead. No document is fetched for this.
pub(crate) async fn exists(context: &Context, id: &str, now: UnixTime) -> Result<bool, StoreError> {
    match metadata_document::is_url(id) {
        true => Ok(context.config.cimd.enabled),
        false => Ok(known(context, id, now).await?.is_some()),
    }
}

/// Whether the client of a grant and the one that got a token of it at this moment still are there, and neither was withdrawn since;
/// most often they are the same. What was withdrawn from the client of the grant shows on that; one that got the token by exchange
/// has an end of its own.
pub(crate) async fn let_count(
    context: &Context,
    grant: &Grant,
    (holder, issued_at): (&str, UnixTime),
    now: UnixTime,
) -> Result<bool, StoreError> {
    if !exists(context, &grant.client_id, now).await? {
        return Ok(false);
    }
    if holder == grant.client_id {
        return Ok(true);
    }
    Ok(exists(context, holder, now).await?
        && issued_at >= context.store.withdrawn(&grant.subject, holder, now).await?.grants_before)
}

/// Whether the operator lets the client whose document lies at `id` present identity assertions of somebody.
pub(crate) fn presents_assertions(context: &Context, id: &str) -> bool {
    context.config.identity_assertions.iter().any(|issuer| issuer.admits_published(id))
}

/// Whether a user has let in the client whose document lies at `id`, or the operator has.
pub(crate) async fn was_let_in(context: &Context, id: &str, now: UnixTime) -> Result<bool, StoreError> {
    // What cannot be a URL of a client was never let in, and is not looked up.
    Ok(metadata_document::admit_url(id).is_ok()
        && (presents_assertions(context, id) || context.store.client(id, now).await?.is_some()))
}

/// The client of this id, as far as it is known without asking anybody.
pub(crate) async fn known(context: &Context, id: &str, now: UnixTime) -> Result<Option<Client>, StoreError> {
    if id.len() > LONGEST_ID {
        return Ok(None);
    }
    match context.config.clients.iter().find(|client| client.id == id) {
        Some(client) => Ok(Some(client.clone())),
        None => context.store.client(id, now).await,
    }
}

/// Until when clients have been kept, as far as this process remembers: each refresh would else cost another look at the store.
#[derive(Default)]
pub(crate) struct KeptAlive(Mutex<HashMap<String, UnixTime>>);

// === impl KeptAlive ===

impl KeptAlive {
    /// So many clients are remembered.
    const MOST: usize = 10_000;

    fn covers(&self, id: &str, until: UnixTime) -> bool {
        self.lock().get(id).is_some_and(|end| *end >= until)
    }

    fn note(&self, id: &str, until: UnixTime) {
        let mut ends = self.lock();
        if ends.len() >= Self::MOST {
            ends.clear();
        }
        ends.insert(id.to_owned(), until);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, UnixTime>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes that a client was used. Rounded up to whole days, so that a busy client costs one write a day. A failure is
/// logged and no more: what the client asked for has been done.
pub(crate) async fn keep_alive(context: &Context, id: &str, now: UnixTime) {
    let until = used_until(context, now);
    if !context.kept_alive.covers(id, until) {
        keep(context, id, until, now).await;
    }
}

/// Notes that a user has let a client in. One that publishes itself is looked for whatever this process remembers: an operator may
/// have removed it since, perhaps at another replica, and it would else not be known at the token endpoint.
pub(crate) async fn let_in(context: &Context, id: &str, now: UnixTime) {
    match metadata_document::is_url(id) {
        true => keep(context, id, used_until(context, now), now).await,
        false => keep_alive(context, id, now).await,
    }
}

fn used_until(context: &Context, now: UnixTime) -> UnixTime {
    const DAY: u64 = 24 * 60 * 60;
    let until = now.plus(context.config.lifetimes.used_client);
    UnixTime(until.0.div_ceil(DAY).saturating_mul(DAY))
}

async fn keep(context: &Context, id: &str, until: UnixTime, now: UnixTime) {
    let kept = match metadata_document::is_url(id) {
        true => client_documents::remember(context, id, until, now).await,
        false => context.store.extend_client(id, until, now).await.map_err(Failure::from),
    };
    match kept {
        Ok(()) => context.kept_alive.note(id, until),
        Err(error) => tracing::error!(event = "client_not_kept", client_id = id, %error),
    }
}
