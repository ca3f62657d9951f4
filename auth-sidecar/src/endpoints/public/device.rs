//! `GET` and `POST /device`: the user types the code that the device shows (RFC 8628 section 3.3), and goes on to sign in
//! and decide as for every other request.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::super::caller::Caller;
use super::super::form::Form;
use super::browser::{self, Browser};
use crate::app::Context;
use crate::audit::Act;
use crate::error::Failure;
use crate::grants::interaction::{self, Step};
use crate::grants::limit::Limit;
use crate::grants::{device_code, request_limit};
use crate::oauth::params::Params;
use crate::pages::{self, DevicePage};
use crate::secret::Opaque;
use crate::store::records::{DeviceRequest, PendingAuthorization};

const WRONG: &str = "This code is not known, or is no longer valid.";
const LONGEST_CODE: usize = 32;

pub(super) async fn get(State(context): State<Arc<Context>>, RawQuery(query): RawQuery) -> Response {
    let params = Params::parse(query.unwrap_or_default().as_bytes());
    let code = params.get("user_code").filter(|code| code.len() <= LONGEST_CODE).unwrap_or_default();
    page(&context, StatusCode::OK, code, None)
}

pub(super) async fn post(
    State(context): State<Arc<Context>>,
    browser: Browser,
    caller: Caller,
    Form(params): Form,
) -> Response {
    browser.own_form(&context, proceed(&context, &browser, &caller, &params)).await
}

async fn proceed(
    context: &Context,
    browser: &Browser,
    caller: &Caller,
    params: &Params,
) -> Result<Response, Failure> {
    let now = context.clock.now();
    // Counted before the code is looked at, so that parallel guesses cannot slip through (section 5.1).
    let counter = format!("user code {}", caller.network());
    Limit::by_address(&context.config.login)
        .count(context, &counter, Act::UserCodeThrottled.event(), now)
        .await?;
    let typed = params.get("user_code").unwrap_or_default();
    let Some((device, request)) = device_code::request_of(context, typed, now).await? else {
        return Ok(page(context, StatusCode::BAD_REQUEST, "", Some(WRONG)));
    };
    context.store.uncount(&counter, now).await?;
    let browser_id = Opaque::of_cookie(browser.id.as_deref())?;
    let pending = PendingAuthorization {
        request,
        browser: browser_id.digest(),
        created_at: now,
        signed_in_for_it: false,
        device: Some(DeviceRequest { id: device.id }),
        for_account: false,
    };
    let session = interaction::session(context, browser.session.as_deref(), now).await?;
    let next = match interaction::next_step(context, &pending, session, now).await? {
        Step::Consent(_) | Step::Grant(_) => "/consent",
        Step::Login | Step::Refuse(_) => {
            // A code that is known, his own among them, may be typed any number of times.
            request_limit::count(context, pending.client_id(), caller.network(), now).await?;
            "/login"
        }
    };
    let until = now.plus(context.config.lifetimes.pending_authorization).min(device.expires_at);
    browser::wait(context, (next, &browser_id), pending, until).await
}

fn page(context: &Context, status: StatusCode, code: &str, message: Option<&str>) -> Response {
    pages::device(status, &DevicePage { base: context.config.issuer.path(), code, message })
}
