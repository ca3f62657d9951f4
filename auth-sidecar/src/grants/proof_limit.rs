//! How many assertions and proofs of clients that prove nothing may one network present? Each good one is kept until it is too old to be
//! presented again, and whoever made the client can sign any number of them.

use std::net::IpAddr;

use super::limit::Limit;
use crate::app::Context;
use crate::audit::Act;
use crate::clock::UnixTime;
use crate::error::Failure;
use crate::oauth::client::Client;

/// As many as requests for authorization, and counted apart from those: who is refused here can still sign in.
const PER_NETWORK: Limit = Limit::hourly(36_000);

/// Counts what this client has signed, before it is kept. A client of the operator's that has proved who it is does not count.
///
/// # Errors
/// [`Failure::TooMany`], and the store's.
pub(super) async fn count(
    context: &Context,
    client: &Client,
    network: IpAddr,
    now: UnixTime,
) -> Result<(), Failure> {
    if client.is_confidential() && client.is_operators() {
        return Ok(());
    }
    let counter = format!("signed by clients {network}");
    PER_NETWORK.count(context, &counter, Act::ClientThrottled.by_client(&client.id), now).await
}
