//! What may operators ask? Whether we live, whether we can serve, and for new signing keys.

mod health;
mod keys;
mod status;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use super::layers;
use crate::app::Context;

/// The routes of the admin listener.
pub(crate) fn router(context: Arc<Context>) -> Router {
    let routes = Router::new()
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/healthz", get(health::live))
        .route("/health", get(health::ready))
        .route("/status", get(status::get))
        .route("/v1/keys", get(keys::list))
        .route("/v1/keys/rotate", post(keys::rotate));
    layers::wrap(routes, context, "admin")
}
