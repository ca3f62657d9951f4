//! `GET` of the two metadata documents and of `/jwks`. Never limited per caller: a client that is refused here gives up
//! or takes us for something older.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::super::reply;
use crate::app::Context;
use crate::oauth::metadata as documents;

pub(super) async fn authorization_server(State(context): State<Arc<Context>>) -> Response {
    reply::public_json(&documents::authorization_server(&context.config))
}

pub(super) async fn openid_configuration(State(context): State<Arc<Context>>) -> Response {
    reply::public_json(&documents::openid_configuration(&context.config))
}

pub(super) async fn jwks(State(context): State<Arc<Context>>) -> Response {
    reply::public_json(&context.keys.jwks())
}
