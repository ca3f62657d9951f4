//! `/v1/users/{sub}`: what a user granted, an end to all of it, and another try at signing in.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use super::answer;
use super::request::{Id, InList, Json, Nothing};
use crate::app::Context;
use crate::audit::Act;
use crate::grants::administration;
use crate::idp::throttle;
use crate::store::Holder;

/// Whose failures are forgotten besides those of the account.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Forgiven {
    address: Option<IpAddr>,
}

pub(super) async fn grants(
    State(context): State<Arc<Context>>,
    Id(subject): Id,
    InList(listing): InList,
) -> Response {
    let now = context.clock.now();
    answer::list("grants", administration::grants_of(&context, Holder::User(&subject), &listing, now).await)
}

pub(super) async fn revoke(
    State(context): State<Arc<Context>>,
    Id(subject): Id,
    Json(Nothing {}): Json<Nothing>,
) -> Response {
    answer::done(administration::revoke_all_of_user(&context, &subject).await)
}

pub(super) async fn forgive(
    State(context): State<Arc<Context>>,
    Id(name): Id,
    Json(Forgiven { address }): Json<Forgiven>,
) -> Response {
    let forgiven = throttle::forgive(&context.store, &name, address).await;
    if forgiven.is_ok() {
        context.audit.write(&Act::ThrottleReset.event().subject(name.as_str()));
    }
    answer::done(forgiven)
}
