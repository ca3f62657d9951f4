//! `POST /revoke` (RFC 7009).

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::super::form::Form;
use super::super::reply;
use super::token::authenticated;
use crate::app::Context;
use crate::error::Failure;
use crate::grants::revocation;
use crate::oauth::params::Params;

pub(super) async fn post(
    State(context): State<Arc<Context>>,
    headers: HeaderMap,
    Form(params): Form,
) -> Response {
    match revoke(&context, &headers, &params).await {
        Ok(()) => {
            let mut response = StatusCode::OK.into_response();
            reply::forbid_caching(&mut response);
            response
        }
        Err(failure) => reply::failure(&failure),
    }
}

async fn revoke(context: &Context, headers: &HeaderMap, params: &Params) -> Result<(), Failure> {
    let now = context.clock.now();
    let client = authenticated(context, headers, params, now).await?;
    // `token_type_hint` is a hint: the form of the token says what it is.
    revocation::revoke(context, &client, params.require("token")?, now).await
}
