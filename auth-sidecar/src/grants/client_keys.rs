//! With which keys may a client have signed? Those that it registered, or those that it publishes at `jwks_uri`.

use std::net::IpAddr;
use std::time::Duration;

use url::Url;

use super::client_documents;
use crate::app::Context;
use crate::clock::UnixTime;
use crate::error::Failure;
use crate::fetch::cache::Known;
use crate::fetch::{FetchError, Turn};
use crate::oauth::client::Client;
use crate::oauth::error::ErrorCode;
use crate::oauth::jwk::{KeySet, KeySource};

const LARGEST: usize = 64 * 1024;
/// Keys that do not fit may have been replaced since: they are fetched anew, but not more often than this.
const REFETCH_AFTER: Duration = Duration::from_secs(10);
/// Fetches from one host for clients that registered themselves, per window.
const MOST_PER_HOST: u32 = 60;
const WINDOW: Duration = Duration::from_secs(60);
const NO_URL: &str = "jwks_uri is no URL";
const MISSING: &str = "the keys of this client cannot be fetched";

/// The keys, as remembered or fetched for whom `network` asks; none of a client that has none.
pub(crate) async fn current(
    context: &Context,
    client: &Client,
    network: IpAddr,
    now: UnixTime,
) -> Result<Option<KeySet>, Failure> {
    match &client.keys {
        None => Ok(None),
        Some(KeySource::Inline(set)) => Ok(Some(set.clone())),
        Some(KeySource::Uri(uri)) => {
            asked_since(context, (client, uri), UnixTime::default(), network, now).await.map(Some)
        }
    }
}

/// The keys once more, where those that did not fit have been remembered for a while.
pub(crate) async fn newer(
    context: &Context,
    client: &Client,
    network: IpAddr,
    now: UnixTime,
) -> Result<Option<KeySet>, Failure> {
    let Some(KeySource::Uri(uri)) = &client.keys else { return Ok(None) };
    match context.client_keys.get(uri, now) {
        Known::Good(_, asked_at) if now.since(asked_at) >= REFETCH_AFTER => {
            let least = UnixTime(asked_at.0.saturating_add(1));
            asked_since(context, (client, uri), least, network, now).await.map(Some)
        }
        _ => Ok(None),
    }
}

/// The keys, not those that were asked for earlier than `least`; fetched once for all who wait for them.
async fn asked_since(
    context: &Context,
    (client, uri): (&Client, &str),
    least: UnixTime,
    network: IpAddr,
    now: UnixTime,
) -> Result<KeySet, Failure> {
    let recall = || match context.client_keys.get(uri, now) {
        Known::Good(set, asked_at) if asked_at >= least => Some(Ok(set)),
        Known::Bad(why) => Some(Err(failure(why))),
        _ => None,
    };
    if let Some(known) = recall() {
        return known;
    }
    let Ok(url) = Url::parse(uri) else {
        context.client_keys.refuse(uri, NO_URL, now);
        return Err(failure(NO_URL));
    };
    let Ok(turn) = context.fetcher.turn(&url, Some(network)).await else {
        return stand_in(context, client, uri, now);
    };
    if let Some(known) = recall() {
        return known;
    }
    limit(context, client, &url, network, now).await?;
    fetch(context, client, uri, &turn, now).await
}

/// What can be said where too much is being fetched.
fn stand_in(context: &Context, client: &Client, uri: &str, now: UnixTime) -> Result<KeySet, Failure> {
    tracing::warn!(event = "client_keys_waited_for", client_id = client.id);
    context.client_keys.stand_in(uri, now).ok_or_else(|| failure(MISSING))
}

async fn fetch(
    context: &Context,
    client: &Client,
    uri: &str,
    turn: &Turn,
    now: UnixTime,
) -> Result<KeySet, Failure> {
    let refuse = |why: &'static str| {
        context.client_keys.refuse(uri, why, now);
        failure(why)
    };
    let fetched = match context.fetcher.json(turn, LARGEST).await {
        Ok(fetched) => fetched,
        Err(FetchError::Refused(why)) => return Err(refuse(why)),
        Err(FetchError::Busy) => return stand_in(context, client, uri, now),
        Err(FetchError::Unreachable | FetchError::NotPublic) => {
            tracing::warn!(event = "client_keys_missing", client_id = client.id);
            return match context.client_keys.miss(uri, MISSING, now) {
                Known::Good(set, _) => Ok(set),
                _ => Err(failure(MISSING)),
            };
        }
    };
    let set = serde_json::from_slice(&fetched.body).map_err(|_| "is not JSON").and_then(KeySet::admit);
    let set = set.map_err(refuse)?;
    context.client_keys.keep(uri, &set, fetched.fresh_for, now);
    Ok(set)
}

/// Whoever registers or publishes itself names a place, and as many as it likes, and what it signed is read only when its keys are
/// there: so they count for the network that has us fetch them. Those of clients that registered together must not send us against
/// one host; who publishes itself is not counted there, else a stranger's documents could keep a client from its own keys.
async fn limit(
    context: &Context,
    client: &Client,
    url: &Url,
    network: IpAddr,
    now: UnixTime,
) -> Result<(), Failure> {
    if client.is_operators() {
        return Ok(());
    }
    client_documents::count(context, &client.id, network, now).await?;
    if client.dynamic.is_none() {
        return Ok(());
    }
    let counter = format!("client keys {}", url.host_str().unwrap_or_default());
    if context.store.count(&counter, now.plus(WINDOW), now).await? > MOST_PER_HOST {
        tracing::warn!(event = "client_keys_throttled", client_id = client.id);
        return Err(failure(MISSING));
    }
    Ok(())
}

fn failure(why: &'static str) -> Failure {
    match why {
        MISSING => Failure::Unavailable(MISSING),
        _ => ErrorCode::InvalidClient.because("the keys at jwks_uri cannot be used").into(),
    }
}
