//! May this client turn somebody's access token into one for another audience (RFC 8693)? What comes out is narrower, ends
//! no later, and belongs to the same grant: whoever revokes that ends both.

use super::access_token::{self, Beside, TokenResponse};
use super::narrowing::Narrowing;
use super::{accounts, introspection};
use crate::app::Context;
use crate::audit::Act;
use crate::clock::UnixTime;
use crate::config::Resource;
use crate::error::Failure;
use crate::oauth::claims::AccessClaims;
use crate::oauth::client::Client;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::openid::AccessTokenFormat;
use crate::oauth::params::Params;
use crate::oauth::token_exchange::{self, Request, TokenType};
use crate::secret::Kind;
use crate::store::grant::{Grant, MOST_OPAQUE};

/// Exchanges a token.
pub(crate) async fn exchange(
    context: &Context,
    client: &Client,
    params: &Params,
    jkt: Option<String>,
    now: UnixTime,
) -> Result<TokenResponse, Failure> {
    let request = token_exchange::read(params)?;
    let target = token_exchange::target(params, &context.config.resources)?;
    judge_target(context, client, target)?;
    let claims = subject(context, &request, now).await?;
    judge_source(context, client, &claims, target)?;
    judge_key(&claims, jkt.as_ref())?;
    let scope = token_exchange::narrowed(request.scope.as_ref(), &claims.scope, client, target)?;
    let grant = context.store.grant(&claims.grant_id, now).await?.ok_or_else(refused)?;
    // Somebody who is gone gets no further token, whoever asks.
    let account = accounts::of_grant(context, &grant, now).await?.ok_or_else(refused)?;
    let resources = vec![target.url.clone()];
    judge_format(context, client, &request, (&grant, &resources), now)?;
    let beside = Beside {
        jkt,
        issued_token_type: Some(request.requested.as_str()),
        ends_by: Some(claims.exp),
        ..Beside::default()
    };
    let narrowing = Narrowing { resources, scope };
    let issued = access_token::issue(context, client, &grant, account, narrowing, beside, now).await?;
    let how = format!("one of {} for {}", claims.client_id, target.url);
    context.audit.write(&Act::TokenExchanged.about(&grant).client(client.id.as_str()).because(how));
    Ok(issued)
}

/// Whether this client may exchange anything for this target.
fn judge_target(context: &Context, client: &Client, target: &Resource) -> Result<(), OAuthError> {
    let mut rules = context.config.exchanges.iter().filter(|rule| rule.client == client.id);
    match rules.any(|rule| rule.to == target.url) {
        true => Ok(()),
        false => Err(ErrorCode::InvalidTarget.because("this client may not exchange tokens for this target")),
    }
}

/// Whether it may exchange this very token for it: one that was meant for where the rule says.
fn judge_source(
    context: &Context,
    client: &Client,
    claims: &AccessClaims,
    target: &Resource,
) -> Result<(), OAuthError> {
    let mut rules = context.config.exchanges.iter();
    let may = rules
        .any(|rule| rule.client == client.id && rule.to == target.url && claims.aud.contains(&rule.from));
    match may {
        true => Ok(()),
        false => Err(ErrorCode::InvalidRequest
            .because("this client may not exchange tokens of this audience for this target")),
    }
}

/// The claims of the subject token, if it is alive and what it is said to be.
async fn subject(context: &Context, request: &Request<'_>, now: UnixTime) -> Result<AccessClaims, Failure> {
    let is_opaque = request.subject_token.starts_with(Kind::Access.prefix());
    if request.subject_token_type == TokenType::Jwt && is_opaque {
        return Err(ErrorCode::InvalidRequest.because("the subject token is no JWT").into());
    }
    let claims = introspection::live_claims(context, request.subject_token, now).await?;
    Ok(claims.ok_or_else(refused)?)
}

/// A token that is bound to a key is worth nothing without it (RFC 9449 section 7), here neither.
fn judge_key(claims: &AccessClaims, jkt: Option<&String>) -> Result<(), OAuthError> {
    match &claims.cnf {
        Some(bound) if Some(&bound.jkt) != jkt => Err(ErrorCode::InvalidRequest
            .because("the subject token is bound to a key: a DPoP proof of that key is needed")),
        _ => Ok(()),
    }
}

/// Who asks for a JWT must get one. And a client whose opaque tokens fill their grant must not lose them to exchanges.
fn judge_format(
    context: &Context,
    client: &Client,
    request: &Request<'_>,
    (grant, resources): (&Grant, &[String]),
    now: UnixTime,
) -> Result<(), Failure> {
    if access_token::format(context, client, resources) == AccessTokenFormat::Jwt {
        return Ok(());
    }
    if request.requested == TokenType::Jwt {
        return Err(ErrorCode::InvalidRequest.because("tokens for this target are no JWTs").into());
    }
    let alive = grant.opaque_tokens.iter().filter(|token| now < token.expires_at).count();
    if alive >= MOST_OPAQUE { Err(Failure::TooMany) } else { Ok(()) }
}

/// Section 2.2.2: whatever is wrong with the subject token is `invalid_request`.
fn refused() -> OAuthError {
    ErrorCode::InvalidRequest.because("the subject token is unknown, expired or revoked, or its user is gone")
}
