//! `GET /livez` (alias `/healthz`): does the process answer? `GET /readyz` (alias `/health`): does the store take writes, and are there keys?

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::app::Context;

pub(super) async fn live() -> Response {
    Json(json!({"status": "live"})).into_response()
}

pub(super) async fn ready(State(context): State<Arc<Context>>) -> Response {
    match context.store.ping().await {
        Ok(()) if context.keys.are_there() => Json(json!({"status": "ready"})).into_response(),
        Ok(()) => (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"status": "no_keys_yet"}))).into_response(),
        Err(error) => {
            tracing::error!(event = "not_ready", %error);
            (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"status": "store_failed"}))).into_response()
        }
    }
}
