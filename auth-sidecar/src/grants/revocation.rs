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

/// Revokes the grant that the token belongs to. A token that is unknown or dead is no error (section 2.2); one of
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
    let Some(grant) = grant_of(context, token, now).await? else { return Ok(()) };
    if grant.client_id != client.id {
        return Err(ErrorCode::InvalidGrant.because("the token was issued to another client").into());
    }
    context.store.revoke_grant(&grant.id, now).await?;
    context.metrics.grants_revoked.inc();
    context.audit.write(&Act::GrantRevoked.about(&grant).because("its client asked"));
    Ok(())
}

async fn grant_of(context: &Context, token: &str, now: UnixTime) -> Result<Option<Grant>, StoreError> {
    if let Some(id) = grant_id_of(Kind::Refresh, token) {
        let digest = Digest::of(token);
        return Ok(context.store.grant(id, now).await?.filter(|grant| grant.knows_refresh(&digest)));
    }
    match introspection::live_claims(context, token, now).await? {
        Some(claims) => context.store.grant(&claims.grant_id, now).await,
        None => Ok(None),
    }
}
