//! `GET /v1/issuers/{id}/jwks`: the keys of another issuer, for a gateway that cannot fetch them itself.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};

use super::super::reply;
use crate::app::Context;

pub(super) async fn get(State(context): State<Arc<Context>>, Path(id): Path<String>) -> Response {
    match context.external_issuers.keys(&id, context.clock.now()).await {
        Ok(Some(keys)) => reply::public_json(&keys),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(failure) => reply::failure(&failure),
    }
}
