//! `GET /v1/store/export`: all that the store keeps, page by page, while we run.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::answer;
use crate::app::Context;
use crate::grants::administration::Refusal;
use crate::oauth::params::Params;

pub(super) async fn export(State(context): State<Arc<Context>>, RawQuery(query): RawQuery) -> Response {
    let params = Params::parse(query.unwrap_or_default().as_bytes());
    let page = context.store.export(params.get("place"), context.clock.now()).await;
    let told = page.map(|page| json!({"items": page.items, "next": page.next}));
    answer::json(StatusCode::OK, told.map_err(Refusal::from))
}
