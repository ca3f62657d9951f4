//! How does a client get further access tokens? With a refresh token that works once and is replaced by the next.

use super::access_token::{self, Beside, TokenResponse};
use super::narrowing::Narrowing;
use super::{accounts, clients};
use crate::app::Context;
use crate::audit::Act;
use crate::clock::UnixTime;
use crate::error::Failure;
use crate::oauth::client::Client;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::params::Params;
use crate::oauth::resource;
use crate::sealing::SealingKey;
use crate::secret::{Digest, Kind, Opaque, grant_id_of};
use crate::store::grant::{Grant, Rotated, Rotation};
use crate::store::{Seen, StoreError};

/// The grant of a refresh token that is presented, whoever presents it; whether it was withdrawn shows when it is used.
pub(crate) async fn presented(
    context: &Context,
    params: &Params,
    now: UnixTime,
) -> Result<Option<Seen<Grant>>, StoreError> {
    let token = params.get("refresh_token");
    match token.and_then(|token| grant_id_of(Kind::Refresh, token)) {
        Some(id) => context.store.see_grant(id, now).await,
        None => Ok(None),
    }
}

/// Uses a refresh token (RFC 6749 section 6), whose grant was `seen`.
pub(crate) async fn refresh(
    context: &Context,
    client: &Client,
    params: &Params,
    seen: Option<Seen<Grant>>,
    jkt: Option<String>,
    now: UnixTime,
) -> Result<TokenResponse, Failure> {
    let presented = params.require("refresh_token")?;
    let digest = Digest::of(presented);
    let is_own =
        |grant: &Grant| grant.client_id == client.id && grant.knows_refresh(&digest) && grant.is_live();
    let seen = seen.filter(|seen| is_own(&seen.value)).ok_or_else(refused)?;
    let grant = seen.value.clone();
    if !client.still_accepts(&grant.redirect_uri) {
        return Err(ErrorCode::InvalidGrant.because("the metadata of the client has changed since").into());
    }
    let bound_to = grant.refresh.as_ref().and_then(|refresh| refresh.jkt.as_ref());
    if bound_to.is_some() && bound_to != jkt.as_ref() {
        return Err(ErrorCode::InvalidGrant.because("the refresh token is bound to another DPoP key").into());
    }
    let Some(account) = accounts::current(context, &grant.subject, now).await? else {
        if context.store.revoke_grant(&grant.id, now).await? {
            context.audit.write(&Act::GrantRevoked.about(&grant).because("its user is gone"));
        }
        return Err(refused().into());
    };
    // The refresh token keeps all of it.
    let narrowing =
        resource::asked_scope(params).and_then(|asked| Narrowing::of(context, client, &grant, params, asked));
    if grant.is_current_refresh(&digest, now) {
        // A request with a mistake does not use the token up. One with a used token goes on to be noticed as reuse.
        narrowing.as_ref().map_err(Clone::clone)?;
    }
    // A confidential client proves who it is anyway, and may change its key (RFC 9449 section 5).
    let bind_to = jkt.clone().filter(|_| !client.is_confidential());
    let successor = rotate(context, (seen, &grant), presented, bind_to, now).await?;
    clients::keep_alive(context, &client.id, now).await;
    let beside = Beside { refresh_token: Some(successor), jkt, ..Beside::default() };
    let issued = access_token::issue(context, client, &grant, account, narrowing?, beside, now).await?;
    context.audit.write(&Act::TokenRefreshed.about(&grant));
    Ok(issued)
}

/// The one step that changes anything. Returns the refresh token to hand out.
async fn rotate(
    context: &Context,
    (seen, grant): (Seen<Grant>, &Grant),
    presented: &str,
    refresh_jkt: Option<String>,
    now: UnixTime,
) -> Result<String, Failure> {
    let lifetimes = &context.config.lifetimes;
    let id = &grant.id;
    let successor = Opaque::for_grant(Kind::Refresh, id)?;
    // Only who holds the presented token can derive the key: the store cannot give the successor away.
    let key = SealingKey::derived_from(presented);
    let rotation = Rotation {
        presented: Digest::of(presented),
        successor: successor.digest(),
        sealed_successor: key.seal(id, successor.expose().as_bytes())?,
        refresh_idle: lifetimes.refresh_idle,
        grace: lifetimes.reuse_grace,
        refresh_jkt,
        access_token: lifetimes.access_token,
    };
    match context.store.rotate_seen(seen, rotation, now).await? {
        Rotated::Fresh => Ok(successor.expose().to_owned()),
        Rotated::Again(sealed) => {
            let clear = key.open(id, &sealed)?;
            Ok(String::from_utf8_lossy(&clear).into_owned())
        }
        Rotated::Reused => {
            context.metrics.refresh_replays.inc();
            context.audit.write(&Act::RefreshTokenReused.about(grant));
            Err(refused().into())
        }
        Rotated::Refused => Err(refused().into()),
    }
}

fn refused() -> OAuthError {
    ErrorCode::InvalidGrant
        .because("the refresh token is unknown, expired, used, revoked, or another client's")
}
