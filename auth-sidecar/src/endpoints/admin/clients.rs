//! `/v1/clients`: which there are; new ones, other secrets, and an end.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::answer;
use super::request::{Id, InList, Json, Nothing};
use crate::app::Context;
use crate::grants::administration;
use crate::oauth::registration::Unique;
use crate::store::Holder;

pub(super) async fn list(State(context): State<Arc<Context>>, InList(listing): InList) -> Response {
    answer::list("clients", administration::list(&context, &listing, context.clock.now()).await)
}

pub(super) async fn create(
    State(context): State<Arc<Context>>,
    Json(Unique(asked)): Json<Unique>,
) -> Response {
    answer::json(StatusCode::CREATED, administration::create(&context, asked, context.clock.now()).await)
}

pub(super) async fn show(State(context): State<Arc<Context>>, Id(id): Id) -> Response {
    answer::json(StatusCode::OK, administration::show(&context, &id, context.clock.now()).await)
}

pub(super) async fn delete(State(context): State<Arc<Context>>, Id(id): Id) -> Response {
    answer::done(administration::delete(&context, &id, context.clock.now()).await)
}

pub(super) async fn rotate_secret(
    State(context): State<Arc<Context>>,
    Id(id): Id,
    Json(Nothing {}): Json<Nothing>,
) -> Response {
    answer::json(StatusCode::OK, administration::rotate_secret(&context, &id, context.clock.now()).await)
}

pub(super) async fn grants(
    State(context): State<Arc<Context>>,
    Id(id): Id,
    InList(listing): InList,
) -> Response {
    let now = context.clock.now();
    answer::list("grants", administration::grants_of(&context, Holder::Client(&id), &listing, now).await)
}

pub(super) async fn revoke(
    State(context): State<Arc<Context>>,
    Id(id): Id,
    Json(Nothing {}): Json<Nothing>,
) -> Response {
    answer::done(administration::revoke_all_of_client(&context, &id).await)
}
