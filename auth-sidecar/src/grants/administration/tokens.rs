//! What is this token? Asked by an operator who holds it, from a log or a report.

use serde::Serialize;

use super::super::{accounts, introspection};
use super::GrantSummary;
use crate::app::Context;
use crate::clock::UnixTime;
use crate::oauth::claims::AccessClaims;
use crate::secret::{Digest, Kind, grant_id_of};
use crate::store::StoreError;
use crate::store::grant::Grant;

/// What a token is.
#[derive(Debug, Serialize)]
pub(crate) struct Inspected {
    active: bool,
    kind: TokenKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    claims: Option<AccessClaims>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grant: Option<GrantSummary>,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum TokenKind {
    /// It works as an access token.
    AccessToken,
    /// It is or was a refresh token.
    RefreshToken,
    /// It was not issued here, or nothing is known of it any more.
    Unknown,
}

/// What this token is, and what it came from.
pub(crate) async fn inspect(context: &Context, token: &str, now: UnixTime) -> Result<Inspected, StoreError> {
    if let Some(id) = grant_id_of(Kind::Refresh, token) {
        let digest = Digest::of(token);
        let grant = context.store.grant(id, now).await?.filter(|grant| grant.knows_refresh(&digest));
        let active = match &grant {
            Some(grant) => {
                is_active(grant, &digest, now) && accounts::of_grant(context, grant, now).await?.is_some()
            }
            None => false,
        };
        return Ok(Inspected::of(TokenKind::RefreshToken, active, None, grant));
    }
    if let Some(claims) = introspection::live_claims(context, token, now).await? {
        let grant = context.store.grant(&claims.grant_id, now).await?;
        return Ok(Inspected::of(TokenKind::AccessToken, true, Some(claims), grant));
    }
    // Of a user who is gone: it is dead wherever we are asked, and may be good yet at a gateway that does not ask.
    match introspection::held(context, token, now).await? {
        Some((grant, _)) => Ok(Inspected::of(TokenKind::AccessToken, false, None, Some(grant))),
        None => Ok(Inspected::of(TokenKind::Unknown, false, None, None)),
    }
}

fn is_active(grant: &Grant, refresh: &Digest, now: UnixTime) -> bool {
    grant.is_live() && grant.is_current_refresh(refresh, now)
}

// === impl Inspected ===

impl Inspected {
    fn of(kind: TokenKind, active: bool, claims: Option<AccessClaims>, grant: Option<Grant>) -> Self {
        let kind = if claims.is_none() && grant.is_none() { TokenKind::Unknown } else { kind };
        Self { active, kind, claims, grant: grant.map(GrantSummary::from) }
    }
}
