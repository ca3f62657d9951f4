//! `GET` and `POST /logout`: the end of a sign-in, of this browser or of all.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::super::form::Form;
use super::account::FORM;
use super::browser::{self, Browser};
use crate::app::Context;
use crate::error::Failure;
use crate::grants::{account, interaction};
use crate::oauth::params::Params;
use crate::pages::{self, SignOutPage};

pub(super) async fn get(State(context): State<Arc<Context>>, browser: Browser) -> Response {
    let shown = end(&context, &browser, None).await;
    shown.unwrap_or_else(|failure| browser::failure_page(&context, &failure))
}

pub(super) async fn post(
    State(context): State<Arc<Context>>,
    browser: Browser,
    Form(params): Form,
) -> Response {
    browser.own_form(&context, end(&context, &browser, Some(&params))).await
}

/// Ends the sign-in if its own form says so, and else shows that form: a link or a form of somebody else signs nobody out.
async fn end(context: &Context, browser: &Browser, sent: Option<&Params>) -> Result<Response, Failure> {
    let now = context.clock.now();
    let session = interaction::session(context, browser.session.as_deref(), now).await?;
    if let (Some(cookie), Some(session)) = (browser.session.as_deref(), session) {
        let Some(params) = sent.filter(|params| browser.has_seen_form(params, FORM)) else {
            let (base, binding) = (context.config.issuer.path(), &browser.form_binding(FORM));
            return Ok(pages::sign_out(&SignOutPage { base, user: &session.subject, binding }));
        };
        let everywhere = params.get("where") == Some("everywhere");
        account::sign_out(context, (cookie, &session), everywhere, now).await?;
    }
    let page = pages::done(context, StatusCode::OK, "Signed out", "You are not signed in here any more.");
    // A link may lead here from anywhere, while another tab is signing in.
    Ok(if sent.is_some() { browser::without_cookies(page, context) } else { page })
}
