//! `POST /revoke` (RFC 7009).

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::super::caller::Caller;
use super::super::form::Form;
use super::super::reply;
use super::token::authenticated;
use crate::app::Context;
use crate::error::Failure;
use crate::grants::revocation;
use crate::oauth::params::Params;

pub(super) async fn post(
    State(context): State<Arc<Context>>,
    caller: Caller,
    headers: HeaderMap,
    Form(params): Form,
) -> Response {
    // `token_type_hint` is a hint: the form of the token says what it is.
    match revoke(&context, &caller, &headers, &params, "token").await {
        Ok(()) => reply::empty(StatusCode::OK),
        Err(failure) => reply::failure(&failure),
    }
}

/// Revokes the token that stands in this parameter.
pub(super) async fn revoke(
    context: &Context,
    caller: &Caller,
    headers: &HeaderMap,
    params: &Params,
    name: &'static str,
) -> Result<(), Failure> {
    let now = context.clock.now();
    let client = authenticated(context, caller, headers, params, now).await?;
    revocation::revoke(context, &client, params.require(name)?, now).await
}
