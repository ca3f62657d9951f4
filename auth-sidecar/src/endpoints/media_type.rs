//! Is the body what it must be? Media types are compared without parameters and case (RFC 9110 section 8.3.1).

use axum::http::{HeaderMap, header};

/// Whether the request has exactly one content type, and it is `wanted`.
pub(super) fn is(headers: &HeaderMap, wanted: &str) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(wanted)
}
