//! `POST /register`: dynamic client registration (RFC 7591).

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use serde_json::{Map, Value};

use super::super::caller::Caller;
use super::super::reply;
use crate::app::Context;
use crate::error::Failure;
use crate::grants::clients;
use crate::oauth::error::ErrorCode;
use crate::oauth::registration;

const WINDOW: Duration = Duration::from_secs(60 * 60);

pub(super) async fn post(
    State(context): State<Arc<Context>>,
    caller: Caller,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(error) => return reply::unreadable(&error),
    };
    match register(&context, &caller, &headers, &body).await {
        Ok(response) => reply::fresh_json(StatusCode::CREATED, &response),
        Err(failure) => reply::failure(&failure),
    }
}

async fn register(
    context: &Context,
    caller: &Caller,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Map<String, Value>, Failure> {
    let content_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(ErrorCode::InvalidClientMetadata
            .because("the content type must be application/json")
            .into());
    }
    let policy = &context.config.registration;
    let registration = registration::read(body, policy.private_use_schemes)?;
    let now = context.clock.now();
    let counter = format!("registration {}", caller.0);
    if context.store.count(&counter, now.plus(WINDOW), now).await? > policy.per_address_per_hour {
        return Err(Failure::TooMany);
    }
    clients::register(context, registration, now).await
}
