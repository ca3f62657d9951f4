//! How does a device without a browser get tokens? Its user types a code elsewhere (RFC 8628). What the user allows
//! becomes a grant whose code is the device code: it is redeemed once, like every other.

use std::time::Duration;

use serde::Serialize;

use super::access_token::{self, Beside, TokenResponse};
use super::narrowing::Narrowing;
use super::{accounts, authorization_code, client_documents, clients, grant_limit};
use crate::app::Context;
use crate::audit::Act;
use crate::clock::UnixTime;
use crate::error::Failure;
use crate::oauth::authorization_request::{AuthorizationRequest, Prompt};
use crate::oauth::client::Client;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::openid::OpenIdRequest;
use crate::oauth::params::Params;
use crate::oauth::{metadata_document, resource, user_code};
use crate::secret::{Digest, Kind, Opaque, grant_id_of, random_bytes, random_text};
use crate::store::device::{Approver, DeviceAuthorization, Polled};
use crate::store::grant::{Binding, Code, Grant};
use crate::store::records::Session;

/// Seconds between two questions of a device, to begin with.
const INTERVAL: u64 = 5;
/// A device asks again and again, perhaps before it has heard the answer: for so long a question more is no sign of a thief.
const OVERLAP: Duration = Duration::from_secs(10);
/// Codes that are tried before giving up because each was taken.
const MOST_TRIES: usize = 4;

/// The answer of the device authorization endpoint (section 3.2). It holds a secret, so it has no `Debug`.
#[derive(Serialize)]
pub(crate) struct Offered {
    device_code: String,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: String,
    expires_in: u64,
    interval: u64,
}

/// Begins.
pub(crate) async fn offer(
    context: &Context,
    client: &Client,
    params: &Params,
    now: UnixTime,
) -> Result<Offered, Failure> {
    let config = &context.config;
    let resources = resource::requested_or_own(params, &config.resources, config.issuer.as_str())?;
    let scope = resource::requested_scope(params, client, &resources, &config.resources)?;
    let lifetime = config.lifetimes.device_code;
    let id = random_text::<16>()?;
    let device_code = Opaque::for_grant(Kind::Device, &id)?;
    let mut device = DeviceAuthorization {
        id,
        device_code: device_code.digest(),
        user_code: device_code.digest(),
        client_id: client.id.clone(),
        scope,
        resources,
        expires_at: now.plus(lifetime),
        interval: INTERVAL,
        asked_at: None,
        approved: None,
        approver: None,
    };
    for _ in 0..MOST_TRIES {
        let code = user_code::of(random_bytes::<16>()?);
        device.user_code = kept(context, &code);
        if context.store.put_device(device.clone(), now).await? {
            if metadata_document::is_url(&client.id) {
                // Nobody has let it in yet, and it asks at the token endpoint whether somebody has.
                client_documents::remember(context, &client.id, device.remembered_until(), now).await?;
            }
            let verification_uri = config.issuer.endpoint("/device");
            return Ok(Offered {
                device_code: device_code.expose().to_owned(),
                verification_uri_complete: format!("{verification_uri}?user_code={code}"),
                user_code: code,
                verification_uri,
                expires_in: lifetime.as_secs(),
                interval: INTERVAL,
            });
        }
    }
    Err(Failure::TooMany)
}

/// The request of the device whose user typed this code, as it is shown to that user.
pub(crate) async fn request_of(
    context: &Context,
    typed: &str,
    now: UnixTime,
) -> Result<Option<(DeviceAuthorization, AuthorizationRequest)>, Failure> {
    let Some(code) = user_code::read(typed) else { return Ok(None) };
    let found = context.store.device_of_user_code(kept(context, &code), now).await?;
    let Some(device) = found.filter(|device| device.approved.is_none() && now < device.expires_at) else {
        return Ok(None);
    };
    let request = AuthorizationRequest {
        client_id: device.client_id.clone(),
        redirect_uri: String::new(),
        state: None,
        scope: device.scope.clone(),
        resources: device.resources.clone(),
        challenge: device.device_code,
        document: None,
        // Whoever sent the link may be somebody else (section 5.4): the user must always look.
        prompt: Prompt { consent: true, ..Prompt::default() },
        max_age: None,
        openid: OpenIdRequest::default(),
        is_assured: false,
        dpop_jkt: None,
    };
    Ok(Some((device, request)))
}

/// What the user decided.
#[derive(Clone, Copy)]
pub(crate) enum Decision<'a> {
    /// The device gets what it asked for, in the name of whom this session is.
    Approved(&'a Session),
    /// It gets nothing; to say so one need not be signed in.
    Denied(Option<&'a Session>),
}

/// The user has decided; `false` when it was too late.
///
/// # Errors
/// [`Failure::TooMany`] where this user has granted too much lately, and nothing is decided; ours, too.
pub(crate) async fn decide(
    context: &Context,
    id: &str,
    decision: Decision<'_>,
    now: UnixTime,
) -> Result<bool, Failure> {
    let (approver, subject) = match decision {
        Decision::Approved(Session { subject, auth_time, .. }) => {
            // Before it is decided: the device goes on asking, and its user may type the code again later.
            grant_limit::count(context, subject, None, now).await?;
            (Some(Approver { subject: subject.clone(), auth_time: *auth_time, at: now }), Some(subject))
        }
        Decision::Denied(session) => (None, session.map(|session| &session.subject)),
    };
    let Some(device) = context.store.decide_device(id, approver, now).await? else { return Ok(false) };
    let act = if device.approved == Some(true) { Act::DeviceApproved } else { Act::DeviceDenied };
    let subject = subject.map(String::as_str);
    context.audit.write(&act.by_client(&device.client_id).subject(subject).grant(&device.id));
    if let Some(grant) = grant(&device) {
        if let Err(error) = context.store.put_new_grant(grant, now).await {
            // The device's next question makes up for it.
            tracing::error!(event = "device_grant_not_kept", %error);
        }
        clients::let_in(context, &device.client_id, now).await;
    }
    Ok(true)
}

/// The grant of a device whose code this is, if its user has allowed it.
async fn granted(
    context: &Context,
    client: &Client,
    (id, code): (&str, Digest),
    now: UnixTime,
) -> Result<Grant, Failure> {
    let is_its = |grant: &Grant| grant.code.digest.matches(&code) && grant.client_id == client.id;
    if let Some(grant) = context.store.grant(id, now).await?.filter(is_its) {
        return Ok(grant);
    }
    let polled = context.store.poll_device(id, code, &client.id, now).await?;
    if polled == Polled::Approved
        && let Some(grant) = context.store.device(id, now).await?.and_then(|device| grant(&device))
    {
        // It lives at least as long as its device can ask, so that it was never there before.
        context.store.put_new_grant(grant, now).await?;
        return context.store.grant(id, now).await?.filter(is_its).ok_or_else(|| refused().into());
    }
    Err(not_yet(polled).into())
}

/// The device asks for its tokens (section 3.4).
pub(crate) async fn redeem(
    context: &Context,
    client: &Client,
    params: &Params,
    jkt: Option<String>,
    now: UnixTime,
) -> Result<TokenResponse, Failure> {
    let presented = params.require("device_code")?;
    let digest = Digest::of(presented);
    let id = grant_id_of(Kind::Device, presented).ok_or_else(refused)?;
    let grant = granted(context, client, (id, digest), now).await?;
    if !grant.is_live() {
        return Err(refused().into());
    }
    let narrowing = Narrowing::of(context, client, &grant, params, None)?;
    let account = accounts::current(context, &grant.subject, now).await?.ok_or_else(refused)?;
    let successor = authorization_code::first_refresh_token(client, &grant.id)?;
    let presented = (digest, successor.as_ref(), jkt.as_deref(), OVERLAP);
    if !authorization_code::use_up(context, client, &grant, presented, now).await? {
        return Err(refused().into());
    }
    let refresh_token = successor.map(|token| token.expose().to_owned());
    let beside = Beside { refresh_token, jkt, ..Beside::default() };
    let issued = access_token::issue(context, client, &grant, account, narrowing, beside, now).await?;
    context.audit.write(&Act::TokenIssued.about(&grant).because("device code"));
    Ok(issued)
}

/// 34 bits are guessed in no time, so a plain digest would give the code away.
fn kept(context: &Context, user_code: &str) -> Digest {
    context.config.data_key.digest(&format!("user code {user_code}"))
}

/// What the device gets whose user has allowed it. It is as old as that, whenever it is made: what was withdrawn since is withdrawn.
fn grant(device: &DeviceAuthorization) -> Option<Grant> {
    let approver = device.approver.clone()?;
    Some(Grant {
        id: device.id.clone(),
        client_id: device.client_id.clone(),
        subject: approver.subject,
        auth_time: approver.auth_time,
        scope: device.scope.clone(),
        resources: device.resources.clone(),
        redirect_uri: String::new(),
        challenge: device.device_code,
        document: None,
        code: Code { digest: device.device_code, expires_at: device.expires_at, used: false, used_at: None },
        refresh: None,
        binding: Binding::default(),
        opaque_tokens: Vec::new(),
        created_at: approver.at,
        expires_at: device.expires_at,
        revoked_at: None,
    })
}

/// Section 3.5.
fn not_yet(polled: Polled) -> OAuthError {
    match polled {
        Polled::Pending | Polled::Approved => {
            ErrorCode::AuthorizationPending.because("the user has not decided yet")
        }
        Polled::SlowDown => ErrorCode::SlowDown.because("wait five seconds longer between two requests"),
        Polled::Denied => ErrorCode::AccessDenied.because("the user did not consent"),
        Polled::Expired => ErrorCode::ExpiredToken.because("the device code has expired"),
        Polled::Refused => refused(),
    }
}

fn refused() -> OAuthError {
    ErrorCode::InvalidGrant.because("the device code is unknown, used, or was issued to another client")
}
