//! What does a browser send with every page of ours, and how is it sent on?

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::convert::Infallible;

use super::super::caller::Caller;
use super::super::cookies::Cookie;
use super::super::reply;
use crate::app::Context;
use crate::clock::UnixTime;
use crate::error::Failure;
use crate::grants::authorization_code;
use crate::oauth::authorization_request::{AuthorizationRequest, ReplyTo};
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::params::Params;
use crate::oauth::redirect_uri;
use crate::pages;
use crate::secret::{Digest, Opaque};
use crate::store::records::{PendingAuthorization, Session};

/// With its headers a request of a browser has to be shorter than what the listeners take (`server.rs`).
const LONGEST_LINK: usize = 16 * 1024;

/// The browser behind a request.
pub(super) struct Browser {
    /// The cookie that names it; none on its first visit.
    pub(super) id: Option<String>,
    /// The cookie that names its sign-in.
    pub(super) session: Option<String>,
    /// The cookie of its sign-ins at providers.
    pub(super) upstream: Option<String>,
    /// The network that it asks from, as limits count it.
    pub(super) network: IpAddr,
    /// Whether a post comes from a page of ours, as far as the browser says.
    pub(super) same_origin: bool,
}

impl FromRequestParts<Arc<Context>> for Browser {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, context: &Arc<Context>) -> Result<Self, Infallible> {
        let issuer = &context.config.issuer;
        Ok(Self {
            id: Cookie::Browser.read(issuer, &parts.headers),
            session: Cookie::Session.read(issuer, &parts.headers),
            upstream: Cookie::Upstream.read(issuer, &parts.headers),
            network: Caller::of(&parts.extensions, &parts.headers, context.config.trusted_hops).network(),
            same_origin: is_same_origin(&parts.headers, issuer.origin()),
        })
    }
}

// === impl Browser ===

impl Browser {
    /// The waiting request of this handle, if this very browser brought it: nobody can be made to answer a request
    /// that somebody else started, and no form works in another browser.
    pub(super) async fn pending(
        &self,
        context: &Context,
        handle: &str,
        now: UnixTime,
    ) -> Result<Option<PendingAuthorization>, Failure> {
        let Some(browser) = self.id.as_deref().map(Digest::of) else { return Ok(None) };
        let pending = context.store.pending(Digest::of(handle), now).await?;
        Ok(pending.filter(|pending| pending.browser.matches(&browser)))
    }

    /// The answer to a form of ours; one that was sent from a page that is not ours is not looked at.
    pub(super) async fn own_form(
        &self,
        context: &Context,
        answer: impl Future<Output = Result<Response, Failure>>,
    ) -> Response {
        if !self.same_origin {
            let said = "This form was not sent from our own page.";
            return pages::error(context, StatusCode::FORBIDDEN, said);
        }
        answer.await.unwrap_or_else(|failure| failure_page(context, &failure))
    }

    /// What a form about `subject` must send back: it belongs to the sign-in that saw it.
    pub(super) fn form_binding(&self, subject: &str) -> String {
        let session = self.session.as_deref().unwrap_or_default();
        Digest::of(&format!("form about {subject} {session}")).encoded()
    }

    /// Whether a form about `subject` was shown to this very sign-in, and not to one that another tab has made since.
    pub(super) fn has_seen_form(&self, params: &Params, subject: &str) -> bool {
        let binding = self.form_binding(subject);
        params.get("binding").is_some_and(|sent| Digest::of(sent).matches(&Digest::of(&binding)))
    }
}

/// Older browsers send neither header; the hidden handle and the cookie then decide alone.
fn is_same_origin(headers: &HeaderMap, origin: &str) -> bool {
    let allowed = |name: &str, values: &[&str]| {
        headers.get_all(name).iter().all(|value| values.iter().any(|allowed| value == allowed))
    };
    allowed("origin", &[origin]) && allowed("sec-fetch-site", &["same-origin", "none"])
}

/// Sends the browser to a page of ours about a waiting request; by path alone, since the origin is the one it already uses.
pub(super) fn to_page(context: &Context, page: &str, handle: &str) -> Response {
    see_other(&format!("{}{page}?request={handle}", context.config.issuer.path()))
}

/// Sends the browser to its user's account.
pub(super) fn to_account(context: &Context) -> Response {
    see_other(&format!("{}/account", context.config.issuer.path()))
}

/// Keeps a request until its user has answered, and sends the browser, under its cookie from now on, to the page that asks.
pub(super) async fn wait(
    context: &Context,
    (page, browser): (&str, &Opaque),
    pending: PendingAuthorization,
    until: UnixTime,
) -> Result<Response, Failure> {
    let handle = Opaque::handle()?;
    context.store.put_pending(handle.digest(), pending, until).await?;
    let response = to_page(context, page, handle.expose());
    Ok(with_cookie(response, context, Cookie::Browser, browser.expose()))
}

/// Sends a browser that posted its request to the same request as a link to this page of ours.
pub(super) fn ask_again(context: &Context, page: &str, params: &Params) -> Response {
    let pairs: Vec<(&str, &str)> =
        params.pairs().iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let path = format!("{}{page}", context.config.issuer.path());
    let link = redirect_uri::with_params(&path, &pairs);
    if link.len() > LONGEST_LINK {
        let message = "The request is too long for a link. The client should push it first (RFC 9126).";
        return pages::error(context, StatusCode::PAYLOAD_TOO_LARGE, message);
    }
    see_other(&link)
}

/// Tells a user who has decided about a device. `None`: it was too late.
pub(super) fn device_decided(context: &Context, approved: Option<bool>) -> Response {
    let (status, heading, message) = match approved {
        Some(true) => {
            (StatusCode::OK, "Device connected", "You can close this page and go on at your device.")
        }
        Some(false) => {
            (StatusCode::OK, "Access denied", "The device gets no access. You can close this page.")
        }
        None => {
            (StatusCode::BAD_REQUEST, "Too late", "This code is no longer valid. Start again at your device.")
        }
    };
    pages::done(context, status, heading, message)
}

/// Sends the browser back to the client with a code (RFC 6749 section 4.1.2, RFC 9207), or with word that there were too many.
pub(super) async fn grant(
    context: &Context,
    request: AuthorizationRequest,
    session: &Session,
    now: UnixTime,
) -> Result<Response, Failure> {
    let reply_to = ReplyTo { redirect_uri: request.redirect_uri.clone(), state: request.state.clone() };
    match authorization_code::issue(context, request, session, now).await {
        Ok(code) => Ok(answer(context, &reply_to, &[("code", code.expose())])),
        // The client is known, and made to wait rather than its user.
        Err(Failure::TooMany) => Ok(refuse(context, &reply_to, &too_much_granted())),
        Err(failure) => Err(failure),
    }
}

fn too_much_granted() -> OAuthError {
    ErrorCode::TemporarilyUnavailable
        .because("this user has granted too much within an hour; try again later")
}

/// Sends the browser back to the client with a refusal.
pub(super) fn refuse(context: &Context, reply_to: &ReplyTo, error: &OAuthError) -> Response {
    let params = [("error", error.code.as_str()), ("error_description", error.description.as_ref())];
    reply::refusing(answer(context, reply_to, &params), error.code.as_str())
}

/// A failure before or after the client can be told: our own page.
pub(super) fn failure_page(context: &Context, failure: &Failure) -> Response {
    let status = match failure {
        Failure::Refused(_) => StatusCode::BAD_REQUEST,
        Failure::TooMany => StatusCode::TOO_MANY_REQUESTS,
        Failure::Store(_) | Failure::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    if status.is_server_error() {
        tracing::error!(event = "page_failure", error = %failure);
    }
    let unavailable = ErrorCode::TemporarilyUnavailable.as_str();
    let (text, counted) = match failure {
        Failure::Refused(error) => (error.description.clone(), error.code.as_str()),
        Failure::TooMany => ("Too many attempts. Try again later.".into(), reply::TOO_MANY),
        _ => ("This service cannot answer at the moment. Try again later.".into(), unavailable),
    };
    reply::retry_later(reply::refusing(pages::error(context, status, &text), counted))
}

/// The handle is unknown, has expired, was used, or belongs to another browser.
pub(super) fn unknown_request(context: &Context) -> Response {
    let error = ErrorCode::InvalidRequest.because(
        "This sign-in is no longer open, or was started in another browser. Start again in your application.",
    );
    failure_page(context, &Failure::Refused(error))
}

/// Adds a cookie to an answer.
pub(super) fn with_cookie(
    mut response: Response,
    context: &Context,
    cookie: Cookie,
    value: &str,
) -> Response {
    if let Some(line) = cookie.set(&context.config.issuer, value) {
        response.headers_mut().append(header::SET_COOKIE, line);
    }
    response
}

/// Takes all cookies of ours from a browser.
pub(super) fn without_cookies(mut response: Response, context: &Context) -> Response {
    for cookie in Cookie::ALL {
        if let Some(line) = cookie.clear(&context.config.issuer) {
            response.headers_mut().append(header::SET_COOKIE, line);
        }
    }
    response
}

fn answer(context: &Context, reply_to: &ReplyTo, params: &[(&str, &str)]) -> Response {
    let mut params = params.to_vec();
    if let Some(state) = &reply_to.state {
        params.push(("state", state));
    }
    params.push(("iss", context.config.issuer.as_str()));
    see_other(&redirect_uri::with_params(&reply_to.redirect_uri, &params))
}

/// 303: a post becomes a get, so that no browser sends a password on (RFC 9700 section 4.12).
pub(super) fn see_other(location: &str) -> Response {
    let Ok(location) = HeaderValue::from_str(location) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response();
    reply::forbid_caching(&mut response);
    response
}
