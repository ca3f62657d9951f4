//! What does the client get? An RFC 9068 access token and what stands beside it in the token response.

use serde::Serialize;

use crate::app::Context;
use crate::clock::UnixTime;
use crate::error::Failure;
use crate::idp::Account;
use crate::oauth::claims::{AccessClaims, Audience};
use crate::oauth::scope::ScopeSet;
use crate::secret::random_text;
use crate::store::grant::Grant;

/// The token response (RFC 6749 section 5.1). It holds secrets, so it has no `Debug`.
#[derive(Serialize)]
pub(crate) struct TokenResponse {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
    scope: ScopeSet,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
}

/// What one access token is for: the whole grant or less.
pub(crate) struct Narrowing {
    pub(crate) resources: Vec<String>,
    pub(crate) scope: ScopeSet,
}

/// Signs an access token for a grant that has just been redeemed or refreshed.
pub(crate) fn issue(
    context: &Context,
    grant: &Grant,
    account: Account,
    narrowing: Narrowing,
    refresh_token: Option<String>,
    now: UnixTime,
) -> Result<TokenResponse, Failure> {
    let lifetime = context.config.lifetimes.access_token;
    let access_token = context.keys.sign(AccessClaims {
        iss: context.config.issuer.as_str().to_owned(),
        sub: account.subject,
        aud: Audience::of(narrowing.resources),
        exp: now.plus(lifetime),
        iat: now,
        jti: random_text::<16>()?,
        client_id: grant.client_id.clone(),
        scope: narrowing.scope.clone(),
        grant_id: grant.id.clone(),
        auth_time: (!grant.is_clients_own()).then_some(grant.auth_time),
        groups: account.groups,
        roles: account.roles,
        org: account.org,
    })?;
    Ok(TokenResponse {
        access_token,
        token_type: "Bearer",
        expires_in: lifetime.as_secs(),
        scope: narrowing.scope,
        refresh_token,
    })
}
