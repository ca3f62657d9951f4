//! What does the client learn about the sign-in? An ID token (OpenID Connect Core 2), where it asked with `openid`.

use crate::app::Context;
use crate::clock::UnixTime;
use crate::error::Failure;
use crate::oauth::claims::{self, IdClaims};
use crate::oauth::client::Client;
use crate::store::grant::Grant;

/// Whether ID tokens of this client can be signed as it wants them.
pub(crate) fn is_signed_as(context: &Context, client: &Client) -> bool {
    client.preferences.id_token.is_none_or(|algorithm| context.config.signing.held().contains(&algorithm))
}

/// Signs an ID token that stands beside this access token. `nonce` is for the answer to the authorization request alone
/// (section 12.2).
pub(crate) fn issue(
    context: &Context,
    client: &Client,
    grant: &Grant,
    nonce: Option<String>,
    access_token: &str,
    now: UnixTime,
) -> Result<String, Failure> {
    let signing = &context.config.signing;
    // The configuration may have changed since the client registered.
    let registered = client.preferences.id_token.filter(|algorithm| signing.held().contains(algorithm));
    let algorithm = registered.unwrap_or(signing.id_token);
    let claims = IdClaims {
        iss: context.config.issuer.as_str().to_owned(),
        sub: grant.subject.clone(),
        aud: client.id.clone(),
        exp: now.plus(context.config.lifetimes.access_token),
        iat: now,
        auth_time: grant.auth_time,
        nonce,
        at_hash: claims::at_hash(algorithm, access_token),
    };
    Ok(context.keys.sign_id_token(algorithm, claims)?)
}
