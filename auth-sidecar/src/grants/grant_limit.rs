//! How much may one user grant, or a client that registered itself be granted in its own name? Each grant is kept, and its client may revoke it at once: an entry of the log that all gateways read,
//! and believe only as long as it is not too long.

use super::limit::Limit;
use crate::app::Context;
use crate::audit::Act;
use crate::clock::UnixTime;
use crate::error::Failure;

/// Counts a grant that this subject is about to make, to the client that is named.
///
/// # Errors
/// [`Failure::TooMany`], and the store's.
pub(super) async fn count(
    context: &Context,
    subject: &str,
    client_id: Option<&str>,
    now: UnixTime,
) -> Result<(), Failure> {
    let limit = Limit::hourly(context.config.grants.per_user_per_hour);
    let event = Act::GrantThrottled.event().client(client_id).subject(subject);
    limit.count(context, &format!("grants {subject}"), event, now).await
}
