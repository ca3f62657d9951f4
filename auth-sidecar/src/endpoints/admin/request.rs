//! What does an operator's request say? JSON without fields that nobody reads, an id in the path, a place in a list.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Request, State};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::super::bearer::bearer;
use super::super::body::Whole;
use super::super::{json, media_type, reply};
use super::{answer, same_machine};
use crate::app::Context;
use crate::audit::Act;
use crate::error::Failure;
use crate::grants::administration::Listing;
use crate::oauth::error::ErrorCode;
use crate::oauth::params::Params;

const MOST: usize = 100;
const USUAL: usize = 50;

/// Lets in who has the token, where one is configured, and else who comes from this machine.
pub(super) async fn admit(State(context): State<Arc<Context>>, request: Request, next: Next) -> Response {
    let scheme = if context.config.listen.admin.tls.is_some() { "https" } else { "http" };
    if context.config.admin.token.is_none()
        && let Err((status, why)) = same_machine::admit(&request, scheme)
    {
        context.audit.write(&Act::AdminRefused.event().because(why));
        return answer::refuse(
            status,
            "forbidden",
            "without admin.token this listener is for programs of this machine",
        );
    }
    let presented = match bearer(request.headers()) {
        Ok(presented) => presented,
        Err(error) => return reply::oauth_error(&error),
    };
    if context.config.admin.admits(presented) {
        return next.run(request).await;
    }
    let why = if presented.is_some() { "another token" } else { "no token" };
    context.audit.write(&Act::AdminRefused.event().because(why));
    match presented {
        Some(_) => reply::oauth_error(&ErrorCode::InvalidToken.because("the admin token is another")),
        None => reply::failure(&Failure::Unauthenticated),
    }
}

/// The body of a request that changes something or tells a secret. Only JSON: a form in an operator's browser cannot send it.
pub(super) struct Json<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let refuse = |why: String| reply::oauth_error(&ErrorCode::InvalidRequest.because(why));
        if !media_type::is(request.headers(), "application/json") {
            return Err(refuse("the content type must be application/json".into()));
        }
        let Whole(body) = Whole::from_request(request, state).await?;
        json::object(&body).map(Self).map_err(refuse)
    }
}

/// `{}`: all has been said already.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// The id in the path; one that cannot be read is nothing's.
pub(super) struct Id(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let id: Result<Path<String>, PathRejection> = Path::from_request_parts(parts, state).await;
        Ok(Self(id.map(|Path(id)| id).unwrap_or_default()))
    }
}

/// `?after=NAME&limit=N`, both optional.
pub(super) struct InList(pub(super) Listing);

impl<S: Send + Sync> FromRequestParts<S> for InList {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let refuse = || {
            reply::oauth_error(&ErrorCode::InvalidRequest.because("ask with after and limit (1 to 100) only"))
        };
        let query = parts.uri.query().unwrap_or_default().as_bytes();
        let params = Params::parse(query);
        // As it stands there: nothing is no number, and for `Params` it is not there.
        let known = url::form_urlencoded::parse(query)
            .all(|(name, value)| name == "after" || name == "limit" && !value.is_empty());
        let limit = params.get("limit").map_or(Ok(USUAL), str::parse);
        match limit {
            Ok(most @ 1..=MOST) if known && params.admit().is_ok() => {
                let after = params.get("after").unwrap_or_default().to_owned();
                Ok(Self(Listing { after, most }))
            }
            _ => Err(refuse()),
        }
    }
}
