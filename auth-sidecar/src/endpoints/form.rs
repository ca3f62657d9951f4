//! What did a form post say? Our own extractor, because refusals must be OAuth's JSON and repeated names must be refused
//! rather than resolved.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header;
use axum::response::Response;

use super::reply;
use crate::oauth::error::ErrorCode;
use crate::oauth::params::Params;

/// The body of a token, revocation or introspection request.
pub(super) struct Form(pub(super) Params);

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let refuse = |why: &'static str| reply::oauth_error(&ErrorCode::InvalidRequest.because(why));
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(refuse("the content type must be application/x-www-form-urlencoded"));
        }
        // The router's body limit applies here.
        let body = Bytes::from_request(request, state).await.map_err(|error| reply::unreadable(&error))?;
        let params = Params::parse(&body);
        match params.repeated() {
            Some(repeated) => Err(reply::oauth_error(&repeated.into())),
            None => Ok(Self(params)),
        }
    }
}
