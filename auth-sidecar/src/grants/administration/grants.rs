//! What was granted by a user, or to a client, and how does an operator end it?

use serde::Serialize;

use super::super::{interaction, revocation};
use super::{Listing, Refusal};
use crate::app::Context;
use crate::audit::Act;
use crate::clock::UnixTime;
use crate::oauth::scope::ScopeSet;
use crate::secret::is_grant_id;
use crate::store::grant::Grant;
use crate::store::{Holder, Part, StoreError};

const UNKNOWN: &str = "there is no grant of this id";

/// A grant, for operators; no token.
#[derive(Debug, Serialize)]
pub(crate) struct GrantSummary {
    grant_id: String,
    client_id: String,
    sub: String,
    scope: ScopeSet,
    resources: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    redirect_uri: Option<String>,
    refreshes: bool,
    created_at: UnixTime,
    used_at: UnixTime,
    expires_at: UnixTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<UnixTime>,
}

/// A part of what a user granted, or a client was.
pub(crate) async fn grants_of(
    context: &Context,
    holder: Holder<'_>,
    listing: &Listing,
    now: UnixTime,
) -> Result<Part<GrantSummary>, StoreError> {
    let part = context.store.grants_of(holder, &listing.after, listing.most, now).await?;
    Ok(Part { entries: part.entries.into_iter().map(GrantSummary::from).collect(), next: part.next })
}

/// One grant, live or not.
pub(crate) async fn grant(context: &Context, id: &str, now: UnixTime) -> Result<GrantSummary, Refusal> {
    Ok(find(context, id, now).await?.into())
}

/// Ends one grant, and forgets its user's consent to it, or the client's next visit would silently restore it.
pub(crate) async fn revoke_grant(context: &Context, id: &str, now: UnixTime) -> Result<(), Refusal> {
    let grant = find(context, id, now).await?;
    if !grant.is_clients_own() {
        context.store.remove_consent(&interaction::consent_of(&grant)).await?;
    }
    Ok(revocation::end(context, &grant, "operator", now).await?)
}

/// Withdraws all that a user granted, and ends their sign-ins. Who was never seen has nothing, and that is no error.
pub(crate) async fn revoke_all_of_user(context: &Context, subject: &str) -> Result<(), StoreError> {
    context.store.withdraw_user(subject, &*context.clock).await?;
    context.audit.write(&Act::UserWithdrawn.event().subject(subject).because("operator"));
    Ok(())
}

async fn find(context: &Context, id: &str, now: UnixTime) -> Result<Grant, Refusal> {
    let grant = if is_grant_id(id) { context.store.grant(id, now).await? } else { None };
    grant.ok_or(Refusal::NotFound(UNKNOWN))
}

// === impl GrantSummary ===

impl From<Grant> for GrantSummary {
    fn from(grant: Grant) -> Self {
        Self {
            used_at: grant.used_at(),
            refreshes: grant.refresh.is_some(),
            grant_id: grant.id,
            client_id: grant.client_id,
            sub: grant.subject,
            scope: grant.scope,
            resources: grant.resources,
            redirect_uri: Some(grant.redirect_uri).filter(|uri| !uri.is_empty()),
            created_at: grant.created_at,
            expires_at: grant.expires_at,
            revoked_at: grant.revoked_at,
        }
    }
}
