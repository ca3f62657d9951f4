//! What may operators ask? Whether we live, whether we can serve, for new signing keys, and for API keys.

mod api_keys;
mod health;
mod keys;
mod question;

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
        .route("/v1/api-keys", get(api_keys::list).post(api_keys::create))
        .route("/v1/api-keys/{id}", get(api_keys::show).delete(api_keys::revoke))
        .route("/v1/api-keys/{id}/rotate", post(api_keys::rotate))
        .route("/v1/keys", get(keys::list))
        .route("/v1/keys/rotate", post(keys::rotate));
    layers::wrap(routes, context, "admin")
}
