//! How many requests for authorization may be begun from one network? Each is kept for minutes, and nobody need be known to begin one.

use std::net::IpAddr;
use std::time::Duration;

use crate::app::Context;
use crate::audit::Act;
use crate::clock::UnixTime;
use crate::error::Failure;

/// Many people may sit behind one address, and each of their programs begins one for each server.
const MOST_PER_NETWORK: u32 = 36_000;
const WINDOW: Duration = Duration::from_secs(60 * 60);

/// Counts a request of this client, of which somebody unknown makes us keep something.
///
/// # Errors
/// [`Failure::TooMany`], and the store's.
pub(crate) async fn count(
    context: &Context,
    client_id: &str,
    network: IpAddr,
    now: UnixTime,
) -> Result<(), Failure> {
    let counter = format!("authorization {network}");
    if context.store.count(&counter, now.plus(WINDOW), now).await? > MOST_PER_NETWORK {
        context.audit.write(&Act::AuthorizationThrottled.by_client(client_id));
        return Err(Failure::TooMany);
    }
    Ok(())
}
