//! `GET` and `POST /signin/{provider}`, and `GET /callback/{provider}`: to a provider of identity and back.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::super::caller::Caller;
use super::super::cookies::Cookie;
use super::super::form::Form;
use super::browser::{self, Browser};
use super::{consent, login};
use crate::app::Context;
use crate::audit::Act;
use crate::clock::UnixTime;
use crate::error::Failure;
use crate::grants::device_code::{self, Decision};
use crate::grants::upstream_login::{self, Arrival, Departure, Return};
use crate::grants::{clients, interaction};
use crate::idp::upstream::UpstreamProvider;
use crate::oauth::error::ErrorCode;
use crate::oauth::params::Params;
use crate::pages::{self, OnBehalfOf, SignInPage};
use crate::secret::Digest;
use crate::store::records::{Asker, PendingAuthorization};

/// The id in the path; one that cannot be read is no provider's.
type ProviderId = Result<Path<String>, PathRejection>;

pub(super) async fn get(
    State(context): State<Arc<Context>>,
    id: ProviderId,
    browser: Browser,
    RawQuery(query): RawQuery,
) -> Response {
    let params = Params::parse(query.unwrap_or_default().as_bytes());
    let shown = show(&context, &named(id), &browser, params.get("request").unwrap_or_default()).await;
    shown.unwrap_or_else(|failure| browser::failure_page(&context, &failure))
}

pub(super) async fn post(
    State(context): State<Arc<Context>>,
    id: ProviderId,
    browser: Browser,
    caller: Caller,
    Form(params): Form,
) -> Response {
    browser.own_form(&context, decide(&context, &named(id), &browser, &caller, &params)).await
}

pub(super) async fn callback(
    State(context): State<Arc<Context>>,
    id: ProviderId,
    browser: Browser,
    RawQuery(query): RawQuery,
) -> Response {
    let params = Params::parse(query.unwrap_or_default().as_bytes());
    let back = Return {
        provider: &named(id),
        params: &params,
        browser: browser.id.as_deref(),
        cookie: browser.upstream.as_deref(),
        session: browser.session.as_deref(),
    };
    let received = receive(&context, &back, browser.network).await;
    received.unwrap_or_else(|failure| browser::failure_page(&context, &failure))
}

async fn show(context: &Context, id: &str, browser: &Browser, handle: &str) -> Result<Response, Failure> {
    let now = context.clock.now();
    let pending = browser.pending(context, handle, now).await?;
    match (context.providers.named(id), pending) {
        (Some(provider), Some(pending)) => page(context, provider, browser, handle, &pending, now).await,
        _ => Ok(browser::unknown_request(context)),
    }
}

async fn decide(
    context: &Context,
    id: &str,
    browser: &Browser,
    caller: &Caller,
    params: &Params,
) -> Result<Response, Failure> {
    let now = context.clock.now();
    let handle = params.get("request").unwrap_or_default();
    let pending = browser.pending(context, handle, now).await?;
    let (Some(provider), Some(pending)) = (context.providers.named(id), pending) else {
        return Ok(browser::unknown_request(context));
    };
    if !browser.has_seen_form(params, handle) {
        return page(context, provider, browser, handle, &pending, now).await;
    }
    match params.get("decision") {
        Some("approve") => {
            let from = (browser.upstream.as_deref(), caller.network());
            let Departure { location, cookie } =
                upstream_login::leave(context, provider, (handle, &pending), from, now).await?;
            let response = browser::see_other(location.as_str());
            Ok(browser::with_cookie(response, context, Cookie::Upstream, cookie.expose()))
        }
        Some("deny") => {
            let Some(pending) = context.store.take_pending(Digest::of(handle), now).await? else {
                return Ok(browser::unknown_request(context));
            };
            deny(context, &pending, now).await
        }
        _ => Err(ErrorCode::InvalidRequest.because("The form was sent without a decision.").into()),
    }
}

async fn deny(context: &Context, pending: &PendingAuthorization, now: UnixTime) -> Result<Response, Failure> {
    match pending.asker() {
        Asker::Device(device) => {
            let in_time = device_code::decide(context, &device.id, Decision::Denied(None), now).await?;
            Ok(browser::device_decided(context, in_time.then_some(false)))
        }
        Asker::Account => Ok(browser::to_account(context)),
        Asker::Client => {
            context.audit.write(&Act::ConsentDenied.by_client(&pending.request.client_id));
            let error = ErrorCode::AccessDenied.because("the user did not consent");
            Ok(browser::refuse(context, &consent::reply_to(&pending.request), &error))
        }
    }
}

async fn receive(context: &Context, back: &Return<'_>, network: IpAddr) -> Result<Response, Failure> {
    let now = context.clock.now();
    match upstream_login::arrive(context, back, now).await? {
        Arrival::Unknown => Ok(browser::unknown_request(context)),
        Arrival::Refused(pending, error) => Ok(match pending.asker() {
            Asker::Client => browser::refuse(context, &consent::reply_to(&pending.request), &error),
            // A device goes on asking: its user may type the code again, and sign in as somebody who is let in.
            Asker::Device(_) | Asker::Account => browser::failure_page(context, &Failure::Refused(error)),
        }),
        Arrival::SignedIn { pending, handle, session } => {
            upstream_login::came_back(context, network, now).await?;
            let response = match pending.asker() {
                Asker::Device(device) => {
                    let decision = Decision::Approved(&session);
                    let in_time = device_code::decide(context, &device.id, decision, now).await?;
                    browser::device_decided(context, in_time.then_some(true))
                }
                Asker::Account => browser::to_account(context),
                Asker::Client if clients::still_asks(context, &pending.request, network, now).await? => {
                    // The user agreed to it before they left for the provider.
                    interaction::remember_consent(context, &pending.request, &session, now).await?;
                    browser::grant(context, pending.request, &session, now).await?
                }
                Asker::Client => browser::unknown_request(context),
            };
            Ok(browser::with_cookie(response, context, Cookie::Session, handle.expose()))
        }
    }
}

async fn page(
    context: &Context,
    provider: &dyn UpstreamProvider,
    browser: &Browser,
    handle: &str,
    pending: &PendingAuthorization,
    now: UnixTime,
) -> Result<Response, Failure> {
    let config = provider.config();
    if matches!(pending.asker(), Asker::Account) {
        let (base, binding) = (context.config.issuer.path(), &browser.form_binding(handle));
        let page = SignInPage { base, id: &config.id, label: &config.label, handle, binding };
        return Ok(pages::sign_in(&page, &config.issuer));
    }
    let Some(client) = clients::find(context, &pending.request.client_id, browser.network, now).await? else {
        return Ok(browser::unknown_request(context));
    };
    let asker = OnBehalfOf::SignsInAt {
        id: &config.id,
        label: &config.label,
        other_ways: login::only_way(context).is_none(),
    };
    let shown = consent::asked(context, (&client, pending), (browser, handle), asker, |page| {
        pages::approval(StatusCode::OK, page, &pending.request.redirect_uri, &config.issuer)
    });
    Ok(shown)
}

fn named(id: ProviderId) -> String {
    id.map(|Path(id)| id).unwrap_or_default()
}
