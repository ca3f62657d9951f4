//! What does an operator ask for? JSON of a known shape, said to be JSON: that also keeps the forms of other pages in an operator's
//! browser away, since only what asks first may send it.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::de::DeserializeOwned;

use super::super::{media_type, reply};
use crate::oauth::error::ErrorCode;

/// Reads it; what is wrong with it is told by its place.
pub(super) fn read<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<T, Box<Response>> {
    let body = body.map_err(|error| Box::new(reply::unreadable(&error)))?;
    let refused = |why: String| Box::new(reply::oauth_error(&ErrorCode::InvalidRequest.because(why)));
    if !media_type::is(headers, "application/json") {
        return Err(refused("the body must be JSON (Content-Type: application/json)".into()));
    }
    let mut reader = serde_json::Deserializer::from_slice(&body);
    let read = serde_path_to_error::deserialize(&mut reader);
    let read = read.map_err(|error| refused(format!("{}: {}", error.path(), error.inner())))?;
    reader.end().map_err(|error| refused(error.to_string()))?;
    Ok(read)
}
