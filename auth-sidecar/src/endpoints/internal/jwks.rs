//! `GET /v1/jwks`: the keys that access tokens are signed with.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::super::reply;
use crate::app::Context;

pub(super) async fn get(State(context): State<Arc<Context>>) -> Response {
    reply::public_json(&context.keys.jwks())
}
