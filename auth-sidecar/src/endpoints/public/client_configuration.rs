//! `GET`, `PUT` and `DELETE` of `/register/{client_id}`: a client and its own registration (RFC 7592).

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::super::bearer::bearer;
use super::super::body::Whole;
use super::super::reply;
use super::register::admit_json;
use crate::app::Context;
use crate::error::Failure;
use crate::grants::{client_configuration, registration};

/// The id in the path; one that cannot be read is no client's.
type ClientId = Result<Path<String>, PathRejection>;

pub(super) async fn get(State(context): State<Arc<Context>>, id: ClientId, headers: HeaderMap) -> Response {
    let now = context.clock.now();
    let read = async { client_configuration::read(&context, &named(id), bearer(&headers)?, now).await };
    match read.await {
        Ok(answer) => reply::fresh_json(StatusCode::OK, &answer),
        Err(failure) => refused(&context, &failure),
    }
}

pub(super) async fn put(
    State(context): State<Arc<Context>>,
    id: ClientId,
    headers: HeaderMap,
    Whole(body): Whole,
) -> Response {
    let now = context.clock.now();
    let replace = async {
        let body = admit_json(&headers).map(|()| body.as_ref());
        client_configuration::replace(&context, &named(id), bearer(&headers)?, body, now).await
    };
    match replace.await {
        Ok(answer) => reply::fresh_json(StatusCode::OK, &answer),
        Err(failure) => refused(&context, &failure),
    }
}

pub(super) async fn delete(
    State(context): State<Arc<Context>>,
    id: ClientId,
    headers: HeaderMap,
) -> Response {
    let now = context.clock.now();
    let remove = async { client_configuration::remove(&context, &named(id), bearer(&headers)?, now).await };
    match remove.await {
        Ok(()) => reply::empty(StatusCode::NO_CONTENT),
        Err(failure) => refused(&context, &failure),
    }
}

fn refused(context: &Context, failure: &Failure) -> Response {
    registration::note_refusal(context, failure);
    reply::failure(failure)
}

fn named(id: ClientId) -> String {
    id.map(|Path(id)| id).unwrap_or_default()
}
