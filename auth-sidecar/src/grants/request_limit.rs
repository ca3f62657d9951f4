//! How many requests for authorization may be begun from one network? Each is kept for minutes, and nobody need be known to begin one.

use std::net::IpAddr;

use super::limit::Limit;
use crate::app::Context;
use crate::audit::Act;
use crate::clock::UnixTime;
use crate::error::Failure;

/// Many people may sit behind one address, and each of their programs begins one for each server.
const PER_NETWORK: Limit = Limit::hourly(36_000);

/// Counts a request of this client, or of nobody's but the user's own, of which somebody unknown makes us keep something.
///
/// # Errors
/// [`Failure::TooMany`], and the store's.
pub(crate) async fn count(
    context: &Context,
    client_id: Option<&str>,
    network: IpAddr,
    now: UnixTime,
) -> Result<(), Failure> {
    let counter = format!("authorization {network}");
    PER_NETWORK.count(context, &counter, Act::AuthorizationThrottled.event().client(client_id), now).await
}
