//! `GET /v1/feed?since=N&epoch=E`: what was revoked since, signed.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::super::reply;
use crate::app::Context;
use crate::grants::revocation_feed;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::params::Params;
use crate::store::feed::Place;

pub(super) async fn get(State(context): State<Arc<Context>>, RawQuery(query): RawQuery) -> Response {
    let params = Params::parse(query.unwrap_or_default().as_bytes());
    let after = match place(&params) {
        Ok(after) => after,
        Err(error) => return reply::oauth_error(&error),
    };
    match revocation_feed::since(&context, after, context.clock.now()).await {
        Ok(feed) => {
            let headers = [(header::CONTENT_TYPE, "application/jwt"), (header::CACHE_CONTROL, "no-store")];
            (StatusCode::OK, headers, feed).into_response()
        }
        Err(failure) => reply::failure(&failure),
    }
}

/// Both or neither; `since=0` alone asks for everything.
fn place(params: &Params) -> Result<Option<Place>, OAuthError> {
    let refuse =
        || ErrorCode::InvalidRequest.because("since is a number, and comes with the epoch that it counts in");
    params.admit()?;
    let since = params.get("since").map(|since| since.parse::<u64>().map_err(|_| refuse())).transpose()?;
    match (since, params.get("epoch")) {
        (Some(seq), Some(epoch)) => Ok(Some(Place { epoch: epoch.to_owned(), seq })),
        (None | Some(0), None) => Ok(None),
        _ => Err(refuse()),
    }
}
