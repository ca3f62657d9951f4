//! `POST /device_authorization` (RFC 8628 section 3.1).

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::super::caller::Caller;
use super::super::form::Form;
use super::super::reply;
use super::token::authenticated_first;
use crate::app::Context;
use crate::audit::Act;
use crate::error::Failure;
use crate::grants::device_code::{self, Offered};
use crate::grants::limit::Limit;
use crate::oauth::client::GrantType;
use crate::oauth::error::ErrorCode;
use crate::oauth::params::Params;

/// Anybody can begin one, and each is kept for minutes.
const PER_NETWORK: Limit = Limit::hourly(3_600);

pub(super) async fn post(
    State(context): State<Arc<Context>>,
    caller: Caller,
    headers: HeaderMap,
    Form(params): Form,
) -> Response {
    match offer(&context, &caller, &headers, &params).await {
        Ok(offered) => reply::fresh_json(StatusCode::OK, &offered),
        Err(failure) => reply::failure(&failure),
    }
}

async fn offer(
    context: &Context,
    caller: &Caller,
    headers: &HeaderMap,
    params: &Params,
) -> Result<Offered, Failure> {
    let now = context.clock.now();
    let client = authenticated_first(context, caller, headers, params, now).await?;
    if !client.may(GrantType::DeviceCode) {
        let why = "this client is not registered for this grant";
        return Err(ErrorCode::UnauthorizedClient.because(why).into());
    }
    let counter = format!("device authorization {}", caller.network());
    PER_NETWORK.count(context, &counter, Act::DeviceThrottled.by_client(&client.id), now).await?;
    device_code::offer(context, &client, params, now).await
}
