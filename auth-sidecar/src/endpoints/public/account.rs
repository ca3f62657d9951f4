//! `GET` and `POST /account`: who has access in the user's name, and an end to it.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;

use super::super::form::Form;
use super::browser::{self, Browser};
use crate::app::Context;
use crate::clock::UnixTime;
use crate::error::Failure;
use crate::grants::{account, request_limit};
use crate::oauth::error::ErrorCode;
use crate::oauth::params::Params;
use crate::oauth::redirect_uri;
use crate::pages::{self, AccountPage, GrantCard};
use crate::secret::Opaque;
use crate::store::grant::Grant;
use crate::store::records::{PendingAuthorization, Session};

/// What the forms of the page are about.
pub(super) const FORM: &str = "account";
/// What has been done, as the link back to the page names it.
const DONE: [(&str, &str); 3] = [
    ("revoked", "That access has ended."),
    ("all_revoked", "All access has ended."),
    ("gone", "That access had ended already."),
];

pub(super) async fn get(
    State(context): State<Arc<Context>>,
    browser: Browser,
    RawQuery(query): RawQuery,
) -> Response {
    let params = Params::parse(query.unwrap_or_default().as_bytes());
    let shown = show(&context, &browser, &params).await;
    shown.unwrap_or_else(|failure| browser::failure_page(&context, &failure))
}

pub(super) async fn post(
    State(context): State<Arc<Context>>,
    browser: Browser,
    Form(params): Form,
) -> Response {
    browser.own_form(&context, act(&context, &browser, &params)).await
}

async fn show(context: &Context, browser: &Browser, params: &Params) -> Result<Response, Failure> {
    let now = context.clock.now();
    match account::signed_in(context, browser.session.as_deref(), now).await? {
        Some(session) => page(context, browser, &session, params, now).await,
        None => sign_in(context, browser, now).await,
    }
}

/// Sends the browser through the login pages and back here.
async fn sign_in(context: &Context, browser: &Browser, now: UnixTime) -> Result<Response, Failure> {
    request_limit::count(context, None, browser.network, now).await?;
    let browser_id = Opaque::of_cookie(browser.id.as_deref())?;
    let pending = PendingAuthorization {
        request: account::sign_in_request(),
        browser: browser_id.digest(),
        created_at: now,
        signed_in_for_it: false,
        device: None,
        for_account: true,
    };
    let until = now.plus(context.config.lifetimes.pending_authorization);
    browser::wait(context, ("/login", &browser_id), pending, until).await
}

async fn act(context: &Context, browser: &Browser, params: &Params) -> Result<Response, Failure> {
    let now = context.clock.now();
    let session = account::signed_in(context, browser.session.as_deref(), now).await?;
    let Some(session) = session.filter(|_| browser.has_seen_form(params, FORM)) else {
        // Of another sign-in, or of none any more: nothing is done, and the page shows how things are.
        return Ok(browser::to_account(context));
    };
    let done =
        match (params.get("action"), params.get("grant")) {
            (Some("revoke"), Some(grant)) => {
                if account::revoke(context, &session.subject, grant, now).await? { "revoked" } else { "gone" }
            }
            (Some("revoke_all"), None) => {
                account::revoke_all(context, &session.subject, now).await?;
                "all_revoked"
            }
            _ => {
                return Err(ErrorCode::InvalidRequest.because("The form was sent without an action.").into());
            }
        };
    Ok(browser::see_other(&format!("{}/account?done={done}", context.config.issuer.path())))
}

async fn page(
    context: &Context,
    browser: &Browser,
    session: &Session,
    params: &Params,
    now: UnixTime,
) -> Result<Response, Failure> {
    let after = params.get("after").unwrap_or_default();
    let part = account::grants(context, &session.subject, after, now).await?;
    let done = params.get("done");
    let grants: Vec<GrantCard> =
        part.entries.into_iter().map(|(grant, client_name)| card(grant, client_name)).collect();
    Ok(pages::account(&AccountPage {
        base: context.config.issuer.path(),
        user: &session.subject,
        binding: &browser.form_binding(FORM),
        message: DONE.iter().find(|(name, _)| done == Some(*name)).map(|(_, message)| *message),
        grants: &grants,
        next: part.next.as_deref(),
    }))
}

fn card(grant: Grant, client_name: String) -> GrantCard {
    GrantCard {
        client_name,
        destination: Some(redirect_uri::destination(&grant.redirect_uri)).filter(|host| !host.is_empty()),
        scopes: grant.scope.iter().map(ToOwned::to_owned).collect(),
        granted_at: grant.created_at.into(),
        used_at: grant.used_at().into(),
        resources: grant.resources,
        id: grant.id,
    }
}
