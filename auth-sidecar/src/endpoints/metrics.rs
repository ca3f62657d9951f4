//! `GET /metrics`, for Prometheus.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::layers;
use crate::app::Context;

/// The routes of the metrics listener.
pub(crate) fn router(context: Arc<Context>) -> Router {
    layers::wrap(Router::new().route("/metrics", get(render)), context, "metrics")
}

async fn render(State(context): State<Arc<Context>>) -> Response {
    match context.metrics.render() {
        Ok(text) => {
            let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, content_type)], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
