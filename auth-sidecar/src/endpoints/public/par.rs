//! `POST /par`: pushed authorization requests (RFC 9126).

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::super::caller::Caller;
use super::super::form::Form;
use super::super::{dpop as headers_of, reply};
use super::token::authenticated_first;
use crate::app::Context;
use crate::error::Failure;
use crate::grants::dpop::{self, Target};
use crate::grants::pushed_request::{self, Pushed};
use crate::grants::request_limit;
use crate::oauth::params::Params;

/// The path below the issuer.
pub(super) const PATH: &str = "/par";

pub(super) async fn post(
    State(context): State<Arc<Context>>,
    caller: Caller,
    headers: HeaderMap,
    Form(params): Form,
) -> Response {
    let response = match push(&context, &caller, &headers, &params).await {
        Ok(pushed) => reply::fresh_json(StatusCode::CREATED, &pushed),
        Err(failure) => reply::failure(&failure),
    };
    headers_of::with_nonce(response, &context)
}

async fn push(
    context: &Context,
    caller: &Caller,
    headers: &HeaderMap,
    params: &Params,
) -> Result<Pushed, Failure> {
    let now = context.clock.now();
    let client = authenticated_first(context, caller, headers, params, now).await?;
    // A secret that a stranger gave itself proves nothing about him.
    if !client.is_confidential() || !client.is_operators() {
        request_limit::count(context, Some(&client.id), caller.network(), now).await?;
    }
    let target = Target { method: "POST", path: PATH };
    let by = Some((&client, caller.network()));
    let proof = dpop::proof(context, &headers_of::headers(headers), target, by, now).await?;
    pushed_request::push(context, &client, params, proof.map(|proof| proof.jkt), now).await
}
