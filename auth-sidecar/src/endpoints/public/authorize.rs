//! `GET` and `POST /authorize` (RFC 6749 section 3.1): from the client's link to the first page that the user sees.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::super::caller::Caller;
use super::super::{media_type, reply};
use super::browser::{self, Browser};
use crate::app::Context;
use crate::clock::UnixTime;
use crate::error::Failure;
use crate::grants::interaction::{self, Step};
use crate::grants::{
    authorization_request as request, client_documents, clients, pushed_request, request_limit,
};
use crate::oauth::authorization_request::{self, AuthorizationRequest, ReplyTo};
use crate::oauth::client::Client;
use crate::oauth::error::ErrorCode;
use crate::oauth::metadata_document;
use crate::oauth::params::Params;
use crate::secret::Opaque;
use crate::store::records::PendingAuthorization;

pub(super) async fn get(
    State(context): State<Arc<Context>>,
    browser: Browser,
    caller: Caller,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let params = Params::parse(query.unwrap_or_default().as_bytes());
    let begun = begin(&context, &browser, &caller, params, false).await;
    begun.unwrap_or_else(|failure| failed(&context, &headers, &failure))
}

/// OpenID Connect Core 3.1.2.1.
pub(super) async fn post(
    State(context): State<Arc<Context>>,
    browser: Browser,
    caller: Caller,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    // Not `Form`: a repeated parameter is for the client to know, and what is wrong here is read by a person.
    let params = match body {
        Ok(body) if media_type::is(&headers, "application/x-www-form-urlencoded") => Params::parse(&body),
        _ => {
            let error = ErrorCode::InvalidRequest.because("The request is not a form, or is too large.");
            return browser::failure_page(&context, &error.into());
        }
    };
    let begun = begin(&context, &browser, &caller, params, true).await;
    begun.unwrap_or_else(|failure| failed(&context, &headers, &failure))
}

/// An `Err` is shown on our own page: the client, or where it may be answered, is not established then, or we cannot
/// answer at all.
async fn begin(
    context: &Context,
    browser: &Browser,
    caller: &Caller,
    params: Params,
    posted: bool,
) -> Result<Response, Failure> {
    let now = context.clock.now();
    let client_id = authorization_request::client_id(&params)?;
    let client = client(context, caller, client_id, now).await?;
    let request_uri = params.get("request_uri").filter(|uri| pushed_request::is_ours(uri));
    // Browsers leave our cookies out of posts from elsewhere, and send them with the request that follows.
    let is_asked_again = posted && browser.id.is_none();
    if is_asked_again && request_uri.is_some() {
        // Before it is used up.
        return Ok(browser::ask_again(context, "/authorize", &params));
    }
    let pushed = match request_uri {
        None => None,
        // What else the link says does not count: the client may not have written it.
        Some(uri) => {
            let gone = "This request is no longer open. Start again in your application.";
            let taken = pushed_request::take(context, client_id, uri, now).await?;
            Some(taken.ok_or_else(|| ErrorCode::InvalidRequestUri.because(gone))?)
        }
    };
    let was_pushed = pushed.is_some();
    let params = pushed.unwrap_or(params);
    let reply_to = authorization_request::reply_to(&params, &client)?;
    let admitted = match was_pushed {
        true => Ok(()),
        false => pushed_request::admit_unpushed(context, &client),
    };
    request::look_for_hints_key(context, &params, now).await?;
    match admitted.and_then(|()| request::read(context, &params, &client, &reply_to)) {
        Ok(_) if is_asked_again => Ok(browser::ask_again(context, "/authorize", &params)),
        Ok(request) => proceed(context, (browser, caller), request, &reply_to, now).await,
        Err(error) => Ok(browser::refuse(context, &reply_to, &error)),
    }
}

/// A page; but some clients try their link before they show it to a browser, and register again when they read that they must.
fn failed(context: &Context, headers: &HeaderMap, failure: &Failure) -> Response {
    match failure {
        Failure::Refused(error) if media_type::wants_json(headers) => {
            let mut body = reply::error_members(error);
            if error.code == ErrorCode::InvalidClient && context.config.registration.is_offered() {
                let endpoint = context.config.issuer.endpoint("/register");
                body.insert("registration_endpoint".into(), endpoint.into());
            }
            reply::fresh_json(StatusCode::BAD_REQUEST, &body)
        }
        failure => browser::failure_page(context, failure),
    }
}

async fn client(context: &Context, caller: &Caller, id: &str, now: UnixTime) -> Result<Client, Failure> {
    if metadata_document::is_url(id) {
        client_documents::begin(context, id, caller.network(), now).await?;
    }
    match clients::find(context, id, caller.network(), now).await {
        // Whether a place does not answer now or is none of the public internet: the request named it.
        Err(Failure::Unavailable(why)) => Err(ErrorCode::InvalidRequest.because(why).into()),
        found => found?.ok_or_else(|| {
            ErrorCode::InvalidClient
                .because("The client is not registered here: your application must register again.")
                .into()
        }),
    }
}

async fn proceed(
    context: &Context,
    (browser, caller): (&Browser, &Caller),
    request: AuthorizationRequest,
    reply_to: &ReplyTo,
    now: UnixTime,
) -> Result<Response, Failure> {
    let browser_id = Opaque::of_cookie(browser.id.as_deref())?;
    let pending = PendingAuthorization {
        request,
        browser: browser_id.digest(),
        created_at: now,
        signed_in_for_it: false,
        device: None,
        for_account: false,
    };
    let session = interaction::session(context, browser.session.as_deref(), now).await?;
    let page = match interaction::next_step(context, &pending, session, now).await? {
        Step::Grant(session) => return browser::grant(context, pending.request, &session, now).await,
        Step::Refuse(error) => return Ok(browser::refuse(context, reply_to, &error)),
        Step::Login => {
            // Nobody knows who asks.
            request_limit::count(context, pending.client_id(), caller.network(), now).await?;
            "/login"
        }
        Step::Consent(_) => "/consent",
    };
    let until = now.plus(context.config.lifetimes.pending_authorization);
    browser::wait(context, (page, &browser_id), pending, until).await
}
