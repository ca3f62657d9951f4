//! `POST /v1/validate`: is this access token alive, and meant for this resource server?

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::super::body::Whole;
use super::super::{json, reply};
use crate::app::Context;
use crate::grants::introspection;
use crate::oauth::error::ErrorCode;

/// The question. It holds a token, so it has no `Debug`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    token: String,
    resource: String,
}

pub(super) async fn post(State(context): State<Arc<Context>>, Whole(body): Whole) -> Response {
    let Ok(question) = json::object::<Question>(&body) else {
        return reply::oauth_error(&ErrorCode::InvalidRequest.because("the body must be {token, resource}"));
    };
    let now = context.clock.now();
    match introspection::for_resource(&context, &question.token, &question.resource, now).await {
        Ok(answer) => reply::fresh_json(StatusCode::OK, &answer),
        Err(failure) => reply::failure(&failure),
    }
}
