//! What does a trace show? The request, the commands that it gives the store, and what is fetched elsewhere for it. Routes and
//! hosts, never paths, queries, keys or bodies.

use axum::http::{HeaderMap, Method};
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use url::Url;

/// The `target` of spans: what else libraries trace stays here.
pub(crate) const TRACED: &str = "traced";

/// A request. Its trace is the proxy's (W3C `traceparent`) where `headers` are those of one that we believe.
pub(crate) fn request(method: &Method, route: &str, listener: &str, headers: Option<&HeaderMap>) -> Span {
    let method = known(method);
    let span = tracing::info_span!(
        target: TRACED,
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        wicketgate.listener = listener,
        wicketgate.request_id = Empty,
        otel.status_code = Empty,
    );
    if let Some(headers) = headers.filter(|_| !span.is_disabled()) {
        let parent = TraceContextPropagator::new().extract(&HeaderExtractor(headers));
        // Without a collector there is nothing to belong to.
        drop(span.set_parent(parent));
    }
    span
}

/// The answer to a request.
pub(crate) fn answered(span: &Span, status: u16, request_id: Option<&str>) {
    span.record("http.response.status_code", status);
    span.record("wicketgate.request_id", request_id);
    if status >= 500 {
        span.record("otel.status_code", "ERROR");
    }
}

/// A command to the store.
pub(crate) fn store(operation: &'static str) -> Span {
    tracing::info_span!(
        target: TRACED,
        "store",
        otel.name = format!("store {operation}"),
        otel.kind = "client",
        db.operation.name = operation,
    )
}

/// Something that is fetched elsewhere.
pub(crate) fn fetch(method: &'static str, url: &Url) -> Span {
    tracing::info_span!(
        target: TRACED,
        "fetch",
        otel.name = method,
        otel.kind = "client",
        http.request.method = method,
        server.address = url.host_str(),
    )
}

/// The verb, where it is one: else it may be anybody's text.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        _ => "_OTHER",
    }
}
