//! `GET` and `POST /logout`: the end of a sign-in, of this browser or of all; asked for by the user, or by a client (OpenID Connect
//! RP-Initiated Logout 1.0).

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::super::form::Form;
use super::account::FORM;
use super::browser::{self, Browser};
use crate::app::Context;
use crate::error::Failure;
use crate::grants::end_session::{self, EndSession};
use crate::grants::{account, interaction};
use crate::oauth::authorization_request::ReplyTo;
use crate::oauth::params::Params;
use crate::oauth::redirect_uri;
use crate::pages::{self, SignOutPage};

/// Where it is.
pub(super) const PATH: &str = "/logout";

pub(super) async fn get(
    State(context): State<Arc<Context>>,
    browser: Browser,
    RawQuery(query): RawQuery,
) -> Response {
    let params = Params::parse(query.unwrap_or_default().as_bytes());
    let shown = end(&context, &browser, &params, false).await;
    shown.unwrap_or_else(|failure| browser::failure_page(&context, &failure))
}

pub(super) async fn post(
    State(context): State<Arc<Context>>,
    browser: Browser,
    Form(params): Form,
) -> Response {
    if params.get("binding").is_none() {
        // A client's request. Browsers leave our cookies out of posts from elsewhere, and send them with the request that follows.
        return browser::ask_again(&context, PATH, &params);
    }
    let seen = browser.has_seen_form(&params, FORM);
    browser.own_form(&context, end(&context, &browser, &params, seen)).await
}

/// Ends the sign-in if its own form says so (`confirmed`) or an ID token shows that the client means its very user, and else shows
/// that form: a link or a form of somebody else signs nobody out. Without either, nobody is sent anywhere.
async fn end(
    context: &Context,
    browser: &Browser,
    params: &Params,
    confirmed: bool,
) -> Result<Response, Failure> {
    let now = context.clock.now();
    let asked = end_session::read(context, params, browser.network, now).await?;
    let session = interaction::session(context, browser.session.as_deref(), now).await?;
    let mut ended = confirmed;
    if let (Some(cookie), Some(session)) = (browser.session.as_deref(), session) {
        if !confirmed && asked.hinted.as_ref() != Some(&session.subject) {
            return Ok(form(context, browser, &session.subject, &asked));
        }
        let everywhere = confirmed && params.get("where") == Some("everywhere");
        account::sign_out(context, (cookie, &session), (everywhere, asked.client_id.as_deref())).await?;
        ended = true;
    }
    let answer = match asked.reply_to.filter(|_| ended || asked.hinted.is_some()) {
        Some(reply_to) => return_to(&reply_to),
        None => pages::done(context, StatusCode::OK, "Signed out", "You are not signed in here any more."),
    };
    // A link may lead here from anywhere, while another tab is signing in.
    Ok(if ended { browser::without_cookies(answer, context) } else { answer })
}

/// Asks the user, and remembers in the form what the client wants then.
fn form(context: &Context, browser: &Browser, user: &str, asked: &EndSession) -> Response {
    let reply_to = asked.reply_to.as_ref();
    let destination = reply_to.map(|reply_to| redirect_uri::destination(&reply_to.redirect_uri));
    let fields = [
        ("client_id", asked.client_id.as_deref()),
        ("post_logout_redirect_uri", reply_to.map(|reply_to| reply_to.redirect_uri.as_str())),
        ("state", reply_to.and_then(|reply_to| reply_to.state.as_deref())),
    ];
    let fields: Vec<(&str, &str)> =
        fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let page = SignOutPage {
        base: context.config.issuer.path(),
        user,
        binding: &browser.form_binding(FORM),
        destination: destination.as_deref(),
        fields: &fields,
    };
    pages::sign_out(&page, reply_to.map(|reply_to| reply_to.redirect_uri.as_str()))
}

/// Sends the browser where the client wants it (section 3).
fn return_to(reply_to: &ReplyTo) -> Response {
    let uri = &reply_to.redirect_uri;
    match &reply_to.state {
        Some(state) => browser::see_other(&redirect_uri::with_params(uri, &[("state", state)])),
        None => browser::see_other(uri),
    }
}
