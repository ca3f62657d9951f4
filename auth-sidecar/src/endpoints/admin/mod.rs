//! What may operators ask? Whether we live and can serve, and, with the token where there is one, what `openapi/admin-v1.yaml`
//! describes; a test compares the two.

mod answer;
mod api_keys;
mod clients;
mod health;
mod keys;
mod request;
mod same_machine;
mod status;
mod store;
mod tokens;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::http::header;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};

use super::layers;
use crate::app::Context;

/// The description of the API.
const OPENAPI: &str = include_str!("../../../openapi/admin-v1.yaml");

/// The routes of the admin listener.
pub(crate) fn router(context: Arc<Context>) -> Router {
    let api = Router::new()
        .route("/status", get(status::get))
        .route("/v1/api-keys", get(api_keys::list).post(api_keys::create))
        .route("/v1/api-keys/{key_id}", get(api_keys::show).delete(api_keys::revoke))
        .route("/v1/api-keys/{key_id}/rotate", post(api_keys::rotate))
        .route("/v1/clients", get(clients::list).post(clients::create))
        .route("/v1/clients/{client_id}", get(clients::show).delete(clients::delete))
        .route("/v1/clients/{client_id}/grants", get(clients::grants))
        .route("/v1/clients/{client_id}/revoke", post(clients::revoke))
        .route("/v1/clients/{client_id}/secret", post(clients::rotate_secret))
        .route("/v1/grants/{grant_id}", get(tokens::grant).delete(tokens::revoke))
        .route("/v1/keys", get(keys::list))
        .route("/v1/keys/rotate", post(keys::rotate))
        .route("/v1/openapi.yaml", get(openapi))
        .route("/v1/store/export", get(store::export))
        .route("/v1/tokens/inspect", post(tokens::inspect))
        .route("/v1/users/{sub}/grants", get(users::grants))
        .route("/v1/users/{sub}/reset-throttle", post(users::forgive))
        .route("/v1/users/{sub}/revoke", post(users::revoke))
        .route_layer(from_fn_with_state(Arc::clone(&context), request::admit));
    let routes = Router::new()
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/healthz", get(health::live))
        .route("/health", get(health::ready))
        .merge(api);
    layers::wrap(routes, context, "admin")
}

async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/yaml")], OPENAPI).into_response()
}
