//! A client sends a browser here to be signed out (OpenID Connect RP-Initiated Logout 1.0): who is meant, and where may it go then?

use std::net::IpAddr;

use super::authorization_request::look_for_hints_key;
use super::clients;
use crate::app::Context;
use crate::clock::UnixTime;
use crate::error::Failure;
use crate::oauth::authorization_request::{LONGEST_STATE, ReplyTo};
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::metadata_document;
use crate::oauth::params::Params;

/// A request to sign out. `logout_hint` and `ui_locales` are not read: the page says who is signed in, and there is one language.
pub(crate) struct EndSession {
    /// The client that asks, if one is named.
    pub(crate) client_id: Option<String>,
    /// Whom the ID token of the request is about, if it has one of ours.
    pub(crate) hinted: Option<String>,
    /// Where the browser may go then: to a place that this very client has registered.
    pub(crate) reply_to: Option<ReplyTo>,
}

/// Reads a request. An ID token whose key is forgotten proves nothing and is no error: its user must still be able to sign out.
///
/// # Errors
/// `invalid_request`, for our own page: nobody is signed out or sent anywhere then (section 4).
pub(crate) async fn read(
    context: &Context,
    params: &Params,
    network: IpAddr,
    now: UnixTime,
) -> Result<EndSession, Failure> {
    params.admit()?;
    let issuer = context.config.issuer.as_str();
    let named = params.get("client_id");
    look_for_hints_key(context, params, now).await?;
    let hint = match params.get("id_token_hint") {
        None => None,
        Some(token) => {
            let Some(hint) = context.keys.verify_hint(token, issuer) else {
                return Ok(EndSession { client_id: None, hinted: None, reply_to: None });
            };
            Some(hint)
        }
    };
    if let (Some(named), Some(hint)) = (named, &hint)
        && named != hint.client_id
    {
        return Err(refuse("the ID token was issued to another client").into());
    }
    let client_id = named.or(hint.as_ref().map(|hint| hint.client_id.as_str())).map(ToOwned::to_owned);
    let reply_to = match params.get("post_logout_redirect_uri") {
        None => None,
        Some(uri) => {
            reply_to(context, client_id.as_deref(), (uri, params.get("state")), network, now).await?
        }
    };
    Ok(EndSession { client_id, hinted: hint.map(|hint| hint.subject), reply_to })
}

/// Compared byte for byte (section 3.1), ports of loopback hosts too.
async fn reply_to(
    context: &Context,
    client_id: Option<&str>,
    (uri, state): (&str, Option<&str>),
    network: IpAddr,
    now: UnixTime,
) -> Result<Option<ReplyTo>, Failure> {
    let unknown =
        || refuse("post_logout_redirect_uri needs the client_id or an ID token of a client that is known");
    let id = client_id.ok_or_else(unknown)?;
    if state.is_some_and(|state| state.len() > LONGEST_STATE) {
        return Err(refuse("state is too long").into());
    }
    // No document is fetched for a link from anywhere.
    if metadata_document::is_url(id) && !clients::was_let_in(context, id, now).await? {
        return Err(unknown().into());
    }
    let client = match clients::find(context, id, network, now).await {
        Ok(client) => client.ok_or_else(unknown)?,
        // A host that does not answer keeps nobody signed in.
        Err(Failure::Unavailable(_)) => return Ok(None),
        Err(other) => return Err(other),
    };
    match client.post_logout_redirect_uris.iter().any(|registered| registered == uri) {
        true => Ok(Some(ReplyTo { redirect_uri: uri.to_owned(), state: state.map(ToOwned::to_owned) })),
        false => Err(refuse("post_logout_redirect_uri is not registered for this client").into()),
    }
}

fn refuse(why: &'static str) -> OAuthError {
    ErrorCode::InvalidRequest.because(why)
}
