//! How does a token die before its time? With its grant (RFC 7009): access tokens live as long as the grant that they
//! name.

use super::introspection;
use crate::app::Context;
use crate::audit::Act;
use crate::clock::UnixTime;
use crate::error::Failure;
use crate::oauth::client::Client;
use crate::oauth::error::ErrorCode;
use crate::secret::{Digest, Kind, grant_id_of};
use crate::store::StoreError;
use crate::store::grant::Grant;

/// Revokes the grant that the token belongs to, or the token alone, where its client got it by exchange. A token that is unknown or dead is no error (section 2.2); one of
/// another client is refused and lives on (section 2.1), and of a kind that cannot be revoked here it is said so (section 2.2.1).
pub(crate) async fn revoke(
    context: &Context,
    client: &Client,
    token: &str,
    now: UnixTime,
) -> Result<(), Failure> {
    context.keys.look_for_signer(token, &context.store, now).await?;
    if context.keys.verify_hint(token, context.config.issuer.as_str()).is_some() {
        return Err(ErrorCode::UnsupportedTokenType.because("an ID token cannot be revoked").into());
    }
    if grant_id_of(Kind::ApiKey, token).is_some() {
        // Whoever administers it revokes it; to say yes here would be to let it live on unseen.
        return Err(ErrorCode::UnsupportedTokenType.because("an API key is revoked by its operator").into());
    }
    let Some((grant, holder)) = grant_of(context, token, now).await? else { return Ok(()) };
    if grant.client_id != client.id {
        return match holder == client.id {
            true => end_exchanged(context, client, &grant, token, now).await,
            false => Err(ErrorCode::InvalidGrant.because("the token was issued to another client").into()),
        };
    }
    Ok(end(context, &grant, "its client asked", now).await?)
}

/// Ends a grant; only what was alive until now is counted and written down.
pub(super) async fn end(
    context: &Context,
    grant: &Grant,
    why: &'static str,
    now: UnixTime,
) -> Result<(), StoreError> {
    if context.store.revoke_grant(&grant.id, now).await? && grant.is_live() {
        context.metrics.grants_revoked.inc();
        context.audit.write(&Act::GrantRevoked.about(grant).because(why));
    }
    Ok(())
}

/// Ends a token that its client got by exchange. The grant is another client's and goes on; an opaque token can end alone.
async fn end_exchanged(
    context: &Context,
    client: &Client,
    grant: &Grant,
    token: &str,
    now: UnixTime,
) -> Result<(), Failure> {
    if grant_id_of(Kind::Access, token).is_none() {
        let why = "a JWT that was got by exchange ends with its grant, or by itself";
        return Err(ErrorCode::UnsupportedTokenType.because(why).into());
    }
    context.store.remove_opaque_token(&grant.id, Digest::of(token), now).await?;
    context.audit.write(&Act::TokenRevoked.about(grant).client(client.id.as_str()));
    Ok(())
}

/// The grant of a token, and the client that got it.
async fn grant_of(
    context: &Context,
    token: &str,
    now: UnixTime,
) -> Result<Option<(Grant, String)>, StoreError> {
    if let Some(id) = grant_id_of(Kind::Refresh, token) {
        let digest = Digest::of(token);
        let grant = context.store.grant(id, now).await?.filter(|grant| grant.knows_refresh(&digest));
        return Ok(grant.map(|grant| {
            let holder = grant.client_id.clone();
            (grant, holder)
        }));
    }
    let held = introspection::held(context, token, now).await?;
    Ok(held.map(|(grant, held)| {
        let holder = held.holder(&grant).to_owned();
        (grant, holder)
    }))
}
