//! `POST /auth/refresh` and `POST /auth/logout`: names that applications know from elsewhere for what `/token`, `/revoke` and
//! `/logout` do.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::super::caller::Caller;
use super::super::form::Form;
use super::super::reply;
use super::browser::{self, Browser};
use super::{revoke, token};
use crate::app::Context;
use crate::error::Failure;
use crate::grants::{account, interaction};
use crate::oauth::client::GrantType;
use crate::oauth::error::ErrorCode;
use crate::oauth::params::Params;

/// A token request for the one grant; `grant_type` may be left out.
pub(super) async fn refresh(
    State(context): State<Arc<Context>>,
    caller: Caller,
    headers: HeaderMap,
    Form(params): Form,
) -> Response {
    let only = GrantType::RefreshToken.as_str();
    let params = match params.get("grant_type") {
        None => params.with("grant_type", only),
        Some(named) if named == only => params,
        Some(_) => {
            let error = ErrorCode::UnsupportedGrantType.because("only refresh_token is answered here");
            return reply::oauth_error(&error);
        }
    };
    token::answer(&context, &caller, &headers, &params, "/auth/refresh").await
}

/// Revokes the grant of a refresh token, for the client that it was issued to, and ends the sign-in of the browser that asks, if
/// one does.
pub(super) async fn logout(
    State(context): State<Arc<Context>>,
    caller: Caller,
    headers: HeaderMap,
    browser: Browser,
    Form(params): Form,
) -> Response {
    match end(&context, &caller, &headers, &browser, &params).await {
        Ok(()) if browser.same_origin => browser::without_cookies(reply::empty(StatusCode::OK), &context),
        Ok(()) => reply::empty(StatusCode::OK),
        Err(failure) => reply::failure(&failure),
    }
}

async fn end(
    context: &Context,
    caller: &Caller,
    headers: &HeaderMap,
    browser: &Browser,
    params: &Params,
) -> Result<(), Failure> {
    revoke::revoke(context, caller, headers, params, "refresh_token").await?;
    let now = context.clock.now();
    let cookie = browser.session.as_deref().filter(|_| browser.same_origin);
    if let (Some(cookie), Some(session)) = (cookie, interaction::session(context, cookie, now).await?) {
        account::sign_out(context, (cookie, &session), (false, None)).await?;
    }
    Ok(())
}
