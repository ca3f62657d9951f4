//! Is this authorization request valid? The protocol's own question, and what only keys can answer: whose ID token is it
//! that the client shows?

use crate::app::Context;
use crate::clock::UnixTime;
use crate::oauth::authorization_request::{self, AuthorizationRequest, ReplyTo};
use crate::oauth::client::Client;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::params::Params;
use crate::store::StoreError;

/// Looks once for the key of an `id_token_hint` that none of ours signed: another replica may have made it a moment ago.
pub(crate) async fn look_for_hints_key(
    context: &Context,
    params: &Params,
    now: UnixTime,
) -> Result<(), StoreError> {
    match params.get("id_token_hint") {
        Some(token) => context.keys.look_for_signer(token, &context.store, now).await,
        None => Ok(()),
    }
}

/// Reads a request that came to the authorization endpoint or was pushed.
pub(crate) fn read(
    context: &Context,
    params: &Params,
    client: &Client,
    reply_to: &ReplyTo,
) -> Result<AuthorizationRequest, OAuthError> {
    let config = &context.config;
    let issuer = config.issuer.as_str();
    let mut request = authorization_request::validate(params, client, reply_to, &config.resources, issuer)?;
    if let Some(token) = params.get("id_token_hint") {
        let hint = context.keys.verify_hint(token, issuer);
        let hint = hint.ok_or_else(|| {
            ErrorCode::InvalidRequest.because("id_token_hint is not an ID token that was issued here")
        })?;
        if hint.client_id != client.id {
            return Err(ErrorCode::InvalidRequest.because("id_token_hint was issued to another client"));
        }
        request.openid.expected_subject = Some(hint.subject);
    }
    Ok(request)
}
