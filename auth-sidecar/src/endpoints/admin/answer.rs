//! How are operators answered? In JSON, never cached; refusals name what is wrong.

use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::json;

use super::super::reply;
use crate::grants::administration::Refusal;
use crate::store::Part;

/// A thing, or why it cannot be had.
pub(super) fn json(status: StatusCode, result: Result<impl Serialize, Refusal>) -> Response {
    match result {
        Ok(answer) => reply::fresh_json(status, &answer),
        Err(refusal) => refused(&refusal),
    }
}

/// A part of a list under its name, and where the rest begins.
pub(super) fn list<T: Serialize>(name: &str, result: Result<Part<T>, impl Into<Refusal>>) -> Response {
    let answer = result.map(|Part { entries, next }| match next {
        Some(next) => json!({ name: entries, "next": next }),
        None => json!({ name: entries }),
    });
    json(StatusCode::OK, answer.map_err(Into::into))
}

/// Done, and nothing to say.
pub(super) fn done(result: Result<(), impl Into<Refusal>>) -> Response {
    match result {
        Ok(()) => reply::empty(StatusCode::NO_CONTENT),
        Err(refusal) => refused(&refusal.into()),
    }
}

fn refused(refusal: &Refusal) -> Response {
    let (status, error, why) = match refusal {
        Refusal::NotFound(why) => (StatusCode::NOT_FOUND, "not_found", why),
        Refusal::Conflict(why) => (StatusCode::CONFLICT, "conflict", why),
        Refusal::Failed(failure) => return reply::failure(failure),
    };
    refuse(status, error, why)
}

/// A refusal in words of ours.
pub(super) fn refuse(status: StatusCode, error: &str, why: &str) -> Response {
    reply::fresh_json(status, &json!({"error": error, "error_description": why}))
}
