//! `GET /assets/style.css`: the one file that the pages load. The operator's style sheet stands behind ours.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::app::Context;
use crate::pages;

pub(super) async fn style(State(context): State<Arc<Context>>) -> Response {
    let headers =
        [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=3600")];
    (headers, format!("{}{}", pages::STYLE, context.config.pages.style)).into_response()
}
