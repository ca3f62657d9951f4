//! How does an answer look? OAuth's JSON, never cached; failures of ours are 503 and never a refusal.

use axum::Json;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::error::Failure;
use crate::oauth::error::{ErrorCode, OAuthError};

/// What requests are counted as of which there are too many, whatever their answer says.
pub(super) const TOO_MANY: &str = "too_many_requests";
/// What requests are counted as that show no token where one is due.
pub(super) const MISSING_TOKEN: &str = "missing_token";

/// What a refused request is counted as; travels with the answer to where answers are counted.
#[derive(Clone, Copy)]
pub(super) struct Refusal(pub(super) &'static str);

/// Marks an answer as a refusal.
pub(super) fn refusing(mut response: Response, error: &'static str) -> Response {
    response.extensions_mut().insert(Refusal(error));
    response
}

/// A JSON answer that may hold secrets or change at any time.
pub(super) fn fresh_json(status: StatusCode, body: &impl Serialize) -> Response {
    let mut response = (status, Json(body)).into_response();
    forbid_caching(&mut response);
    response
}

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = status.into_response();
    forbid_caching(&mut response);
    response
}

/// A public document that may be cached for a short time: long enough to spare us, short enough for new keys.
pub(super) fn public_json(document: &Value) -> Response {
    ([(header::CACHE_CONTROL, "public, max-age=300")], Json(document)).into_response()
}

/// A refusal (RFC 6749 section 5.2).
pub(super) fn oauth_error(error: &OAuthError) -> Response {
    let status = match error.code {
        ErrorCode::InvalidClient | ErrorCode::InvalidToken => StatusCode::UNAUTHORIZED,
        ErrorCode::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorCode::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    };
    let mut response = refusing(fresh_json(status, &error_members(error)), error.code.as_str());
    let challenge = match error.code {
        ErrorCode::InvalidClient => "Basic realm=\"wicketgate\"",
        ErrorCode::InvalidToken => "Bearer realm=\"wicketgate\", error=\"invalid_token\"",
        _ => return response,
    };
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    response
}

/// The body of a refusal.
pub(super) fn error_members(error: &OAuthError) -> Map<String, Value> {
    let members = [("error", error.code.as_str()), ("error_description", error.description.as_ref())];
    members.into_iter().map(|(name, text)| (name.to_owned(), text.into())).collect()
}

/// A bearer token is due and there is none: the challenge then names no error (RFC 6750 section 3.1).
fn token_missing() -> Response {
    let mut response = oauth_error(&ErrorCode::InvalidToken.because("a bearer token is needed"));
    let challenge = HeaderValue::from_static("Bearer realm=\"wicketgate\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}

/// A request that has no result.
pub(super) fn failure(failure: &Failure) -> Response {
    match failure {
        Failure::Refused(error) => oauth_error(error),
        Failure::Unauthenticated => token_missing(),
        Failure::Unavailable(why) => {
            retry_later(oauth_error(&ErrorCode::TemporarilyUnavailable.because(*why)))
        }
        Failure::TooMany => {
            let body = json!({"error": "temporarily_unavailable", "error_description": "too many requests"});
            let response = fresh_json(StatusCode::TOO_MANY_REQUESTS, &body);
            retry_later(refusing(response, TOO_MANY))
        }
        Failure::Store(error) => {
            tracing::error!(event = "store_failure", %error);
            let error = ErrorCode::TemporarilyUnavailable.because("try again later");
            retry_later(oauth_error(&error))
        }
        other => {
            tracing::error!(event = "internal_failure", error = %other);
            oauth_error(&ErrorCode::ServerError.because("the request could not be completed"))
        }
    }
}

/// A body that is too large or broke off.
pub(super) fn unreadable(error: &BytesRejection) -> Response {
    let body =
        json!({"error": "invalid_request", "error_description": "the body is too large or incomplete"});
    refusing(fresh_json(error.status(), &body), ErrorCode::InvalidRequest.as_str())
}

/// RFC 6749 section 5.1.
pub(super) fn forbid_caching(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
}

/// Says when to try again, where that may help (RFC 9110 section 10.2.3).
pub(super) fn retry_later(mut response: Response) -> Response {
    let seconds = match response.status() {
        StatusCode::TOO_MANY_REQUESTS => "60",
        StatusCode::SERVICE_UNAVAILABLE => "5",
        _ => return response,
    };
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(seconds));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreError;

    #[test]
    fn a_failing_store_is_never_a_refusal() {
        for error in [
            StoreError::Backend("disk full".into()),
            StoreError::Corrupt("record of kind g".into()),
            StoreError::Closed,
        ] {
            let response = failure(&Failure::Store(error));
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert!(response.headers().contains_key(header::RETRY_AFTER));
            assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
        }
    }

    #[test]
    fn statuses_are_those_of_the_rfc() {
        for (code, status) in [
            (ErrorCode::InvalidClient, 401),
            (ErrorCode::InvalidGrant, 400),
            (ErrorCode::InvalidTarget, 400),
            (ErrorCode::ServerError, 500),
        ] {
            let response = oauth_error(&code.because("why"));
            assert_eq!(response.status(), status);
            assert_eq!(response.headers().contains_key(header::WWW_AUTHENTICATE), status == 401);
        }
    }
}
