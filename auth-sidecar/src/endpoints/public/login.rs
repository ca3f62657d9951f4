//! `GET` and `POST /login`: name and password.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::super::caller::Caller;
use super::super::cookies::Cookie;
use super::super::form::Form;
use super::super::reply;
use super::browser::{self, Browser};
use crate::app::Context;
use crate::audit::Act;
use crate::clock::UnixTime;
use crate::error::Failure;
use crate::grants::{clients, interaction};
use crate::idp::{Account, Busy, throttle};
use crate::oauth::params::Params;
use crate::pages::{self, LoginPage};
use crate::secret::Digest;
use crate::store::records::{Asker, PendingAuthorization};

/// What sign-ins with a password count as.
const LOCAL: &str = "local";
const WRONG: &str = "Name or password is wrong.";
const TOO_MANY: &str = "Too many attempts. Try again later.";
const BUSY: &str = "Too many people are signing in at this moment. Try again.";

pub(super) async fn get(
    State(context): State<Arc<Context>>,
    browser: Browser,
    RawQuery(query): RawQuery,
) -> Response {
    let params = Params::parse(query.unwrap_or_default().as_bytes());
    let handle = params.get("request").unwrap_or_default();
    let shown = async {
        match (browser.pending(&context, handle, context.clock.now()).await?, only_way(&context)) {
            (Some(_), Some(id)) => Ok(browser::to_page(&context, &format!("/signin/{id}"), handle)),
            (Some(pending), None) => page(&context, (&browser, handle), &pending, StatusCode::OK, None).await,
            (None, _) => Ok(browser::unknown_request(&context)),
        }
    };
    shown.await.unwrap_or_else(|failure| browser::failure_page(&context, &failure))
}

pub(super) async fn post(
    State(context): State<Arc<Context>>,
    browser: Browser,
    caller: Caller,
    Form(params): Form,
) -> Response {
    browser.own_form(&context, sign_in(&context, &browser, &caller, &params)).await
}

async fn sign_in(
    context: &Context,
    browser: &Browser,
    caller: &Caller,
    params: &Params,
) -> Result<Response, Failure> {
    let now = context.clock.now();
    let handle = params.get("request").unwrap_or_default();
    let Some(pending) = browser.pending(context, handle, now).await? else {
        return Ok(browser::unknown_request(context));
    };
    let name = params.get("username").unwrap_or_default();
    let password = params.get("password").unwrap_or_default();
    let outcome = attempt(context, caller, name, password, now).await?;
    context.metrics.sign_in_tried(LOCAL, outcome.label());
    let (status, message) = match outcome {
        Attempt::SignedIn(account) => {
            return signed_in(context, browser, handle, pending, account, now).await;
        }
        Attempt::Wrong => (StatusCode::FORBIDDEN, WRONG),
        Attempt::TooMany => (StatusCode::TOO_MANY_REQUESTS, TOO_MANY),
        Attempt::Busy => (StatusCode::SERVICE_UNAVAILABLE, BUSY),
    };
    page(context, (browser, handle), &pending, status, Some(message)).await
}

/// What became of an attempt.
enum Attempt {
    SignedIn(Account),
    Wrong,
    TooMany,
    Busy,
}

async fn attempt(
    context: &Context,
    caller: &Caller,
    name: &str,
    password: &str,
    now: UnixTime,
) -> Result<Attempt, Failure> {
    let store = context.store.as_ref();
    if throttle::admit(store, &context.config.login, name, caller.0, now).await?.is_err() {
        context.audit.write(&Act::SignInThrottled.event());
        return Ok(Attempt::TooMany);
    }
    Ok(match context.accounts.sign_in(name, password).await {
        Ok(Some(account)) => {
            throttle::succeeded(store, name, caller.0, now).await?;
            Attempt::SignedIn(account)
        }
        Ok(None) => {
            // The name is not written down: people type their password there.
            context.audit.write(&Act::SignInFailed.event());
            Attempt::Wrong
        }
        Err(Busy) => {
            throttle::untried(store, name, caller.0, now).await?;
            Attempt::Busy
        }
    })
}

async fn signed_in(
    context: &Context,
    browser: &Browser,
    handle: &str,
    mut pending: PendingAuthorization,
    account: Account,
    now: UnixTime,
) -> Result<Response, Failure> {
    if let Some(earlier) = &browser.session {
        context.store.remove_session(Digest::of(earlier)).await?;
    }
    let (session, started) = interaction::start_session(context, account.subject, now, now).await?;
    context.audit.write(&Act::SignedIn.event().client(pending.client_id()).subject(started.subject.as_str()));
    let response = match pending.asker() {
        Asker::Account => {
            drop(context.store.take_pending(Digest::of(handle), now).await?);
            browser::to_account(context)
        }
        Asker::Client | Asker::Device(_) => {
            let until = pending.created_at.plus(context.config.lifetimes.pending_authorization);
            pending.signed_in_for_it = true;
            context.store.put_pending(Digest::of(handle), pending, until).await?;
            browser::to_page(context, "/consent", handle)
        }
    };
    Ok(browser::with_cookie(response, context, Cookie::Session, session.expose()))
}

/// The provider, where there is nothing to choose: no local users and no other provider.
pub(super) fn only_way(context: &Context) -> Option<&str> {
    match (context.config.users.as_slice(), context.config.identity_providers.as_slice()) {
        ([], [only]) => Some(&only.id),
        _ => None,
    }
}

async fn page(
    context: &Context,
    (browser, handle): (&Browser, &str),
    pending: &PendingAuthorization,
    status: StatusCode,
    message: Option<&str>,
) -> Result<Response, Failure> {
    let client_id = &pending.request.client_id;
    let client_name = match pending.asker() {
        Asker::Account => None,
        Asker::Client | Asker::Device(_) => {
            let client = clients::find(context, client_id, browser.network, context.clock.now()).await?;
            Some(client.and_then(|client| client.name).unwrap_or_else(|| client_id.clone()))
        }
    };
    let hint = pending.request.openid.login_hint.as_deref().unwrap_or_default();
    let providers: Vec<(&str, &str)> =
        context.config.identity_providers.iter().map(|one| (one.id.as_str(), one.label.as_str())).collect();
    let page = LoginPage {
        base: context.config.issuer.path(),
        handle,
        client_name: client_name.as_deref(),
        name: hint,
        message,
        local: !context.config.users.is_empty() || providers.is_empty(),
        providers: &providers,
    };
    Ok(reply::retry_later(pages::login(status, &page, &pending.request.redirect_uri)))
}

// === impl Attempt ===

impl Attempt {
    fn label(&self) -> &'static str {
        match self {
            Self::SignedIn(_) => "signed_in",
            Self::Wrong => "wrong",
            Self::TooMany => "throttled",
            Self::Busy => "busy",
        }
    }
}
