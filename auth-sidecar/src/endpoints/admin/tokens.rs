//! `POST /v1/tokens/inspect`: what is this token? `/v1/grants/{id}`: what was granted, and an end to it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::answer;
use super::request::{Id, Json};
use crate::app::Context;
use crate::grants::administration::{self, Refusal};

/// The question. It holds a token, so it has no `Debug`, and it comes in the body, which nobody logs.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    token: String,
}

pub(super) async fn inspect(
    State(context): State<Arc<Context>>,
    Json(Question { token }): Json<Question>,
) -> Response {
    let inspected = administration::inspect(&context, &token, context.clock.now()).await;
    answer::json(StatusCode::OK, inspected.map_err(Refusal::from))
}

pub(super) async fn grant(State(context): State<Arc<Context>>, Id(id): Id) -> Response {
    answer::json(StatusCode::OK, administration::grant(&context, &id, context.clock.now()).await)
}

pub(super) async fn revoke(State(context): State<Arc<Context>>, Id(id): Id) -> Response {
    answer::done(administration::revoke_grant(&context, &id, context.clock.now()).await)
}
