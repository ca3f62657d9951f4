//! What may a client do in its own name? The client credentials grant (RFC 6749 section 4.4): an access token for the
//! scopes that the operator gave it, and no refresh token.

use super::access_token::{self, Beside, TokenResponse};
use super::narrowing::Narrowing;
use super::{authorization_code, clients, grant_limit};
use crate::app::Context;
use crate::audit::Act;
use crate::clock::UnixTime;
use crate::error::Failure;
use crate::idp::Account;
use crate::oauth::client::Client;
use crate::oauth::openid;
use crate::oauth::params::Params;
use crate::oauth::resource;
use crate::secret::{Opaque, random_text};
use crate::store::grant::Grant;

/// Issues a token whose `sub` is the client (RFC 9068 section 2.2).
pub(crate) async fn issue(
    context: &Context,
    client: &Client,
    params: &Params,
    jkt: Option<String>,
    now: UnixTime,
) -> Result<TokenResponse, Failure> {
    let resources = resource::requested(params, &context.config.resources)?;
    // Nobody is asked for consent, so the ceiling is also what a request means that names no scope.
    let ceiling = match &client.dynamic {
        Some(_) => Some(context.config.registration.client_credentials_scopes.clone()),
        None => client.scope_ceiling.clone(),
    };
    let own = Client { default_scope: ceiling.clone(), scope_ceiling: ceiling, ..client.clone() };
    // Nobody signs in, so there is nobody to tell about.
    let scope = resource::requested_scope(params, &own, &resources, &context.config.resources)?;
    let scope = resource::something(scope.without(&openid::scopes()), &resources, &context.config.resources)?;
    if client.dynamic.is_some() {
        // Anybody may have registered it.
        grant_limit::count(context, &client.id, Some(&client.id), now).await?;
    }
    let lifetime = context.config.lifetimes.access_token;
    let grant = Grant::of_client_itself(
        random_text::<16>()?,
        &client.id,
        (scope.clone(), resources.clone()),
        Opaque::handle()?.digest(),
        (now, lifetime),
    );
    let (kept, ()) = tokio::join!(
        context.store.put_grant(grant.clone()),
        authorization_code::enlist(context, &grant, grant.expires_at, now)
    );
    kept?;
    if client.dynamic.is_some() {
        clients::keep_alive(context, &client.id, now).await;
    }
    let account = Account::of_client(&client.id);
    let beside = Beside { jkt, ..Beside::default() };
    let narrowing = Narrowing { resources, scope };
    let issued = access_token::issue(context, client, &grant, account, narrowing, beside, now).await?;
    context.audit.write(&Act::TokenIssued.about(&grant).because("client credentials"));
    Ok(issued)
}
