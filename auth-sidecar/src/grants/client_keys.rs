//! With which keys may a client have signed? Those that it registered, or those that it publishes at `jwks_uri`.

use std::time::Duration;

use url::Url;

use crate::app::Context;
use crate::clock::UnixTime;
use crate::error::Failure;
use crate::fetch::FetchError;
use crate::fetch::cache::Known;
use crate::oauth::client::Client;
use crate::oauth::error::ErrorCode;
use crate::oauth::jwk::{KeySet, KeySource};

const LARGEST: usize = 64 * 1024;
/// Keys that do not fit may have been replaced since: they are fetched anew, but not more often than this.
const REFETCH_AFTER: Duration = Duration::from_secs(10);
/// Fetches from one host for clients that registered themselves, per window.
const MOST_PER_HOST: u32 = 60;
const WINDOW: Duration = Duration::from_secs(60);
const MISSING: &str = "the keys of this client cannot be fetched";

/// The keys, as remembered or fetched; none of a client that has none.
pub(crate) async fn current(
    context: &Context,
    client: &Client,
    now: UnixTime,
) -> Result<Option<KeySet>, Failure> {
    let uri = match &client.keys {
        None => return Ok(None),
        Some(KeySource::Inline(set)) => return Ok(Some(set.clone())),
        Some(KeySource::Uri(uri)) => uri,
    };
    match context.client_keys.get(uri, now) {
        Known::Good(set, _) => Ok(Some(set)),
        Known::Bad(why) => Err(failure(why)),
        Known::Nothing => fetch(context, client, uri, now).await.map(Some),
    }
}

/// The keys once more, where those that did not fit have been remembered for a while.
pub(crate) async fn newer(
    context: &Context,
    client: &Client,
    now: UnixTime,
) -> Result<Option<KeySet>, Failure> {
    let Some(KeySource::Uri(uri)) = &client.keys else { return Ok(None) };
    match context.client_keys.get(uri, now) {
        Known::Good(_, asked_at) if now.since(asked_at) >= REFETCH_AFTER => {
            fetch(context, client, uri, now).await.map(Some)
        }
        _ => Ok(None),
    }
}

async fn fetch(context: &Context, client: &Client, uri: &str, now: UnixTime) -> Result<KeySet, Failure> {
    let refuse = |why: &'static str| {
        context.client_keys.refuse(uri, why, now);
        failure(why)
    };
    let Ok(url) = Url::parse(uri) else { return Err(refuse("jwks_uri is no URL")) };
    limit(context, client, &url, now).await?;
    let fetched = match context.fetcher.json(&url, LARGEST).await {
        Ok(fetched) => fetched,
        Err(FetchError::Refused(why)) => return Err(refuse(why)),
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

/// Whoever registers names a place, and as many as it likes: together they must not send us against one host.
async fn limit(context: &Context, client: &Client, url: &Url, now: UnixTime) -> Result<(), Failure> {
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
