//! `/verify/…`: may this request go on to its resource server? For proxies that ask before they forward: Envoy's `ext_authz` over
//! HTTP (`/verify/envoy/…`), and what Traefik calls ForwardAuth (`/verify/forward`). The same decision as `/v1/validate`.
//!
//! Which resource server is meant is read from one place for each kind of proxy, and never from what the caller of the proxy may
//! have written beside it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::super::reply;
use crate::app::Context;
use crate::config::Resource;
use crate::grants::introspection;
use crate::oauth::bearer::{self, Refusal, Scheme};
use crate::oauth::claims::AccessClaims;
use crate::oauth::params::Params;

/// What cannot stand in a header, what would end a list, and what encodes.
const UNSAFE: &AsciiSet = &CONTROLS.add(b' ').add(b',').add(b'%');
/// What `ext_authz` puts before the path (`path_prefix`).
const ENVOY: &str = "/verify/envoy";

/// Envoy sends host and path of the request itself, the path after our prefix.
pub(super) async fn envoy(State(context): State<Arc<Context>>, request: Request) -> Response {
    let path = request.uri().path().strip_prefix(ENVOY).unwrap_or_default().to_owned();
    let host = one(request.headers(), &header::HOST).map(str::to_owned);
    let query = Params::parse(request.uri().query().unwrap_or_default().as_bytes());
    answer(&context, request.headers(), host.as_deref(), &path, &query).await
}

/// Traefik, Caddy and nginx name them in headers, and replace those that a client sends.
pub(super) async fn forward(State(context): State<Arc<Context>>, request: Request) -> Response {
    let headers = request.headers();
    let host = one(headers, &HeaderName::from_static("x-forwarded-host"));
    let uri = one(headers, &HeaderName::from_static("x-forwarded-uri"));
    // What cannot be read is not the path `/`: there may be a resource there.
    let Some(uri) = uri.and_then(|uri| uri.parse::<Uri>().ok()) else { return unknown() };
    let query = Params::parse(uri.query().unwrap_or_default().as_bytes());
    answer(&context, headers, host, uri.path(), &query).await
}

async fn answer(
    context: &Context,
    headers: &HeaderMap,
    host: Option<&str>,
    path: &str,
    query: &Params,
) -> Response {
    let Some(resource) = host.and_then(|host| context.config.resources.serving(host, path)) else {
        return unknown();
    };
    let lines: Vec<_> = headers.get_all(header::AUTHORIZATION).iter().map(HeaderValue::as_bytes).collect();
    let presented = match bearer::read(&lines, &Params::parse(b""), query) {
        Ok(presented) if presented.scheme == Scheme::Bearer => presented,
        Ok(_) => return refused(resource, Refusal::InvalidToken),
        Err(refusal) => return refused(resource, refusal),
    };
    let now = context.clock.now();
    let claims = introspection::live_for_resource(context, &presented.token, &resource.url, now).await;
    match claims {
        Ok(Some(claims)) if claims.cnf.is_none() => allowed(&claims),
        // A token that is bound to a key was shown without it: only the gateway looks at proofs.
        Ok(_) => refused(resource, Refusal::InvalidToken),
        Err(failure) => reply::failure(&failure),
    }
}

/// Nobody's, whoever asks.
fn unknown() -> Response {
    tracing::warn!(event = "verify_unknown_resource");
    StatusCode::FORBIDDEN.into_response()
}

/// Who it is, for the proxy to tell the resource server.
fn allowed(claims: &AccessClaims) -> Response {
    let mut response = StatusCode::OK.into_response();
    reply::forbid_caching(&mut response);
    let mut tell = |name: &'static str, value: String| {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    };
    tell("x-wicketgate-subject", safe(&claims.sub));
    tell("x-wicketgate-client", safe(&claims.client_id));
    tell("x-wicketgate-scope", claims.scope.to_string());
    tell("x-wicketgate-groups", list(&claims.groups));
    tell("x-wicketgate-roles", list(&claims.roles));
    tell("x-wicketgate-org", claims.org.as_deref().map(safe).unwrap_or_default());
    response
}

/// RFC 6750 section 3, with where the resource server's own metadata lies (RFC 9728 section 5.1).
fn refused(resource: &Resource, refusal: Refusal) -> Response {
    let status = match refusal {
        Refusal::InvalidRequest(_) => StatusCode::BAD_REQUEST,
        _ => StatusCode::UNAUTHORIZED,
    };
    let error = refusal.error().map(|(code, why)| format!(", error=\"{code}\", error_description=\"{why}\""));
    let scope = resource.default_scopes.to_string();
    let scope = if scope.is_empty() { scope } else { format!(", scope=\"{scope}\"") };
    let metadata = resource.metadata_url();
    let challenge = format!("Bearer resource_metadata=\"{metadata}\"{scope}{}", error.unwrap_or_default());
    let counted = refusal.error().map_or(reply::MISSING_TOKEN, |(code, _)| code);
    let mut response = reply::refusing(reply::empty(status), counted);
    if let Ok(challenge) = HeaderValue::try_from(challenge) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// The header, if it stands there once.
fn one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut lines = headers.get_all(name).iter();
    let line = lines.next()?.to_str().ok()?;
    lines.next().is_none().then_some(line)
}

fn safe(text: &str) -> String {
    utf8_percent_encode(text, UNSAFE).to_string()
}

fn list(texts: &[String]) -> String {
    texts.iter().map(|text| safe(text)).collect::<Vec<_>>().join(",")
}
