//! How does a client hand in its request beforehand? Pushed authorization requests (RFC 9126): kept under a URI that
//! works once, for this client.

use serde::Serialize;

use super::authorization_request as request;
use crate::app::Context;
use crate::clock::UnixTime;
use crate::error::Failure;
use crate::oauth::authorization_request;
use crate::oauth::client::Client;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::params::Params;
use crate::secret::{Digest, Opaque};
use crate::store::StoreError;
use crate::store::records::PushedRequest;

/// What every URI of ours begins with (section 2.2).
const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";

/// The answer (section 2.2).
#[derive(Serialize)]
pub(crate) struct Pushed {
    request_uri: String,
    expires_in: u64,
}

/// Checks a request as the authorization endpoint would, and keeps it. `jkt` is the key of the push's DPoP proof.
pub(crate) async fn push(
    context: &Context,
    client: &Client,
    params: &Params,
    jkt: Option<String>,
    now: UnixTime,
) -> Result<Pushed, Failure> {
    if params.all("request_uri").next().is_some() {
        return Err(ErrorCode::InvalidRequest.because("request_uri cannot be pushed").into());
    }
    // What proves who the client is belongs to the push, and of what will be ignored a stranger could make us keep any amount.
    let mut params = params.only(&authorization_request::READ);
    if params.get("client_id").is_none() {
        params = params.with("client_id", &client.id);
    }
    if let Some(jkt) = jkt {
        // Section 10.1 of RFC 9449: both ways must name the same key.
        if params.get("dpop_jkt").is_some_and(|named| named != jkt) {
            return Err(ErrorCode::InvalidDpopProof.because("dpop_jkt names another key").into());
        }
        params = params.without(&["dpop_jkt"]).with("dpop_jkt", &jkt);
    }
    let reply_to = authorization_request::reply_to(&params, client)?;
    request::look_for_hints_key(context, &params, now).await?;
    request::read(context, &params, client, &reply_to)?;

    let uri = format!("{PREFIX}{}", Opaque::handle()?.expose());
    let lifetime = context.config.lifetimes.pushed_request;
    let pushed = PushedRequest { client_id: client.id.clone(), params: params.pairs().to_vec() };
    context.store.put_pushed(name(&client.id, &uri), pushed, now.plus(lifetime)).await?;
    Ok(Pushed { request_uri: uri, expires_in: lifetime.as_secs() })
}

/// Whether this `request_uri` is of our making.
pub(crate) fn is_ours(request_uri: &str) -> bool {
    request_uri.starts_with(PREFIX)
}

/// Takes the request that this client pushed: of several callers, one gets it.
pub(crate) async fn take(
    context: &Context,
    client_id: &str,
    request_uri: &str,
    now: UnixTime,
) -> Result<Option<Params>, StoreError> {
    let pushed = context.store.take_pushed(name(client_id, request_uri), now).await?;
    Ok(pushed.map(|pushed| Params::from(pushed.params)))
}

/// Whether a request that was not pushed will do.
pub(crate) fn admit_unpushed(context: &Context, client: &Client) -> Result<(), OAuthError> {
    if client.preferences.pushed_only || context.config.require_pushed {
        return Err(ErrorCode::InvalidRequest.because("the request must be pushed (RFC 9126)"));
    }
    Ok(())
}

/// The client is part of the name: what another client pushed is not there.
fn name(client_id: &str, uri: &str) -> Digest {
    Digest::of(&format!("{}:{client_id}{uri}", client_id.len()))
}
