//! What does an enterprise's word for one of its people get a client? An access token, without a page of ours: Enterprise-Managed
//! Authorization of MCP, with an ID-JAG as the grant (RFC 7523 section 2.1). No refresh token: the enterprise is to be asked
//! again.

use super::access_token::{self, Beside, Narrowing, TokenResponse};
use super::accounts::{self, NOBODY_KNOWS};
use crate::app::Context;
use crate::clock::UnixTime;
use crate::config::{AssertionIssuer, Resource};
use crate::error::Failure;
use crate::idp::Account;
use crate::idp::account_rules::{self, NoAccount};
use crate::idp::assertion_issuers::Trusted;
use crate::idp::identity_assertion::Assertion;
use crate::idp::upstream::UpstreamError;
use crate::oauth::client::Client;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::params::Params;
use crate::oauth::resource;
use crate::oauth::scope::ScopeSet;
use crate::secret::{Opaque, random_text};
use crate::store::grant::{Binding, Grant};

/// Issues a token for whom an assertion is about. What can be judged without using it up is judged first.
pub(crate) async fn issue(
    context: &Context,
    client: &Client,
    params: &Params,
    jkt: Option<String>,
    now: UnixTime,
) -> Result<TokenResponse, Failure> {
    let presented = params.require("assertion")?;
    let issuer = context.assertion_issuers.of(presented).ok_or_else(refused)?;
    let audience = context.config.issuer.as_str();
    let read = issuer.read(presented, &client.id, audience, now).await;
    let assertion = read.map_err(|error| failure(&issuer.config, &client.id, &error))?;
    if assertion.jkt.is_some() && assertion.jkt != jkt {
        return Err(ErrorCode::InvalidGrant.because("the assertion is bound to another DPoP key").into());
    }
    let target = target(context, params, &issuer.config, &assertion)?;
    let scope = resource::asserted_scope(params, assertion.scope.as_ref(), client, target)?;
    let account = account_rules::account(&issuer.config.rules, &issuer.config.issuer, &assertion.identity);
    let account = account.map_err(|none| nobody(&issuer.config, &none))?;
    use_up(context, issuer, &assertion, now).await?;

    let resources = vec![target.url.clone()];
    let auth_time = assertion.identity.auth_time.map_or(NOBODY_KNOWS, |at| at.min(now));
    let terms = (scope.clone(), resources.clone());
    let grant = grant(context, client, terms, (&issuer.config, account.clone(), auth_time), now)?;
    context.store.put_grant(grant.clone()).await?;
    tracing::info!(
        event = "assertion_accepted",
        client_id = client.id,
        issuer = issuer.config.issuer,
        subject = account.subject,
        grant_id = grant.id
    );
    let beside = Beside { jkt, ..Beside::default() };
    access_token::issue(context, client, &grant, account, Narrowing { resources, scope }, beside, now).await
}

/// The resource server that the assertion is for; a request that names another contradicts it (RFC 8707 section 2.2).
fn target<'c>(
    context: &'c Context,
    params: &Params,
    issuer: &AssertionIssuer,
    assertion: &Assertion,
) -> Result<&'c Resource, OAuthError> {
    let resources = &context.config.resources;
    let target = resources.named(&assertion.resource).filter(|one| issuer.resources.contains(&one.url));
    let unknown = || ErrorCode::InvalidGrant.because("the assertion is for no resource of its issuer's here");
    let target = target.ok_or_else(unknown)?;
    let is_same = |named: &str| resources.named(named).is_some_and(|one| one.url == target.url);
    match params.all("resource").all(is_same) {
        true => Ok(target),
        false => Err(ErrorCode::InvalidTarget.because("the assertion is for another resource")),
    }
}

/// A grant without code and refresh token, that knows of its user what the assertion said.
fn grant(
    context: &Context,
    client: &Client,
    terms: (ScopeSet, Vec<String>),
    (issuer, account, auth_time): (&AssertionIssuer, Account, UnixTime),
    now: UnixTime,
) -> Result<Grant, Failure> {
    let lifetime = context.config.lifetimes.access_token;
    let nobodys = Opaque::handle()?.digest();
    let subject = account.subject.clone();
    let asserted = Some(accounts::said((&issuer.issuer, &issuer.rules), account, now));
    let bare = Grant::of_client_itself(random_text::<16>()?, &client.id, terms, nobodys, (now, lifetime));
    let binding = Binding { asserted, ..Binding::default() };
    Ok(Grant { subject, auth_time, binding, ..bare })
}

/// An assertion works once (section 7.4.2 of the extension).
async fn use_up(
    context: &Context,
    issuer: &Trusted,
    assertion: &Assertion,
    now: UnixTime,
) -> Result<(), Failure> {
    let name = format!("identity assertion {} {}", issuer.config.issuer, assertion.jti);
    if context.store.count(&name, assertion.remember_until, now).await? > 1 {
        tracing::warn!(event = "assertion_replayed", issuer = issuer.config.issuer);
        return Err(refused().into());
    }
    Ok(())
}

fn failure(issuer: &AssertionIssuer, client_id: &str, error: &UpstreamError) -> Failure {
    tracing::warn!(event = "assertion_refused", issuer = issuer.issuer, client_id, %error);
    match error {
        UpstreamError::Unavailable => {
            Failure::Unavailable("the keys of the assertion's issuer cannot be fetched")
        }
        UpstreamError::Refused { .. } => refused().into(),
    }
}

fn nobody(issuer: &AssertionIssuer, none: &NoAccount) -> OAuthError {
    tracing::warn!(event = "assertion_refused", issuer = issuer.issuer, error = %none);
    ErrorCode::InvalidGrant.because("this user is not let in here")
}

fn refused() -> OAuthError {
    ErrorCode::InvalidGrant.because("the assertion is no good, was used before, or is another client's")
}
