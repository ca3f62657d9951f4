//! How does somebody sign in elsewhere? The user approves the client here first, then the browser leaves, and only that
//! browser, once, comes back with an answer.
//!
//! The order is what keeps a stranger's client from riding on a sign-in at the provider that is still open (the
//! confused deputy): the page of ours that names the client lies before the provider, not behind it.

use std::net::IpAddr;
use std::time::Duration;

use url::Url;

use super::limit::Limit;
use super::{accounts, interaction};
use crate::app::Context;
use crate::audit::Act;
use crate::clock::UnixTime;
use crate::error::Failure;
use crate::idp::account_rules;
use crate::idp::upstream::{Attempt, Identity, UpstreamError, UpstreamProvider};
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::params::Params;
use crate::secret::{Digest, Opaque};
use crate::store::StoreError;
use crate::store::records::{PendingAuthorization, Session, UpstreamSignIn};

/// For all that a provider is asked about one sign-in.
const LONGEST: Duration = Duration::from_secs(20);
/// A provider's clock may differ from ours by so much.
const LEEWAY: Duration = Duration::from_secs(30);
const NO_ANSWER: &str = "the identity provider does not answer at the moment";

/// The browser leaves for here, with this cookie.
pub(crate) struct Departure {
    pub(crate) location: Url,
    pub(crate) cookie: Opaque,
}

/// A browser that comes back.
pub(crate) struct Return<'a> {
    /// The provider whose callback it is.
    pub(crate) provider: &'a str,
    pub(crate) params: &'a Params,
    /// Whose browser it is.
    pub(crate) browser: Option<&'a str>,
    /// The cookie that it left with.
    pub(crate) cookie: Option<&'a str>,
    /// The session that it has so far.
    pub(crate) session: Option<&'a str>,
}

/// What became of the sign-in.
pub(crate) enum Arrival {
    /// This browser left for no such sign-in, or it is over.
    Unknown,
    /// The client is told so.
    Refused(Box<PendingAuthorization>, OAuthError),
    /// The user is signed in, in a new session of this handle, and has approved the request.
    SignedIn { pending: Box<PendingAuthorization>, handle: Opaque, session: Session },
}

/// Sends a browser whose user has approved the request to a provider.
pub(crate) async fn leave(
    context: &Context,
    provider: &dyn UpstreamProvider,
    (handle, pending): (&str, &PendingAuthorization),
    (cookie, address): (Option<&str>, IpAddr),
    now: UnixTime,
) -> Result<Departure, Failure> {
    let (counter, provider_id) = (departures(address), &provider.config().id);
    let event = Act::SignInThrottled.event().provider(provider_id);
    let counted = Limit::by_address(&context.config.login).count(context, &counter, event, now).await;
    if matches!(counted, Err(Failure::TooMany)) {
        context.metrics.sign_in_tried(provider_id, "throttled");
    }
    counted?;
    // One cookie for all sign-ins of a browser, so that tabs do not disturb each other; each has a state of its own.
    let cookie = Opaque::of_cookie(cookie)?;
    let state = Opaque::handle()?;
    let redirect_uri = callback(context, provider);
    let attempt = attempt(&redirect_uri, state.expose(), cookie.expose(), pending);
    let url = provider.authorization_url(&attempt, now).await;
    let location = url.map_err(|error| {
        context.sightings.provider_answered(&provider.config().id, false, now);
        tracing::warn!(event = "upstream_failed", provider = provider.config().id, %error);
        Failure::Unavailable(NO_ANSWER)
    })?;
    let sign_in = UpstreamSignIn {
        provider: provider.config().id.clone(),
        pending: Digest::of(handle),
        cookie: cookie.digest(),
    };
    let until = pending.created_at.plus(context.config.lifetimes.pending_authorization);
    context.store.put_upstream_sign_in(state.digest(), sign_in, until).await?;
    let client_id = &pending.request.client_id;
    tracing::info!(event = "upstream_sign_in_started", provider = provider.config().id, client_id);
    Ok(Departure { location, cookie })
}

/// Takes a departure back that ended well: it is failures that are few.
pub(crate) async fn came_back(context: &Context, address: IpAddr, now: UnixTime) -> Result<(), StoreError> {
    context.store.uncount(&departures(address), now).await
}

fn departures(address: IpAddr) -> String {
    format!("upstream address {address}")
}

/// Receives a browser. Another browser, another provider's callback and a used state change nothing.
pub(crate) async fn arrive(context: &Context, back: &Return<'_>, now: UnixTime) -> Result<Arrival, Failure> {
    let Some(provider) = context.providers.named(back.provider) else { return Ok(Arrival::Unknown) };
    let (Some(state), Some(cookie)) = (back.params.get("state"), back.cookie) else {
        return Ok(Arrival::Unknown);
    };
    let Some(pending) = own_request(context, back, (state, cookie), now).await? else {
        return Ok(Arrival::Unknown);
    };
    let redirect_uri = callback(context, provider);
    let attempt = attempt(&redirect_uri, state, cookie, &pending);
    let asked = identify(provider, back.params, &attempt, now);
    let asked = tokio::time::timeout(LONGEST, asked).await.unwrap_or(Err(UpstreamError::Unavailable.into()));
    if let Ok(_) | Err(Refusal::Upstream(_)) = &asked {
        context.sightings.provider_answered(back.provider, asked.is_ok(), now);
    }
    let signed_in = match asked {
        Ok(identity) => admit(context, provider, &pending, &identity, now).await?,
        Err(refusal) => Err(refusal),
    };
    let outcome = if signed_in.is_ok() { "signed_in" } else { "refused" };
    context.metrics.sign_in_tried(back.provider, outcome);
    let pending = Box::new(pending);
    match signed_in {
        Ok((subject, auth_time)) => {
            if let Some(earlier) = back.session {
                context.store.remove_session(Digest::of(earlier)).await?;
            }
            let (handle, session) = interaction::start_session(context, subject, auth_time, now).await?;
            let act = Act::SignedIn.event().client(pending.client_id()).subject(session.subject.as_str());
            context.audit.write(&act.provider(back.provider));
            Ok(Arrival::SignedIn { pending, handle, session })
        }
        Err(refusal) => {
            let id = &pending.request.client_id;
            let act = Act::UpstreamSignInRefused.by_client(id).provider(back.provider);
            context.audit.write(&act.because(refusal.reason()));
            Ok(Arrival::Refused(pending, refusal.into_error()))
        }
    }
}

/// The request that this very browser left with; it is over with this answer, whatever that is.
async fn own_request(
    context: &Context,
    back: &Return<'_>,
    (state, cookie): (&str, &str),
    now: UnixTime,
) -> Result<Option<PendingAuthorization>, Failure> {
    let state = Digest::of(state);
    let belongs = |sign_in: &UpstreamSignIn| {
        sign_in.provider == back.provider && sign_in.cookie.matches(&Digest::of(cookie))
    };
    let found = context.store.upstream_sign_in(state, now).await?;
    let Some(sign_in) = found.filter(belongs) else { return Ok(None) };
    let pending = context.store.pending(sign_in.pending, now).await?;
    let browser = back.browser.map(Digest::of);
    let is_same = |pending: &PendingAuthorization| browser.is_some_and(|id| pending.browser.matches(&id));
    if !pending.is_some_and(|pending| is_same(&pending)) {
        return Ok(None);
    }
    match context.store.take_upstream_sign_in(state, now).await? {
        Some(sign_in) => Ok(context.store.take_pending(sign_in.pending, now).await?),
        None => Ok(None),
    }
}

/// Why nobody is signed in.
enum Refusal {
    /// The provider or its user did not want to.
    Theirs,
    /// The answer is another provider's, or incomplete.
    Answer(&'static str),
    Upstream(UpstreamError),
    Account(account_rules::NoAccount),
    /// The client wants a sign-in that is younger, or of known age.
    TooOld,
    /// The client means another user (OpenID Connect Core 3.1.2.2).
    SomebodyElse,
}

async fn identify(
    provider: &dyn UpstreamProvider,
    params: &Params,
    attempt: &Attempt<'_>,
    now: UnixTime,
) -> Result<Identity, Refusal> {
    params.admit().map_err(|_| Refusal::Answer("a parameter is repeated, or no text"))?;
    if !provider.may_have_answered(params.get("iss"), now).await? {
        return Err(Refusal::Answer("iss is missing or another one"));
    }
    if params.get("error").is_some() {
        return Err(Refusal::Theirs);
    }
    let code = params.get("code").ok_or(Refusal::Answer("there is no code"))?;
    Ok(provider.identify(code, attempt, now).await?)
}

/// Lets somebody in and remembers what is known of them: the subject, and when they showed who they are.
async fn admit(
    context: &Context,
    provider: &dyn UpstreamProvider,
    pending: &PendingAuthorization,
    identity: &Identity,
    now: UnixTime,
) -> Result<Result<(String, UnixTime), Refusal>, Failure> {
    let config = provider.config();
    let account = match account_rules::account(&config.rules, &config.issuer, identity) {
        Ok(account) => account,
        Err(none) => {
            // Who is not let in any more keeps nothing of what was known before.
            let subject = account_rules::subject(&config.issuer, &identity.subject);
            accounts::forget(context, &subject).await?;
            return Ok(Err(Refusal::Account(none)));
        }
    };
    if let Some(most) = pending.request.max_age {
        let most = Duration::from_secs(most).saturating_add(LEEWAY);
        if identity.auth_time.is_none_or(|at| now.since(at) > most) {
            return Ok(Err(Refusal::TooOld));
        }
    }
    // A provider that knows when its user signed in, and did not ask again, has not done what the client wanted.
    let is_earlier = |at: UnixTime| at.plus(LEEWAY) < pending.created_at;
    if pending.request.prompt.login && identity.auth_time.is_some_and(is_earlier) {
        return Ok(Err(Refusal::TooOld));
    }
    let subject = account.subject.clone();
    if !pending.request.openid.means(&subject) {
        return Ok(Err(Refusal::SomebodyElse));
    }
    accounts::learn(context, config, account, now).await?;
    Ok(Ok((subject, identity.auth_time.map_or(now, |at| at.min(now)))))
}

fn attempt<'a>(
    redirect_uri: &'a str,
    state: &'a str,
    cookie: &'a str,
    pending: &PendingAuthorization,
) -> Attempt<'a> {
    let request = &pending.request;
    let again = request.prompt.asks_again() || request.max_age == Some(0);
    Attempt { redirect_uri, state, cookie, again, max_age: request.max_age }
}

/// Each provider has a callback of its own, so that no answer of one passes for another's (RFC 9700 section 4.4.2.2).
fn callback(context: &Context, provider: &dyn UpstreamProvider) -> String {
    context.config.issuer.endpoint(&format!("/callback/{}", provider.config().id))
}

// === impl Refusal ===

impl Refusal {
    /// For records: nothing of what the provider sent is in it.
    fn reason(&self) -> String {
        match self {
            Self::Upstream(error) => error.to_string(),
            Self::Theirs => "the provider refused".to_owned(),
            Self::Answer(why) => (*why).to_owned(),
            Self::Account(none) => none.to_string(),
            Self::TooOld => "the sign-in is too old, or of unknown age".to_owned(),
            Self::SomebodyElse => "the client means another user".to_owned(),
        }
    }

    fn into_error(self) -> OAuthError {
        match self {
            Self::Upstream(UpstreamError::Unavailable) => {
                ErrorCode::TemporarilyUnavailable.because(NO_ANSWER)
            }
            Self::Theirs => {
                ErrorCode::AccessDenied.because("the user was not signed in by the identity provider")
            }
            Self::Upstream(UpstreamError::Refused { .. }) | Self::Answer(_) => {
                ErrorCode::AccessDenied.because("the answer of the identity provider cannot be accepted")
            }
            Self::Account(_) => ErrorCode::AccessDenied.because("this user is not let in here"),
            Self::SomebodyElse => ErrorCode::LoginRequired.because("another user is signed in"),
            Self::TooOld => ErrorCode::LoginRequired
                .because("the identity provider does not say that the sign-in is recent"),
        }
    }
}

impl From<UpstreamError> for Refusal {
    fn from(error: UpstreamError) -> Self {
        Self::Upstream(error)
    }
}
