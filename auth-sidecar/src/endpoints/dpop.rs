//! What does a request's `DPoP` header hold, and what must the answer's say?

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;

use crate::app::Context;
use crate::grants::dpop;

/// All `DPoP` headers.
pub(super) fn headers(headers: &HeaderMap) -> Vec<&[u8]> {
    headers.get_all("dpop").iter().map(HeaderValue::as_bytes).collect()
}

/// Adds the nonce that the next proof must hold (RFC 9449 section 8.2), where proofs need one.
pub(super) fn with_nonce(mut response: Response, context: &Context) -> Response {
    let nonce =
        dpop::nonce(context, context.clock.now()).and_then(|nonce| HeaderValue::from_str(&nonce).ok());
    if let Some(nonce) = nonce {
        response.headers_mut().insert(HeaderName::from_static("dpop-nonce"), nonce);
    }
    response
}
