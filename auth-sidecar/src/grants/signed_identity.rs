//! Who asks, said to a server that stands behind a gateway: a short-lived JWT of our own, for a token that is alive.

use crate::app::Context;
use crate::audit::Act;
use crate::clock::UnixTime;
use crate::error::Failure;
use crate::grants::{clients, introspection};
use crate::oauth::claims::IdentityClaims;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::secret::random_text;

/// So long it holds at most: as long as a gateway may go on showing it.
const LIFETIME: std::time::Duration = std::time::Duration::from_secs(60);
/// The longest audience, bytes.
const LONGEST: usize = 512;

/// Signs it, for a token that is meant for the resource server `resource`; with the seconds that it holds. `None` for a token that is not
/// alive, or not meant for that.
pub(crate) async fn sign(
    context: &Context,
    token: &str,
    (resource, audience): (&str, &str),
    now: UnixTime,
) -> Result<Option<(String, u64)>, Failure> {
    judge_audience(context, resource, audience)?;
    if clients::known(context, audience, now).await?.is_some() {
        return Err(refuse("the audience is a client, which would take it for an ID token").into());
    }
    let claims = introspection::live_for_resource(context, token, resource, now).await?;
    let Some(claims) = claims else { return Ok(None) };
    let longest = context.config.lifetimes.access_token.min(LIFETIME);
    let exp = claims.exp.min(now.plus(longest));
    let (subject, client, grant) = (claims.sub.clone(), claims.client_id.clone(), claims.grant_id);
    let identity = IdentityClaims {
        iss: context.config.issuer.as_str().to_owned(),
        sub: claims.sub,
        aud: audience.to_owned(),
        exp,
        iat: now,
        jti: random_text::<16>()?,
        client_id: claims.client_id,
        scope: claims.scope,
        groups: claims.groups,
        roles: claims.roles,
        org: claims.org,
    };
    let signed = context.keys.sign_identity(identity)?;
    let event = Act::IdentitySigned.by_client(&client).subject(subject.as_str());
    // Of the tokens of other issuers no grant is ours.
    let event = if grant.is_empty() { event } else { event.grant(&grant) };
    context.audit.write(&event.because(format!("for {audience}")));
    Ok(Some((signed, exp.since(now).as_secs())))
}

/// Whoever looks at issuer and audience alone must not take it for an access token: of another resource server it is
/// `token_exchange` that says who gets one, and of ours nobody.
fn judge_audience(context: &Context, resource: &str, audience: &str) -> Result<(), OAuthError> {
    if audience.is_empty() || audience.len() > LONGEST || !audience.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(refuse("the audience has 1 to 512 printable characters without spaces"));
    }
    let others = audience != resource && context.config.resources.named(audience).is_some();
    if others || audience == context.config.issuer.as_str() {
        return Err(refuse("the audience is another resource server: its tokens are exchanged for"));
    }
    Ok(())
}

fn refuse(why: &'static str) -> OAuthError {
    ErrorCode::InvalidTarget.because(why)
}
