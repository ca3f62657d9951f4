//! What may the gateway ask? Described for others by `openapi/internal-v1.yaml`; a test compares the two.

mod credential;
mod feed;
mod issuer_jwks;
mod jwks;
mod leases;
mod validate;
mod verify;

use std::sync::Arc;

use axum::Router;
use axum::routing::{any, get, post};

use super::layers;
use crate::app::Context;

/// The routes of the internal listener.
pub(crate) fn router(context: Arc<Context>) -> Router {
    let routes = Router::new()
        .route("/v1/exchange", post(credential::exchange))
        .route("/v1/feed", get(feed::get))
        .route("/v1/identity", post(credential::identity))
        .route("/v1/issuers/{id}/jwks", get(issuer_jwks::get))
        .route("/v1/jwks", get(jwks::get))
        .route("/v1/leases", post(leases::post))
        .route("/v1/validate", post(validate::post))
        .route("/verify/envoy/", any(verify::envoy))
        .route("/verify/envoy/{*path}", any(verify::envoy))
        .route("/verify/forward", any(verify::forward));
    layers::wrap(routes, context, "internal")
}
