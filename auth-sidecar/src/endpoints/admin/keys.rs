//! `GET /v1/keys`: the signing keys and where they stand in their lives. `POST /v1/keys/rotate`: new ones, please.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;

use super::super::reply;
use super::question;
use crate::app::Context;
use crate::error::Failure;
use crate::keys::KeyError;

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
    let rotation = match question::read::<Rotation>(&headers, body) {
        Ok(rotation) => rotation,
        Err(refusal) => return *refusal,
    };
    let now = context.clock.now();
    match context.keys.rotate(context.store.as_ref(), now, rotation.now).await {
        Ok(()) => {
            tracing::warn!(event = "keys_rotated", at_once = rotation.now);
            list(State(context)).await
        }
        Err(KeyError::Store(error)) => reply::failure(&Failure::Store(error)),
        Err(error) => reply::failure(&Failure::Keys(error)),
    }
}
