//! What must the user still do before the client gets its answer? Sign in, consent, or nothing.

use super::accounts;
use crate::app::Context;
use crate::audit::Act;
use crate::clock::UnixTime;
use crate::error::Failure;
use crate::oauth::authorization_request::AuthorizationRequest;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::redirect_uri;
use crate::secret::{Digest, Opaque};
use crate::store::StoreError;
use crate::store::grant::Grant;
use crate::store::records::{Consent, ConsentKey, PendingAuthorization, Session};

/// A session's `seen_at` is written at most this often: not every request needs a commit.
const SEEN_EVERY: std::time::Duration = std::time::Duration::from_secs(300);

/// The next step.
pub(crate) enum Step {
    /// Show the login page.
    Login,
    /// Show the consent page to this user.
    Consent(Session),
    /// Nothing: this user agreed to all of it before.
    Grant(Session),
    /// The client wanted nothing to be shown, and something would have to be.
    Refuse(OAuthError),
}

/// Decides the next step of a request in a browser with this session.
pub(crate) async fn next_step(
    context: &Context,
    pending: &PendingAuthorization,
    session: Option<Session>,
    now: UnixTime,
) -> Result<Step, StoreError> {
    let request = &pending.request;
    let session =
        session.filter(|session| pending.signed_in_for_it || is_recent_enough(request, session, now));
    let session = match session {
        Some(session) => accounts::current(context, &session.subject, now).await?.map(|_| session),
        None => None,
    };
    let Some(session) = session else {
        return Ok(match request.prompt.none {
            true => Step::Refuse(ErrorCode::LoginRequired.because("the user is not signed in")),
            false => Step::Login,
        });
    };
    if !request.openid.means(&session.subject) {
        // Somebody else is signed in than the one whom the client means (OpenID Connect Core 3.1.2.2).
        return Ok(match pending.signed_in_for_it || request.prompt.none {
            true => Step::Refuse(ErrorCode::LoginRequired.because("another user is signed in")),
            false => Step::Login,
        });
    }
    let consent = context.store.consent(consent_key(request, &session), now).await?;
    // Whoever else this may be is not let in by what the user agreed to before.
    let agreed =
        request.is_assured && consent.is_some_and(|consent| request.scope.is_subset_of(&consent.scope));
    Ok(match (agreed && !request.prompt.consent, request.prompt.none) {
        (true, _) => Step::Grant(session),
        (false, true) => Step::Refuse(ErrorCode::ConsentRequired.because("the user has not consented")),
        (false, false) => Step::Consent(session),
    })
}

/// Remembers what the user agreed to: for this client, this destination and these resource servers only.
pub(crate) async fn remember_consent(
    context: &Context,
    request: &AuthorizationRequest,
    session: &Session,
    now: UnixTime,
) -> Result<(), StoreError> {
    let key = consent_key(request, session);
    let earlier =
        context.store.consent(key.clone(), now).await?.map(|consent| consent.scope).unwrap_or_default();
    let consent = Consent { scope: request.scope.or(&earlier), given_at: now };
    context.store.put_consent(key, consent, now.plus(context.config.lifetimes.consent)).await?;
    context.audit.write(&Act::ConsentGiven.by_client(&request.client_id).subject(session.subject.as_str()));
    Ok(())
}

/// Signs a browser in: always under a new handle, so that one that an attacker planted is worth nothing.
pub(crate) async fn start_session(
    context: &Context,
    subject: String,
    auth_time: UnixTime,
    now: UnixTime,
) -> Result<(Opaque, Session), Failure> {
    let lifetimes = &context.config.lifetimes;
    let handle = Opaque::handle()?;
    let ends_at = now.plus(lifetimes.session_absolute);
    let session = Session { subject, auth_time, started_at: now, seen_at: now, ends_at };
    context
        .store
        .put_session(handle.digest(), session.clone(), now.plus(lifetimes.session_idle).min(ends_at))
        .await?;
    Ok((handle, session))
}

/// The session of a cookie, kept alive by being used.
pub(crate) async fn session(
    context: &Context,
    cookie: Option<&str>,
    now: UnixTime,
) -> Result<Option<Session>, StoreError> {
    let Some(id) = cookie.map(Digest::of) else { return Ok(None) };
    let Some(mut session) = context.store.session(id, now).await? else { return Ok(None) };
    let idle = context.config.lifetimes.session_idle;
    // Where that is short, what is noted seldom would come too late.
    if now.since(session.seen_at) >= SEEN_EVERY.min(idle / 4) {
        session.seen_at = now;
        let until = now.plus(idle).min(session.ends_at);
        // Where it has ended since, it stays so.
        if !context.store.see_session(id, now, until).await? {
            return Ok(None);
        }
    }
    Ok(Some(session))
}

fn is_recent_enough(request: &AuthorizationRequest, session: &Session, now: UnixTime) -> bool {
    let age = now.since(session.auth_time).as_secs();
    // Zero means `prompt=login` (OpenID Connect Core 3.1.2.1), also within the second of the sign-in.
    !request.prompt.asks_again() && request.max_age.is_none_or(|most| most > 0 && age <= most)
}

/// What the consent to a grant is remembered under.
pub(crate) fn consent_of(grant: &Grant) -> ConsentKey {
    let Grant { subject, client_id, redirect_uri, resources, .. } = grant;
    key_of((subject, client_id, redirect_uri), resources)
}

fn consent_key(request: &AuthorizationRequest, session: &Session) -> ConsentKey {
    key_of((&session.subject, &request.client_id, &request.redirect_uri), &request.resources)
}

fn key_of((subject, client_id, redirect_uri): (&str, &str, &str), resources: &[String]) -> ConsentKey {
    let mut resources = resources.to_vec();
    resources.sort_unstable();
    ConsentKey {
        subject: subject.to_owned(),
        client_id: client_id.to_owned(),
        redirect_uri: redirect_uri::without_loopback_port(redirect_uri).into_owned(),
        resources,
    }
}
