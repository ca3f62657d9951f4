//! `POST /introspect` (RFC 7662), for clients that can prove who they are.

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
use crate::grants::introspection::{self, Introspection};
use crate::oauth::params::Params;

pub(super) async fn post(
    State(context): State<Arc<Context>>,
    caller: Caller,
    headers: HeaderMap,
    Form(params): Form,
) -> Response {
    match introspect(&context, &caller, &headers, &params).await {
        Ok(answer) => reply::fresh_json(StatusCode::OK, &answer),
        Err(failure) => reply::failure(&failure),
    }
}

async fn introspect(
    context: &Context,
    caller: &Caller,
    headers: &HeaderMap,
    params: &Params,
) -> Result<Introspection, Failure> {
    let now = context.clock.now();
    let client = authenticated(context, caller, headers, params, now).await?;
    introspection::admit(context, &client)?;
    Ok(introspection::for_client(context, &client, params.require("token")?, now).await?)
}
