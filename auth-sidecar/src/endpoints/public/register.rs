//! `POST /register`: dynamic client registration (RFC 7591).

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Map, Value};

use super::super::bearer::bearer;
use super::super::body::Whole;
use super::super::caller::Caller;
use super::super::{media_type, reply};
use crate::app::Context;
use crate::error::Failure;
use crate::grants::registration;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::registration as metadata;

pub(super) async fn post(
    State(context): State<Arc<Context>>,
    caller: Caller,
    headers: HeaderMap,
    Whole(body): Whole,
) -> Response {
    match register(&context, &caller, &headers, &body).await {
        Ok(response) => reply::fresh_json(StatusCode::CREATED, &response),
        Err(failure) => {
            registration::note_refusal(&context, &failure);
            reply::failure(&failure)
        }
    }
}

/// Client metadata comes as JSON (RFC 7591 section 3.1).
pub(super) fn admit_json(headers: &HeaderMap) -> Result<(), OAuthError> {
    if media_type::is(headers, "application/json") {
        Ok(())
    } else {
        Err(ErrorCode::InvalidClientMetadata.because("the content type must be application/json"))
    }
}

async fn register(
    context: &Context,
    caller: &Caller,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Map<String, Value>, Failure> {
    let admitted = registration::admit(context, bearer(headers)?)?;
    admit_json(headers)?;
    let asked = metadata::object(body)?;
    registration::register(context, admitted, asked, caller.network(), context.clock.now()).await
}
