//! The whole body of a request, as far as the router's limit lets it come.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::response::Response;

use super::reply;

/// All of it; what is too large or broke off is answered as every other refusal, in JSON.
pub(super) struct Whole(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for Whole {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        Bytes::from_request(request, state).await.map(Self).map_err(|error| reply::unreadable(&error))
    }
}
