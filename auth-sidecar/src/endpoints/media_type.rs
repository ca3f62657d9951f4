//! Is the body what it must be, and what is wanted in return? Media types are compared without parameters and case (RFC 9110
//! section 8.3.1).

use axum::http::{HeaderMap, header};

/// Whether the request has exactly one content type, and it is `wanted`.
pub(super) fn is(headers: &HeaderMap, wanted: &str) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    essence(value.to_str().unwrap_or_default()).eq_ignore_ascii_case(wanted)
}

/// Whether a program asks that reads JSON, and no browser (RFC 9110 section 12.5.1).
pub(super) fn wants_json(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let wanted: Vec<&str> = lines.flat_map(|line| line.split(',')).map(essence).collect();
    let has = |media_type: &str| wanted.iter().any(|one| one.eq_ignore_ascii_case(media_type));
    has("application/json") && !has("text/html")
}

fn essence(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}
