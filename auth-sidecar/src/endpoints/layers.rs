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
use tracing::Instrument as _;

use super::caller::Caller;
use super::patience;
use super::reply::{self, Refusal};
use crate::app::Context;
use crate::audit::Origin;
use crate::error::Failure;
use crate::metrics::{RefusalLabels, RequestLabels};
use crate::secret::random_text;
use crate::telemetry::spans;

/// Registration bodies are the largest that have a reason.
const LARGEST_BODY: usize = 64 * 1024;
/// The listeners on which nothing can be answered without keys.
const KEYED: [&str; 2] = ["public", "internal"];
/// What gateways poll.
const POLLED: &str = "/v1/feed";
/// A UUID has 36 characters.
const LONGEST_REQUEST_ID: usize = 64;
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
        .layer(from_fn(patience::in_time))
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
    context.keep_keys_current().await;
    let origin = origin(context, &request);
    let request_id = origin.request_id.clone();
    let believed = (context.config.trusted_hops > 0).then_some(request.headers());
    let span = spans::request(&method, &route, listener.name, believed);
    let mut response = match context.keys.are_there() || !KEYED.contains(&listener.name) {
        true => origin.during(next.run(request)).instrument(span.clone()).await,
        false => reply::failure(&Failure::Unavailable("the store is away")),
    };
    secure(&mut response, context.config.issuer.is_https());
    let status = response.status().as_u16();
    spans::answered(&span, status, request_id.as_deref());
    if status == StatusCode::SERVICE_UNAVAILABLE.as_u16() {
        listener.context.metrics.unavailable.inc();
    }
    let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    if route == POLLED && status == 200 {
        // Each worker of each gateway asks once a second.
        tracing::debug!(event = "request", listener = listener.name, %method, route, status, micros, request_id);
    } else {
        tracing::info!(event = "request", listener = listener.name, %method, route, status, micros, request_id);
    }
    if let Some(Refusal(error)) = response.extensions().get() {
        context.metrics.refusals.get_or_create(&RefusalLabels { route: route.clone(), error }).inc();
    }
    let labels = RequestLabels { listener: listener.name, route, status };
    listener.context.metrics.requests.get_or_create(&labels).inc();
    response
}

/// Who asks, and what the request is called: as the proxy in front calls it, where there is one that we believe.
fn origin(context: &Context, request: &Request) -> Origin {
    let hops = context.config.trusted_hops;
    let caller = Caller::of(request.extensions(), request.headers(), hops);
    let named = request.headers().get("x-request-id").and_then(|value| value.to_str().ok());
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let named = named
        .filter(|id| hops > 0 && (1..=LONGEST_REQUEST_ID).contains(&id.len()) && id.bytes().all(is_plain));
    let request_id = named.map(ToOwned::to_owned).or_else(|| random_text::<12>().ok());
    Origin { address: Some(caller.0.to_canonical()), request_id }
}
