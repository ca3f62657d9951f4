//! What may operators ask? Whether we live, and whether we can serve.

mod health;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use super::layers;
use crate::app::Context;

/// The routes of the admin listener.
pub(crate) fn router(context: Arc<Context>) -> Router {
    let routes = Router::new()
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/healthz", get(health::live))
        .route("/health", get(health::ready));
    layers::wrap(routes, context, "admin")
}
