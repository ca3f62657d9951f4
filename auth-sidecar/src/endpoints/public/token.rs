//! `POST /token` (RFC 6749 section 3.2).

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;

use super::super::caller::Caller;
use super::super::form::Form;
use super::super::{dpop as headers_of, reply};
use crate::app::Context;
use crate::clock::UnixTime;
use crate::error::Failure;
use crate::grants::access_token::TokenResponse;
use crate::grants::{
    authorization_code, client_authentication, client_credentials, device_code, dpop, identity_assertion,
    refresh_token, token_exchange,
};
use crate::metrics::GrantLabel;
use crate::oauth::client::{Client, GrantType};
use crate::oauth::client_credentials as credentials;
use crate::oauth::error::ErrorCode;
use crate::oauth::metadata;
use crate::oauth::params::Params;

pub(super) async fn post(
    State(context): State<Arc<Context>>,
    caller: Caller,
    headers: HeaderMap,
    Form(params): Form,
) -> Response {
    answer(&context, &caller, &headers, &params, "/token").await
}

/// What the endpoint answers at `path` to a request with these headers and parameters.
pub(super) async fn answer(
    context: &Context,
    caller: &Caller,
    headers: &HeaderMap,
    params: &Params,
    path: &'static str,
) -> Response {
    let response = match issue(context, caller, headers, params, path).await {
        Ok(response) => reply::fresh_json(StatusCode::OK, &response),
        Err(failure) => reply::failure(&failure),
    };
    headers_of::with_nonce(response, context)
}

/// The client that a request at one of our back-channel endpoints proves to be.
pub(super) async fn authenticated(
    context: &Context,
    caller: &Caller,
    headers: &HeaderMap,
    params: &Params,
    now: UnixTime,
) -> Result<Client, Failure> {
    let lines = headers.get_all(header::AUTHORIZATION).iter().map(|value| value.as_bytes());
    let presented = credentials::read(&lines.collect::<Vec<_>>(), params)?;
    client_authentication::authenticate(context, presented, caller.network(), now).await
}

/// The same where a flow begins: a client that publishes itself may not have been seen yet.
pub(super) async fn authenticated_first(
    context: &Context,
    caller: &Caller,
    headers: &HeaderMap,
    params: &Params,
    now: UnixTime,
) -> Result<Client, Failure> {
    let lines = headers.get_all(header::AUTHORIZATION).iter().map(|value| value.as_bytes());
    let presented = credentials::read(&lines.collect::<Vec<_>>(), params)?;
    client_authentication::authenticate_first(context, presented, caller.network(), now).await
}

async fn issue(
    context: &Context,
    caller: &Caller,
    headers: &HeaderMap,
    params: &Params,
    path: &'static str,
) -> Result<TokenResponse, Failure> {
    let now = context.clock.now();
    let grant_type = params.require("grant_type")?;
    let refreshes = grant_type == GrantType::RefreshToken.as_str();
    let presented =
        async { if refreshes { refresh_token::presented(context, params, now).await } else { Ok(None) } };
    // Two looks at the store that do not need each other.
    let (client, seen) = tokio::join!(authenticated(context, caller, headers, params, now), presented);
    let client = client?;
    let unsupported = || ErrorCode::UnsupportedGrantType.because("this grant_type is not supported");
    let mut offered = metadata::grant_types(&context.config);
    let grant_type = offered.find(|grant| grant.as_str() == grant_type).ok_or_else(unsupported)?;
    if !client.may(grant_type) {
        return Err(ErrorCode::UnauthorizedClient
            .because("this client is not registered for this grant")
            .into());
    }
    let jkt =
        dpop::key(context, (&client, caller.network()), &headers_of::headers(headers), path, now).await?;
    let response = match grant_type {
        GrantType::AuthorizationCode => {
            authorization_code::redeem(context, &client, params, jkt, now).await?
        }
        GrantType::RefreshToken => refresh_token::refresh(context, &client, params, seen?, jkt, now).await?,
        GrantType::ClientCredentials => client_credentials::issue(context, &client, params, jkt, now).await?,
        GrantType::DeviceCode => device_code::redeem(context, &client, params, jkt, now).await?,
        GrantType::JwtBearer => identity_assertion::issue(context, &client, params, jkt, now).await?,
        GrantType::TokenExchange => token_exchange::exchange(context, &client, params, jkt, now).await?,
    };
    context.metrics.tokens_issued.get_or_create(&GrantLabel { grant_type: grant_type.as_str() }).inc();
    Ok(response)
}
