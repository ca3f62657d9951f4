//! `GET /v1/keys`: the signing keys and where they stand in their lives. `POST /v1/keys/rotate`: new ones, please.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;

use super::super::reply;
use super::request::Json;
use crate::app::Context;
use crate::audit::Act;
use crate::error::Failure;
use crate::keys::KeyError;

/// What is asked for.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Rotation {
    /// Sign with the new keys from now on, although nobody has seen them yet.
    now: bool,
}

pub(super) async fn list(State(context): State<Arc<Context>>) -> Response {
    reply::fresh_json(StatusCode::OK, &json!({"keys": context.keys.list()}))
}

pub(super) async fn rotate(State(context): State<Arc<Context>>, Json(rotation): Json<Rotation>) -> Response {
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
