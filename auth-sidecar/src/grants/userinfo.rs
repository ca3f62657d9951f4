//! What may the holder of this access token know about the user? OpenID Connect Core 5.3.

use serde::Serialize;

use super::{accounts, introspection};
use crate::app::Context;
use crate::clock::UnixTime;
use crate::oauth::claims::AccessClaims;
use crate::oauth::openid::{OPENID, PROFILE};
use crate::store::StoreError;

/// The claims that `scope` asks for.
#[derive(Debug, Serialize)]
pub(crate) struct UserInfo {
    sub: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    preferred_username: Option<String>,
}

/// The answer to a token.
pub(crate) enum Told {
    /// What its holder may know.
    Claims(UserInfo),
    /// It is dead, or its user is gone.
    Unknown,
    /// It was not issued for this.
    NotAllowed,
}

/// The claims of a token that is alive; whether its holder proved to hold its key is for the caller to ask.
pub(crate) async fn token(
    context: &Context,
    presented: &str,
    now: UnixTime,
) -> Result<Option<AccessClaims>, StoreError> {
    introspection::live_claims(context, presented, now).await
}

/// What the holder of a token with these claims may know.
pub(crate) async fn told(
    context: &Context,
    claims: &AccessClaims,
    now: UnixTime,
) -> Result<Told, StoreError> {
    if !claims.scope.contains(OPENID) {
        return Ok(Told::NotAllowed);
    }
    let Some(account) = accounts::current(context, &claims.sub, now).await? else {
        return Ok(Told::Unknown);
    };
    let username = claims.scope.contains(PROFILE).then_some(account.username).flatten();
    Ok(Told::Claims(UserInfo { sub: account.subject, preferred_username: username }))
}
