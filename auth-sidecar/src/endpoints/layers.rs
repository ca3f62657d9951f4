//! What holds for every request? A time limit, a size limit, a log line, a count, and headers that browsers obey.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Version};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tower_http::cors::{Any, CorsLayer};
use tower_http::timeout::TimeoutLayer;

use super::reply;
use crate::app::Context;
use crate::error::Failure;
use crate::metrics::RequestLabels;

/// Registration bodies are the largest that have a reason.
const LARGEST_BODY: usize = 64 * 1024;
/// From the headers to the answer, the body included.
const LONGEST: Duration = Duration::from_secs(30);
/// The listeners on which nothing can be answered without keys.
const KEYED: [&str; 2] = ["public", "internal"];
/// What gateways poll.
const POLLED: &str = "/v1/feed";
/// How long a browser may remember a preflight.
const PREFLIGHT_AGE: Duration = Duration::from_secs(600);

#[derive(Clone)]
struct Listener {
    context: Arc<Context>,
    name: &'static str,
}

/// Wraps a listener's routes.
pub(super) fn wrap(router: Router<Arc<Context>>, context: Arc<Context>, name: &'static str) -> Router {
    let listener = Listener { context: Arc::clone(&context), name };
    router
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, LONGEST))
        .layer(from_fn(require_host))
        .layer(from_fn_with_state(listener, observe))
        .with_state(context)
}

/// Browser clients read these from any origin; no cookie takes part, so there is nothing to protect from them.
pub(super) fn cross_origin(methods: &[Method]) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods(methods.to_vec())
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::ACCEPT,
            HeaderName::from_static("dpop"),
            HeaderName::from_static("mcp-protocol-version"),
        ])
        .expose_headers([
            header::WWW_AUTHENTICATE,
            header::RETRY_AFTER,
            HeaderName::from_static("dpop-nonce"),
        ])
        .max_age(PREFLIGHT_AGE)
}

/// What names no host, or two, means different things to a proxy and to us (RFC 9112 section 3.2); hyper lets it pass.
async fn require_host(request: Request, next: Next) -> Response {
    if names_one_host(request.version(), request.headers()) {
        next.run(request).await
    } else {
        StatusCode::BAD_REQUEST.into_response()
    }
}

fn names_one_host(version: Version, headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::HOST).iter();
    match (values.next(), values.next()) {
        (None, _) => version < Version::HTTP_11,
        (Some(host), None) => host.is_empty() || is_host(host),
        (Some(_), Some(_)) => false,
    }
}

/// A host and perhaps a port; no user name.
fn is_host(value: &HeaderValue) -> bool {
    let authority = value.to_str().ok().and_then(|text| text.parse::<Authority>().ok());
    authority.is_some_and(|authority| !authority.as_str().contains('@'))
}

/// A browser that was here by https comes back by nothing else (RFC 6797). Http issuers are on loopback.
fn secure(response: &mut Response, is_https: bool) {
    let headers = response.headers_mut();
    headers.entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
    if is_https {
        let a_year = HeaderValue::from_static("max-age=31536000");
        headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(a_year);
    }
}

async fn observe(State(listener): State<Listener>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    // The pattern, not the path: queries hold codes and states, paths are anybody's invention.
    let route = request.extensions().get::<MatchedPath>().map_or("(none)", MatchedPath::as_str).to_owned();
    let started = Instant::now();
    let context = &listener.context;
    if let Err(error) = context.keys.keep_current(&context.store, context.clock.now()).await {
        tracing::error!(event = "keys_not_refreshed", %error);
    }
    let mut response = match context.keys.are_there() || !KEYED.contains(&listener.name) {
        true => next.run(request).await,
        false => reply::failure(&Failure::Unavailable("the store is away")),
    };
    secure(&mut response, context.config.issuer.is_https());
    let status = response.status().as_u16();
    if status == StatusCode::SERVICE_UNAVAILABLE.as_u16() {
        listener.context.metrics.unavailable.inc();
    }
    let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    if route == POLLED && status == 200 {
        // Each worker of each gateway asks once a second.
        tracing::debug!(event = "request", listener = listener.name, %method, route, status, micros);
    } else {
        tracing::info!(event = "request", listener = listener.name, %method, route, status, micros);
    }
    let labels = RequestLabels { listener: listener.name, route, status };
    listener.context.metrics.requests.get_or_create(&labels).inc();
    response
}
