//! `GET /assets/style.css`: the one file that the pages load.

use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::pages;

pub(super) async fn style() -> Response {
    let headers =
        [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=3600")];
    (headers, pages::STYLE).into_response()
}
