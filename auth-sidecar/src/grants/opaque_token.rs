//! What is an access token that says nothing? A random string; what it stands for lies on its grant.

use super::{accounts, clients};
use crate::app::Context;
use crate::clock::UnixTime;
use crate::error::Failure;
use crate::oauth::claims::{self, AccessClaims, Audience, Confirmation};
use crate::secret::{Digest, Kind, Opaque, grant_id_of};
use crate::store::StoreError;
use crate::store::grant::OpaqueToken;

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

/// The claims that it stands for, while it, its grant and its user live.
pub(crate) async fn claims(
    context: &Context,
    presented: &str,
    now: UnixTime,
) -> Result<Option<AccessClaims>, StoreError> {
    let Some(id) = grant_id_of(Kind::Access, presented) else { return Ok(None) };
    let Some(grant) = context.store.grant(id, now).await?.filter(|grant| grant.is_live()) else {
        return Ok(None);
    };
    let digest = Digest::of(presented);
    let token = grant.opaque_tokens.iter().find(|token| token.digest.matches(&digest));
    let Some(token) = token.filter(|token| now < token.expires_at) else { return Ok(None) };
    let client_id = token.client_id.as_ref().unwrap_or(&grant.client_id);
    if !clients::let_count(context, &grant, (client_id, token.issued_at), now).await? {
        return Ok(None);
    }
    let Some(account) = accounts::of_grant(context, &grant, now).await? else { return Ok(None) };
    Ok(Some(AccessClaims {
        iss: context.config.issuer.as_str().to_owned(),
        sub: account.subject,
        aud: Audience::of(token.resources.clone()),
        exp: token.expires_at,
        iat: token.issued_at,
        jti: token.id.clone(),
        client_id: client_id.clone(),
        scope: token.scope.clone(),
        grant_id: grant.id.clone(),
        grant_client_id: claims::grant_client_id(&grant.client_id, client_id),
        auth_time: accounts::auth_time(&grant),
        groups: account.groups,
        roles: account.roles,
        org: account.org,
        cnf: token.jkt.clone().map(|jkt| Confirmation { jkt }),
    }))
}
