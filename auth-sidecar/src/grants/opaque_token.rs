//! What is an access token that says nothing? A random string; what it stands for lies on its grant.

use super::{accounts, clients};
use crate::app::Context;
use crate::clock::UnixTime;
use crate::error::Failure;
use crate::idp::Account;
use crate::oauth::claims::{self, AccessClaims, Audience, Confirmation};
use crate::secret::{Digest, Kind, Opaque, grant_id_of};
use crate::store::StoreError;
use crate::store::grant::{Grant, OpaqueToken};

/// Issues one that stands for these claims.
pub(crate) async fn issue(context: &Context, claims: AccessClaims, now: UnixTime) -> Result<String, Failure> {
    let token = Opaque::for_grant(Kind::Access, &claims.grant_id)?;
    let kept = OpaqueToken {
        digest: token.digest(),
        id: claims.jti,
        issued_at: claims.iat,
        expires_at: claims.exp,
        scope: claims.scope,
        resources: match claims.aud {
            Audience::One(one) => vec![one],
            Audience::Many(many) => many,
        },
        jkt: claims.cnf.map(|confirmation| confirmation.jkt),
        client_id: Some(claims.client_id),
    };
    context.store.add_opaque_token(&claims.grant_id, kept, now).await?;
    Ok(token.expose().to_owned())
}

/// What is kept of it, and its grant, while both live.
pub(super) async fn find(
    context: &Context,
    presented: &str,
    now: UnixTime,
) -> Result<Option<(Grant, OpaqueToken)>, StoreError> {
    let Some(id) = grant_id_of(Kind::Access, presented) else { return Ok(None) };
    let Some(grant) = context.store.grant(id, now).await?.filter(Grant::is_live) else {
        return Ok(None);
    };
    let digest = Digest::of(presented);
    let token = grant.opaque_tokens.iter().find(|token| token.digest.matches(&digest));
    let Some(token) = token.filter(|token| now < token.expires_at).cloned() else { return Ok(None) };
    let counts = clients::let_count(context, &grant, (holder(&grant, &token), token.issued_at), now).await?;
    Ok(counts.then_some((grant, token)))
}

/// The client that got it.
pub(super) fn holder<'g>(grant: &'g Grant, token: &'g OpaqueToken) -> &'g str {
    token.client_id.as_ref().unwrap_or(&grant.client_id)
}

/// The claims that it stands for, of this user.
pub(super) fn claims(context: &Context, grant: &Grant, token: OpaqueToken, account: Account) -> AccessClaims {
    let client_id = holder(grant, &token).to_owned();
    AccessClaims {
        iss: context.config.issuer.as_str().to_owned(),
        sub: account.subject,
        aud: Audience::of(token.resources),
        exp: token.expires_at,
        iat: token.issued_at,
        jti: token.id,
        grant_client_id: claims::grant_client_id(&grant.client_id, &client_id),
        client_id,
        scope: token.scope,
        grant_id: grant.id.clone(),
        auth_time: accounts::auth_time(grant),
        groups: account.groups,
        roles: account.roles,
        org: account.org,
        cnf: token.jkt.map(|jkt| Confirmation { jkt }),
    }
}
