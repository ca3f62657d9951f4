//! `GET` and `POST /consent`: the user sees who asks for what, and decides.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::super::form::Form;
use super::browser::{self, Browser};
use crate::app::Context;
use crate::audit::Act;
use crate::clock::UnixTime;
use crate::error::Failure;
use crate::grants::clients;
use crate::grants::device_code::{self, Decision};
use crate::grants::interaction::{self, Step};
use crate::oauth::authorization_request::{AuthorizationRequest, ReplyTo};
use crate::oauth::client::Client;
use crate::oauth::error::ErrorCode;
use crate::oauth::metadata_document;
use crate::oauth::params::Params;
use crate::oauth::redirect_uri;
use crate::pages::{self, ConsentPage, OnBehalfOf};
use crate::secret::Digest;
use crate::store::records::{Asker, PendingAuthorization, Session};

pub(super) async fn get(
    State(context): State<Arc<Context>>,
    browser: Browser,
    RawQuery(query): RawQuery,
) -> Response {
    let params = Params::parse(query.unwrap_or_default().as_bytes());
    let handle = params.get("request").unwrap_or_default();
    let shown = show(&context, &browser, handle).await;
    shown.unwrap_or_else(|failure| browser::failure_page(&context, &failure))
}

pub(super) async fn post(
    State(context): State<Arc<Context>>,
    browser: Browser,
    Form(params): Form,
) -> Response {
    browser.own_form(&context, decide(&context, &browser, &params)).await
}

async fn show(context: &Context, browser: &Browser, handle: &str) -> Result<Response, Failure> {
    let now = context.clock.now();
    let Some(pending) = browser.pending(context, handle, now).await? else {
        return Ok(browser::unknown_request(context));
    };
    if matches!(pending.asker(), Asker::Account) {
        return Ok(browser::to_account(context));
    }
    let session = interaction::session(context, browser.session.as_deref(), now).await?;
    match interaction::next_step(context, &pending, session, now).await? {
        Step::Login => Ok(browser::to_page(context, "/login", handle)),
        Step::Consent(session) => page(context, browser, handle, &pending, &session, now).await,
        Step::Grant(_) if pending.device.is_some() => Ok(browser::unknown_request(context)),
        Step::Grant(session) => match context.store.take_pending(Digest::of(handle), now).await? {
            Some(pending) if clients::still_asks(context, &pending.request, browser.network, now).await? => {
                browser::grant(context, pending.request, &session, now).await
            }
            _ => Ok(browser::unknown_request(context)),
        },
        Step::Refuse(error) => Ok(browser::refuse(context, &reply_to(&pending.request), &error)),
    }
}

async fn decide(context: &Context, browser: &Browser, params: &Params) -> Result<Response, Failure> {
    let now = context.clock.now();
    let handle = params.get("request").unwrap_or_default();
    let Some(pending) = browser.pending(context, handle, now).await? else {
        return Ok(browser::unknown_request(context));
    };
    if !browser.has_seen_form(params, handle) || matches!(pending.asker(), Asker::Account) {
        return Ok(browser::to_page(context, "/consent", handle));
    }
    let session = interaction::session(context, browser.session.as_deref(), now).await?;
    let session = match interaction::next_step(context, &pending, session, now).await? {
        Step::Consent(session) | Step::Grant(session) => session,
        Step::Login | Step::Refuse(_) => return Ok(browser::to_page(context, "/login", handle)),
    };
    let approved = match params.get("decision") {
        Some("approve") => true,
        Some("deny") => false,
        _ => return Err(ErrorCode::InvalidRequest.because("The form was sent without a decision.").into()),
    };
    // Of several answers to one request, one counts.
    let Some(pending) = context.store.take_pending(Digest::of(handle), now).await? else {
        return Ok(browser::unknown_request(context));
    };
    if let Some(device) = &pending.device {
        let decision = if approved { Decision::Approved(&session) } else { Decision::Denied(Some(&session)) };
        let in_time = device_code::decide(context, &device.id, decision, now).await?;
        return Ok(browser::device_decided(context, in_time.then_some(approved)));
    }
    let client_id = &pending.request.client_id;
    if !clients::still_asks(context, &pending.request, browser.network, now).await? {
        return Ok(browser::unknown_request(context));
    }
    if !approved {
        context.audit.write(&Act::ConsentDenied.by_client(client_id).subject(session.subject.as_str()));
        let error = ErrorCode::AccessDenied.because("the user did not consent");
        return Ok(browser::refuse(context, &reply_to(&pending.request), &error));
    }
    interaction::remember_consent(context, &pending.request, &session, now).await?;
    browser::grant(context, pending.request, &session, now).await
}

async fn page(
    context: &Context,
    browser: &Browser,
    handle: &str,
    pending: &PendingAuthorization,
    session: &Session,
    now: UnixTime,
) -> Result<Response, Failure> {
    let request = &pending.request;
    let Some(client) = clients::find(context, &request.client_id, browser.network, now).await? else {
        return Ok(browser::unknown_request(context));
    };
    let shown =
        asked(context, (&client, pending), (browser, handle), OnBehalfOf::User(&session.subject), |page| {
            pages::consent(StatusCode::OK, page, &request.redirect_uri)
        });
    Ok(shown)
}

/// The page about a request, rendered.
pub(super) fn asked(
    context: &Context,
    (client, pending): (&Client, &PendingAuthorization),
    (browser, handle): (&Browser, &str),
    asker: OnBehalfOf<'_>,
    render: impl FnOnce(&ConsentPage<'_>) -> Response,
) -> Response {
    let request = &pending.request;
    let publisher = metadata_document::publisher(client);
    render(&ConsentPage {
        base: context.config.issuer.path(),
        handle,
        binding: &browser.form_binding(handle),
        client_name: client.name.as_deref().unwrap_or(&client.id),
        self_registered: client.dynamic.is_some(),
        publisher: publisher.as_deref(),
        destination: &redirect_uri::destination(&request.redirect_uri),
        is_device: pending.device.is_some(),
        is_loopback: redirect_uri::is_loopback(&request.redirect_uri),
        asker,
        scopes: &request.scope.iter().collect::<Vec<_>>(),
        resources: &request.resources,
    })
}

/// Where the answer to a request goes.
pub(super) fn reply_to(request: &AuthorizationRequest) -> ReplyTo {
    ReplyTo { redirect_uri: request.redirect_uri.clone(), state: request.state.clone() }
}
