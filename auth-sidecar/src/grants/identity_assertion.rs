//! What does an enterprise's word for one of its people get a client? An access token, without a page of ours: Enterprise-Managed
//! Authorization of MCP, with an ID-JAG as the grant (RFC 7523 section 2.1). No refresh token: the enterprise is to be asked
//! again.

use super::access_token::{self, Beside, TokenResponse};
use super::accounts::{self, NOBODY_KNOWS};
use super::authorization_code;
use super::narrowing::Narrowing;
use crate::app::Context;
use crate::audit::Act;
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
    let Some(issuer) = context.assertion_issuers.of(presented) else {
        context.audit.write(&Act::IdentityAssertionRefused.by_client(&client.id).because("unknown issuer"));
        return Err(refused().into());
    };
    let note = |act: Act| act.by_client(&client.id).provider(&issuer.config.issuer);
    let judged = judge(context, client, params, (issuer, presented, jkt.as_deref()), now).await;
    let Judged { assertion, target, scope, account } = judged.map_err(|unfit| {
        if let Unfit::Refused(why, _) = &unfit {
            context.audit.write(&note(Act::IdentityAssertionRefused).because(why.as_str()));
        }
        unfit.failure()
    })?;
    if !use_up(context, issuer, &assertion, now).await? {
        context.audit.write(&note(Act::IdentityAssertionReplayed));
        return Err(refused().into());
    }

    let resources = vec![target.url.clone()];
    let auth_time = assertion.identity.auth_time.map_or(NOBODY_KNOWS, |at| at.min(now));
    let terms = (scope.clone(), resources.clone());
    let grant = grant(context, client, terms, (&issuer.config, account.clone(), auth_time), now)?;
    let (kept, ()) = tokio::join!(
        context.store.put_grant(grant.clone()),
        authorization_code::enlist(context, &grant, grant.expires_at, now)
    );
    kept?;
    let beside = Beside { jkt, ..Beside::default() };
    let narrowing = Narrowing { resources, scope };
    let issued = access_token::issue(context, client, &grant, account, narrowing, beside, now).await?;
    let accepted = Act::IdentityAssertionAccepted.about(&grant).provider(&issuer.config.issuer);
    context.audit.write(&accepted);
    Ok(issued)
}

/// What an assertion is good for, as long as it was not used.
struct Judged<'c> {
    assertion: Assertion,
    target: &'c Resource,
    scope: ScopeSet,
    account: Account,
}

/// Why an assertion gets its client nothing.
enum Unfit {
    /// For a reason that is written down, and another that the client is told.
    Refused(String, OAuthError),
    /// The keys of its issuer cannot be had.
    Unreadable,
}

// === impl Unfit ===

impl Unfit {
    fn failure(self) -> Failure {
        match self {
            Self::Refused(_, told) => told.into(),
            Self::Unreadable => Failure::Unavailable("the keys of the assertion's issuer cannot be fetched"),
        }
    }
}

impl From<OAuthError> for Unfit {
    fn from(error: OAuthError) -> Self {
        Self::Refused(error.description.to_string(), error)
    }
}

impl From<UpstreamError> for Unfit {
    fn from(error: UpstreamError) -> Self {
        match error {
            UpstreamError::Unavailable => Self::Unreadable,
            UpstreamError::Refused { .. } => Self::Refused(error.to_string(), refused()),
        }
    }
}

impl From<NoAccount> for Unfit {
    fn from(none: NoAccount) -> Self {
        Self::Refused(none.to_string(), ErrorCode::InvalidGrant.because("this user is not let in here"))
    }
}

async fn judge<'c>(
    context: &'c Context,
    client: &Client,
    params: &Params,
    (issuer, presented, jkt): (&Trusted, &str, Option<&str>),
    now: UnixTime,
) -> Result<Judged<'c>, Unfit> {
    let audience = context.config.issuer.as_str();
    if client.document.is_some() && !issuer.config.admits_published(&client.id) {
        return Err(Unfit::Refused("a published client that its issuer does not list".into(), refused()));
    }
    let assertion = issuer.read(presented, &client.id, audience, now).await?;
    if assertion.jkt.is_some() && assertion.jkt.as_deref() != jkt {
        return Err(ErrorCode::InvalidGrant.because("the assertion is bound to another DPoP key").into());
    }
    let target = target(context, params, &issuer.config, &assertion)?;
    let scope = resource::asserted_scope(params, assertion.scope.as_ref(), client, target)?;
    let account = account_rules::account(&issuer.config.rules, &issuer.config.issuer, &assertion.identity)?;
    Ok(Judged { assertion, target, scope, account })
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

/// An assertion works once (section 7.4.2 of the extension); whether this was the first time.
async fn use_up(
    context: &Context,
    issuer: &Trusted,
    assertion: &Assertion,
    now: UnixTime,
) -> Result<bool, Failure> {
    let name = format!("identity assertion {} {}", issuer.config.issuer, assertion.jti);
    Ok(context.store.count(&name, assertion.remember_until, now).await? == 1)
}

fn refused() -> OAuthError {
    ErrorCode::InvalidGrant.because("the assertion is no good, was used before, or is another client's")
}
