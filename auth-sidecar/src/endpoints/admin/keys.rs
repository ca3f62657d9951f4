//! `GET /v1/keys`: the signing keys and where they stand in their lives. `POST /v1/keys/rotate`: new ones, please.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;

use super::super::media_type;
use super::super::reply;
use crate::app::Context;
use crate::audit::Act;
use crate::error::Failure;
use crate::keys::KeyError;
use crate::oauth::error::ErrorCode;

/// What is asked for.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Rotation {
    /// Sign with the new keys from now on, although nobody has seen them yet.
    now: bool,
}

pub(super) async fn list(State(context): State<Arc<Context>>) -> Response {
    reply::fresh_json(StatusCode::OK, &json!({"keys": context.keys.list()}))
}

pub(super) async fn rotate(
    State(context): State<Arc<Context>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(error) => return reply::unreadable(&error),
    };
    // Also keeps the forms of other pages in an operator's browser away: only what asks first may send JSON.
    let rotation = media_type::is(&headers, "application/json")
        .then(|| serde_json::from_slice::<Rotation>(&body).ok())
        .flatten();
    let Some(rotation) = rotation else {
        return reply::oauth_error(&ErrorCode::InvalidRequest.because("the body must be JSON: {now: BOOL}"));
    };
    let now = context.clock.now();
    match context.keys.rotate(context.store.as_ref(), now, rotation.now).await {
        Ok(()) => {
            let how = if rotation.now { "by hand, at once" } else { "by hand" };
            context.audit.write(&Act::KeysRotated.event().because(how));
            list(State(context)).await
        }
        Err(KeyError::Store(error)) => reply::failure(&Failure::Store(error)),
        Err(error) => reply::failure(&Failure::Keys(error)),
    }
}
