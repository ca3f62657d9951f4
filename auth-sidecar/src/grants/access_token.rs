//! What does the client get? An access token (RFC 9068, or an opaque one) and what stands beside it in the token
//! response.

use serde::Serialize;

use super::narrowing::Narrowing;
use super::{accounts, id_token, opaque_token};
use crate::app::Context;
use crate::clock::UnixTime;
use crate::error::Failure;
use crate::idp::Account;
use crate::oauth::claims::{self, AccessClaims, Audience, Confirmation};
use crate::oauth::client::Client;
use crate::oauth::openid::{AccessTokenFormat, OPENID};
use crate::oauth::scope::ScopeSet;
use crate::secret::random_text;
use crate::store::grant::Grant;

/// The token response (RFC 6749 section 5.1). It holds secrets, so it has no `Debug`.
#[derive(Serialize)]
pub(crate) struct TokenResponse {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
    /// Section 3.3 knows no empty one.
    #[serde(skip_serializing_if = "ScopeSet::is_empty")]
    scope: ScopeSet,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_token_type: Option<&'static str>,
}

// === impl TokenResponse ===

impl TokenResponse {
    /// The access token alone, and for how many seconds it holds.
    pub(crate) fn into_access_token(self) -> (String, u64) {
        (self.access_token, self.expires_in)
    }
}

/// What stands beside the access token, and what it is bound to.
#[derive(Default)]
pub(crate) struct Beside {
    /// The refresh token.
    pub(crate) refresh_token: Option<String>,
    /// Thumbprint of the key that the client proved to hold.
    pub(crate) jkt: Option<String>,
    /// `nonce` of the authorization request.
    pub(crate) nonce: Option<String>,
    /// `issued_token_type` of a token exchange (RFC 8693 section 2.2.1).
    pub(crate) issued_token_type: Option<&'static str>,
    /// It ends then at the latest.
    pub(crate) ends_by: Option<UnixTime>,
}

/// Issues an access token to a client, for a grant that lives.
pub(crate) async fn issue(
    context: &Context,
    client: &Client,
    grant: &Grant,
    account: Account,
    narrowing: Narrowing,
    beside: Beside,
    now: UnixTime,
) -> Result<TokenResponse, Failure> {
    let end = now.plus(context.config.lifetimes.access_token);
    let end = beside.ends_by.map_or(end, |latest| latest.min(end));
    let format = format(context, client, &narrowing.resources);
    let token_type = if beside.jkt.is_some() { "DPoP" } else { "Bearer" };
    let claims = AccessClaims {
        iss: context.config.issuer.as_str().to_owned(),
        sub: account.subject,
        aud: Audience::of(narrowing.resources),
        exp: end,
        iat: now,
        jti: random_text::<16>()?,
        client_id: client.id.clone(),
        scope: narrowing.scope.clone(),
        grant_id: grant.id.clone(),
        grant_client_id: claims::grant_client_id(&grant.client_id, &client.id),
        auth_time: accounts::auth_time(grant),
        groups: account.groups,
        roles: account.roles,
        org: account.org,
        cnf: beside.jkt.map(|jkt| Confirmation { jkt }),
    };
    let access_token = match format {
        AccessTokenFormat::Jwt => context.keys.sign(claims)?,
        AccessTokenFormat::Opaque => opaque_token::issue(context, claims, now).await?,
    };
    let id_token = match narrowing.scope.contains(OPENID) {
        true => Some(id_token::issue(context, client, grant, beside.nonce, &access_token, now)?),
        false => None,
    };
    Ok(TokenResponse {
        access_token,
        token_type,
        expires_in: end.since(now).as_secs(),
        scope: narrowing.scope,
        refresh_token: beside.refresh_token,
        id_token,
        issued_token_type: beside.issued_token_type,
    })
}

/// What the client gets, else what its resource servers want: one that wants to ask decides for all.
pub(super) fn format(context: &Context, client: &Client, resources: &[String]) -> AccessTokenFormat {
    let mut wanted = resources.iter().filter_map(|url| context.config.resources.exactly(url));
    let opaque = wanted.any(|resource| resource.access_tokens == AccessTokenFormat::Opaque);
    let by_resource = if opaque { AccessTokenFormat::Opaque } else { AccessTokenFormat::Jwt };
    client.preferences.access_tokens.unwrap_or(by_resource)
}
