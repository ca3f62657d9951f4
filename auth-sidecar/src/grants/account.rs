//! What may a user do with their own account? See who has access in their name, and end it.

use super::{accounts, clients, interaction, revocation};
use crate::app::Context;
use crate::audit::Act;
use crate::clock::UnixTime;
use crate::error::Failure;
use crate::oauth::authorization_request::{AuthorizationRequest, Prompt};
use crate::oauth::openid::OpenIdRequest;
use crate::oauth::scope::ScopeSet;
use crate::secret::{Digest, is_grant_id};
use crate::store::grant::Grant;
use crate::store::records::Session;
use crate::store::{Holder, Part, StoreError};

/// So many grants stand on one page.
const PAGE: usize = 50;
/// So often may a user end all access within `login.window`.
const MOST_AT_ONCE: u32 = 10;

/// What waits while somebody signs in to see their account: nothing of any client.
pub(crate) fn sign_in_request() -> AuthorizationRequest {
    AuthorizationRequest {
        client_id: String::new(),
        redirect_uri: String::new(),
        state: None,
        scope: ScopeSet::default(),
        resources: Vec::new(),
        challenge: Digest::of(""),
        prompt: Prompt::default(),
        max_age: None,
        document: None,
        openid: OpenIdRequest::default(),
        is_assured: true,
        dpop_jkt: None,
    }
}

/// The sign-in of a browser, if its user is still one.
pub(crate) async fn signed_in(
    context: &Context,
    cookie: Option<&str>,
    now: UnixTime,
) -> Result<Option<Session>, StoreError> {
    let Some(session) = interaction::session(context, cookie, now).await? else { return Ok(None) };
    Ok(accounts::current(context, &session.subject, now).await?.map(|_| session))
}

/// A part of what a user granted, each with what its client calls itself. No document is fetched for this.
pub(crate) async fn grants(
    context: &Context,
    subject: &str,
    after: &str,
    now: UnixTime,
) -> Result<Part<(Grant, String)>, StoreError> {
    let part = context.store.grants_of(Holder::User(subject), after, PAGE, now).await?;
    let mut entries = Vec::new();
    for grant in part.entries {
        let client = clients::known(context, &grant.client_id, now).await?;
        let name = client.and_then(|client| client.name).unwrap_or_else(|| grant.client_id.clone());
        entries.push((grant, name));
    }
    Ok(Part { entries, next: part.next })
}

/// Ends a grant of this user, and forgets their consent to it; whether there was such a grant.
pub(crate) async fn revoke(
    context: &Context,
    subject: &str,
    grant_id: &str,
    now: UnixTime,
) -> Result<bool, StoreError> {
    let grant = match is_grant_id(grant_id) {
        true => context.store.grant(grant_id, now).await?,
        false => None,
    };
    let grant = grant.filter(|grant| grant.subject == subject && !grant.is_clients_own() && grant.is_live());
    let Some(grant) = grant else { return Ok(false) };
    context.store.remove_consent(&interaction::consent_of(&grant)).await?;
    revocation::end(context, &grant, "its user asked", now).await?;
    Ok(true)
}

/// Ends all that a user granted. Not often in a row: each time is an entry in the log that all gateways read.
pub(crate) async fn revoke_all(context: &Context, subject: &str, now: UnixTime) -> Result<(), Failure> {
    let counter = format!("revoke all {subject}");
    let until = now.plus(context.config.login.window);
    if context.store.count(&counter, until, now).await? > MOST_AT_ONCE {
        return Err(Failure::TooMany);
    }
    context.store.withdraw_grants_of_user(subject, &*context.clock).await?;
    context.audit.write(&Act::UserWithdrawn.event().subject(subject).because("the user asked"));
    Ok(())
}

/// Ends a sign-in, or all of its user; because this client asked, if one did.
pub(crate) async fn sign_out(
    context: &Context,
    (cookie, session): (&str, &Session),
    (everywhere, client_id): (bool, Option<&str>),
) -> Result<(), StoreError> {
    if everywhere {
        context.store.end_sessions_of_user(&session.subject, &*context.clock).await?;
    }
    context.store.remove_session(Digest::of(cookie)).await?;
    let extent = if everywhere { "everywhere" } else { "in one browser" };
    let event = Act::SignedOut.event().client(client_id).subject(session.subject.as_str());
    context.audit.write(&event.because(extent));
    Ok(())
}
