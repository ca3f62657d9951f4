//! What did a form post say? Our own extractor, because refusals must be OAuth's JSON and repeated names must be refused
//! rather than resolved.

use axum::extract::{FromRequest, Request};
use axum::response::Response;

use super::body::Whole;
use super::{media_type, reply};
use crate::oauth::error::ErrorCode;
use crate::oauth::params::Params;

/// The body of a token, revocation or introspection request.
pub(super) struct Form(pub(super) Params);

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let refuse = |why: &'static str| reply::oauth_error(&ErrorCode::InvalidRequest.because(why));
        if !media_type::is(request.headers(), "application/x-www-form-urlencoded") {
            return Err(refuse("the content type must be application/x-www-form-urlencoded"));
        }
        // The router's body limit applies here.
        let Whole(body) = Whole::from_request(request, state).await?;
        let params = Params::parse(&body);
        params.admit().map_err(|error| reply::oauth_error(&error))?;
        Ok(Self(params))
    }
}
