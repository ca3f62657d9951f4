//! How does a consent become tokens? A code is issued for a grant, and redeemed once.

use std::time::Duration;

use super::access_token::{self, Beside, TokenResponse};
use super::narrowing::Narrowing;
use super::{accounts, clients, grant_limit};
use crate::app::Context;
use crate::audit::Act;
use crate::clock::UnixTime;
use crate::error::Failure;
use crate::oauth::authorization_request::AuthorizationRequest;
use crate::oauth::client::{Client, GrantType};
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::params::Params;
use crate::oauth::pkce;
use crate::secret::{Digest, Kind, NoRandomness, Opaque, grant_id_of, random_text};
use crate::store::grant::{Binding, Code, Grant, Redeemed, Redemption};
use crate::store::records::Session;

/// Makes a grant and its code, the user having consented.
///
/// # Errors
/// [`Failure::TooMany`] where this user has granted too much lately; ours, too.
pub(crate) async fn issue(
    context: &Context,
    request: AuthorizationRequest,
    session: &Session,
    now: UnixTime,
) -> Result<Opaque, Failure> {
    grant_limit::count(context, &session.subject, Some(&request.client_id), now).await?;
    let lifetimes = &context.config.lifetimes;
    let id = random_text::<16>()?;
    let code = Opaque::for_grant(Kind::Code, &id)?;
    let expires_at = now.plus(lifetimes.code);
    let client_id = request.client_id.clone();
    let grant = Grant {
        id: id.clone(),
        client_id: request.client_id,
        subject: session.subject.clone(),
        auth_time: session.auth_time,
        scope: request.scope,
        resources: request.resources,
        redirect_uri: request.redirect_uri,
        challenge: request.challenge,
        document: request.document,
        code: Code { digest: code.digest(), expires_at, used: false, used_at: None },
        refresh: None,
        binding: Binding { nonce: request.openid.nonce, jkt: request.dpop_jkt, asserted: None },
        opaque_tokens: Vec::new(),
        created_at: now,
        expires_at,
        revoked_at: None,
    };
    context.store.put_grant(grant).await?;
    context.audit.write(&Act::CodeIssued.by_client(&client_id).subject(session.subject.as_str()).grant(&id));
    clients::let_in(context, &client_id, now).await;
    Ok(code)
}

/// Redeems a code (RFC 6749 section 4.1.3). What can be checked by reading is checked first and changes nothing, so
/// that a request with a mistake can be repeated; then one atomic operation decides.
pub(crate) async fn redeem(
    context: &Context,
    client: &Client,
    params: &Params,
    jkt: Option<String>,
    now: UnixTime,
) -> Result<TokenResponse, Failure> {
    let presented = params.require("code")?;
    let verifier = params.require("code_verifier")?;
    let digest = Digest::of(presented);
    let grant = match grant_id_of(Kind::Code, presented) {
        Some(id) => context.store.grant(id, now).await?,
        None => None,
    };
    let grant = grant
        .filter(|grant| grant.code.digest.matches(&digest) && grant.client_id == client.id && grant.is_live())
        .ok_or_else(refused)?;
    if params.get("redirect_uri").is_some_and(|uri| uri != grant.redirect_uri) {
        return Err(ErrorCode::InvalidGrant.because("redirect_uri is not the one of the request").into());
    }
    // The client may have changed since (RFC 7592, or its metadata document): no code for a place that is not its own.
    if grant.document != client.document || !client.still_accepts(&grant.redirect_uri) {
        return Err(ErrorCode::InvalidGrant.because("the metadata of the client has changed since").into());
    }
    if grant.binding.jkt.is_some() && grant.binding.jkt != jkt {
        return Err(ErrorCode::InvalidGrant.because("the code is bound to another DPoP key").into());
    }
    pkce::verify(&grant.challenge, verifier)?;
    let narrowing = Narrowing::of(context, client, &grant, params, None)?;
    let account = accounts::current(context, &grant.subject, now).await?.ok_or_else(refused)?;

    let successor = first_refresh_token(client, &grant.id)?;
    let presented = (digest, successor.as_ref(), jkt.as_deref(), Duration::ZERO);
    if !use_up(context, client, &grant, presented, now).await? {
        return Err(refused().into());
    }
    let beside = Beside {
        refresh_token: successor.map(|token| token.expose().to_owned()),
        jkt,
        nonce: grant.binding.nonce.clone(),
        ..Beside::default()
    };
    let issued = access_token::issue(context, client, &grant, account, narrowing, beside, now).await?;
    context.audit.write(&Act::CodeRedeemed.about(&grant));
    Ok(issued)
}

/// The refresh token that comes with the first access token, for clients that may have one.
pub(super) fn first_refresh_token(client: &Client, grant_id: &str) -> Result<Option<Opaque>, NoRandomness> {
    client.may(GrantType::RefreshToken).then(|| Opaque::for_grant(Kind::Refresh, grant_id)).transpose()
}

/// The one step that changes anything; whether it was the first time. The grant can be found from then on.
pub(super) async fn use_up(
    context: &Context,
    client: &Client,
    grant: &Grant,
    (code, refresh, jkt, grace): (Digest, Option<&Opaque>, Option<&str>, Duration),
    now: UnixTime,
) -> Result<bool, Failure> {
    let lifetimes = &context.config.lifetimes;
    let redemption = Redemption {
        code,
        refresh: refresh.map(Opaque::digest),
        refresh_idle: lifetimes.refresh_idle,
        refresh_absolute: lifetimes.refresh_absolute,
        // A confidential client proves who it is anyway, and may change its key (RFC 9449 section 5).
        refresh_jkt: jkt.filter(|_| !client.is_confidential()).map(ToOwned::to_owned),
        grace,
        access_token: lifetimes.access_token,
    };
    let longest = if refresh.is_some() { lifetimes.refresh_absolute } else { lifetimes.access_token };
    let (redeemed, ()) = tokio::join!(
        context.store.redeem(&grant.id, redemption, now),
        enlist(context, grant, now.plus(longest), now)
    );
    let redeemed = redeemed?;
    if redeemed == Redeemed::Reused {
        context.metrics.code_replays.inc();
        context.audit.write(&Act::CodeReused.about(grant));
    }
    Ok(redeemed == Redeemed::First)
}

/// Puts a grant on the lists by which it is found. A failure is logged and no more: what the client asked for has been done.
pub(super) async fn enlist(context: &Context, grant: &Grant, until: UnixTime, now: UnixTime) {
    if let Err(error) = context.store.list_grant(grant, until, now).await {
        tracing::error!(event = "grant_not_listed", grant_id = grant.id, %error);
    }
}

fn refused() -> OAuthError {
    ErrorCode::InvalidGrant.because("the code is unknown, expired, used, or was issued to another client")
}
