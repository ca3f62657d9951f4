//! May this client turn somebody's access token into one for another audience (RFC 8693)? What comes out is narrower, ends
//! no later, and belongs to the same grant: whoever revokes that ends both.

use super::access_token::{self, Beside, TokenResponse};
use super::narrowing::Narrowing;
use super::{accounts, introspection};
use crate::app::Context;
use crate::audit::Act;
use crate::clock::UnixTime;
use crate::config::{Exchange, Resource};
use crate::error::Failure;
use crate::oauth::claims::AccessClaims;
use crate::oauth::client::Client;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::openid::AccessTokenFormat;
use crate::oauth::params::Params;
use crate::oauth::resource;
use crate::oauth::scope::ScopeSet;
use crate::oauth::token_exchange::{self, Request, TokenType};
use crate::secret::Kind;
use crate::store::grant::{Grant, MOST_OPAQUE};

/// What a gateway gets for a token.
pub(crate) enum ForGateway {
    /// Another one, and the seconds that it holds.
    Given(String, u64),
    /// Nothing: it is dead, or meant for another resource server.
    Dead,
    /// Nothing: it is good, and allows nothing there. Any of these scopes would.
    Needs(ScopeSet),
}

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
    let narrowing = Narrowing { resources: vec![target.url.clone()], scope };
    let issued = issue(context, client, &claims, narrowing, (request.requested, jkt), now).await?;
    Ok(issued.ok_or_else(refused)?)
}

/// The same for a gateway, which asks at the internal listener, as the client that the operator names: a token for `to` in place of
/// one for `from` that it was shown. `Needs` only where a user could have asked for what is missing: all else is a mistake of the operator.
///
/// Whether whoever showed it holds the key to which it is bound is for the gateway to ask, and was asked; what it gets is its own.
pub(crate) async fn for_gateway(
    context: &Context,
    token: &str,
    (from, to): (&str, &str),
    scope: Option<&ScopeSet>,
    now: UnixTime,
) -> Result<ForGateway, Failure> {
    let refuse = |code: ErrorCode, why: &'static str| code.because(why);
    let named = context.config.gateway_client.as_ref();
    let mut clients = context.config.clients.iter();
    let client = clients.find(|client| Some(&client.id) == named);
    let client = client.ok_or_else(|| {
        refuse(ErrorCode::UnauthorizedClient, "gateway_client is not configured: nothing is exchanged here")
    })?;
    let target = context.config.resources.exactly(to);
    let target = target.ok_or_else(|| refuse(ErrorCode::InvalidTarget, "the target is unknown"))?;
    let is_this = |rule: &&Exchange| rule.client == client.id && rule.from == from && rule.to == to;
    if !context.config.exchanges.iter().any(|rule| is_this(&rule)) {
        return Err(
            refuse(ErrorCode::InvalidTarget, "the gateway may not exchange tokens in this way").into()
        );
    }
    let claims = introspection::live_claims(context, token, now).await?;
    let Some(claims) = claims.filter(|claims| claims.aud.contains(from)) else { return Ok(ForGateway::Dead) };
    // A gateway asks for as much as it could use; the token may have less.
    let asked = scope.map(|scope| scope.and(&claims.scope));
    if let Some(needed) = missing(context, client, (from, target), (scope, &claims.scope)) {
        return Ok(ForGateway::Needs(needed));
    }
    let scope = token_exchange::narrowed(asked.as_ref(), &claims.scope, client, target)?;
    let narrowing = Narrowing { resources: vec![target.url.clone()], scope };
    let issued = issue(context, client, &claims, narrowing, (TokenType::AccessToken, None), now).await?;
    let given = issued.map(TokenResponse::into_access_token);
    Ok(given.map_or(ForGateway::Dead, |(token, lives)| ForGateway::Given(token, lives)))
}

/// The scopes of which one is needed and none is held, as far as a token for `from` can have them; `None` where one is held, or no
/// token for `from` ever could.
fn missing(
    context: &Context,
    client: &Client,
    (from, target): (&str, &Resource),
    (asked, held): (Option<&ScopeSet>, &ScopeSet),
) -> Option<ScopeSet> {
    let there = resource::without_user(client, target);
    let useful = asked.map_or_else(|| there.clone(), |asked| asked.and(&there));
    let needed = useful.and(&context.config.resources.exactly(from)?.scopes);
    (held.and(&useful).is_empty() && !needed.is_empty()).then_some(needed)
}

/// Issues it, of the grant of the token that says these claims. `None` where that or its user is gone.
async fn issue(
    context: &Context,
    client: &Client,
    claims: &AccessClaims,
    narrowing: Narrowing,
    (requested, jkt): (TokenType, Option<String>),
    now: UnixTime,
) -> Result<Option<TokenResponse>, Failure> {
    let Some(grant) = context.store.grant(&claims.grant_id, now).await? else { return Ok(None) };
    // Somebody who is gone gets no further token, whoever asks.
    let Some(account) = accounts::of_grant(context, &grant, now).await? else { return Ok(None) };
    judge_format(context, client, requested, (&grant, &narrowing.resources), now)?;
    let how = format!("one of {} for {}", claims.client_id, narrowing.resources.join(" "));
    let beside = Beside {
        jkt,
        issued_token_type: Some(requested.as_str()),
        ends_by: Some(claims.exp),
        ..Beside::default()
    };
    let issued = access_token::issue(context, client, &grant, account, narrowing, beside, now).await?;
    context.audit.write(&Act::TokenExchanged.about(&grant).client(client.id.as_str()).because(how));
    Ok(Some(issued))
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
    requested: TokenType,
    (grant, resources): (&Grant, &[String]),
    now: UnixTime,
) -> Result<(), Failure> {
    if access_token::format(context, client, resources) == AccessTokenFormat::Jwt {
        return Ok(());
    }
    if requested == TokenType::Jwt {
        return Err(ErrorCode::InvalidRequest.because("tokens for this target are no JWTs").into());
    }
    let alive = grant.opaque_tokens.iter().filter(|token| now < token.expires_at).count();
    if alive >= MOST_OPAQUE { Err(Failure::TooMany) } else { Ok(()) }
}

/// Section 2.2.2: whatever is wrong with the subject token is `invalid_request`.
fn refused() -> OAuthError {
    ErrorCode::InvalidRequest.because("the subject token is unknown, expired or revoked, or its user is gone")
}
