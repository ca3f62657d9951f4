//! Is this token alive, and who may know? RFC 7662 for clients, and the same question for the gateway.

use serde::Serialize;

use super::{accounts, api_key, clients, opaque_token};
use crate::app::Context;
use crate::audit::Act;
use crate::clock::UnixTime;
use crate::error::Failure;
use crate::metrics::Outcome;
use crate::oauth::claims::{AccessClaims, Confirmation};
use crate::oauth::client::Client;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::secret::{Digest, Kind, grant_id_of};
use crate::store::StoreError;
use crate::store::grant::{Grant, OpaqueToken};

/// The answer (RFC 7662 section 2.2): `{"active": false}` and nothing else for a token that is dead or none of the
/// caller's business.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Introspection {
    Dead {
        active: False,
    },
    AccessToken {
        active: True,
        token_type: &'static str,
        #[serde(flatten)]
        claims: Box<AccessClaims>,
    },
    RefreshToken {
        active: True,
        iss: String,
        sub: String,
        client_id: String,
        #[serde(skip_serializing_if = "String::is_empty")]
        scope: String,
        exp: UnixTime,
        iat: UnixTime,
        #[serde(skip_serializing_if = "Option::is_none")]
        cnf: Option<Confirmation>,
    },
}

/// An access token that counts as far as its grant and its clients go.
pub(super) enum Held {
    Jwt(Box<AccessClaims>),
    Opaque(OpaqueToken),
}

/// `true`, as a type.
#[derive(Debug)]
pub(crate) struct True;
/// `false`, as a type.
#[derive(Debug)]
pub(crate) struct False;

const DEAD: Introspection = Introspection::Dead { active: False };

/// Whether a client may ask at all (section 2.1): else anyone could try tokens out here.
pub(crate) fn admit(context: &Context, client: &Client) -> Result<(), OAuthError> {
    if client.is_confidential() {
        return Ok(());
    }
    context.audit.write(&Act::IntrospectionRefused.by_client(&client.id));
    Err(ErrorCode::InvalidClient.because("a client without a secret may not introspect"))
}

/// What a client may know: tokens issued to it, and access tokens issued for a resource server that it speaks for.
pub(crate) async fn for_client(
    context: &Context,
    client: &Client,
    token: &str,
    now: UnixTime,
) -> Result<Introspection, StoreError> {
    if let Some(id) = grant_id_of(Kind::Refresh, token) {
        let grant = context.store.grant(id, now).await?;
        let grant = grant.filter(|grant| grant.client_id == client.id && grant.is_live());
        let Some(grant) = grant else { return Ok(DEAD) };
        let is_known = accounts::of_grant(context, &grant, now).await?.is_some();
        let told = is_known.then(|| refresh_token(context, grant, token, now)).flatten();
        return Ok(told.unwrap_or(DEAD));
    }
    let claims = live_claims(context, token, now).await?.filter(|claims| {
        claims.client_id == client.id || client.introspects.iter().any(|url| claims.aud.contains(url))
    });
    Ok(access_token(claims))
}

/// What the gateway asks: is this access token alive, and meant for this resource server?
pub(crate) async fn for_resource(
    context: &Context,
    token: &str,
    resource: &str,
    now: UnixTime,
) -> Result<Introspection, Failure> {
    live_for_resource(context, token, resource, now).await.map(access_token)
}

/// The same, for whoever needs the claims. The one place where tokens of other issuers count.
pub(crate) async fn live_for_resource(
    context: &Context,
    token: &str,
    resource: &str,
    now: UnixTime,
) -> Result<Option<AccessClaims>, Failure> {
    if let Some(issuer) = context.external_issuers.of(token) {
        let Some(resource) = context.config.resources.exactly(resource) else { return Ok(None) };
        let claims = issuer.claims(token, resource, now).await;
        let outcome = match &claims {
            Ok(Some(_)) => "active",
            Ok(None) => "inactive",
            Err(_) => "unavailable",
        };
        context.metrics.external_tokens.get_or_create(&Outcome { outcome }).inc();
        return claims;
    }
    let claims = live_claims(context, token, now).await?;
    Ok(claims.filter(|claims| claims.aud.contains(resource)))
}

/// The claims of an access token that we issued, that has not expired, and whose grant, client and user are there.
pub(crate) async fn live_claims(
    context: &Context,
    token: &str,
    now: UnixTime,
) -> Result<Option<AccessClaims>, StoreError> {
    if token.starts_with(Kind::ApiKey.prefix()) {
        return api_key::claims(context, token, now).await;
    }
    let Some((grant, held)) = held(context, token, now).await? else { return Ok(None) };
    // Of somebody who is gone, neither what we signed nor what we are asked about is worth anything.
    let Some(account) = accounts::of_grant(context, &grant, now).await? else { return Ok(None) };
    Ok(Some(match held {
        Held::Jwt(claims) => *claims,
        Held::Opaque(token) => opaque_token::claims(context, &grant, token, account),
    }))
}

/// The same token and its grant, whether or not its user is still known: a client may end what it holds in any case, or it would come
/// to life again with its user.
pub(super) async fn held(
    context: &Context,
    token: &str,
    now: UnixTime,
) -> Result<Option<(Grant, Held)>, StoreError> {
    if token.starts_with(Kind::Access.prefix()) {
        let found = opaque_token::find(context, token, now).await?;
        return Ok(found.map(|(grant, token)| (grant, Held::Opaque(token))));
    }
    context.keys.look_for_signer(token, &context.store, now).await?;
    let Some(claims) = context.keys.verify(token, context.config.issuer.as_str(), now) else {
        return Ok(None);
    };
    let Some(grant) = context.store.grant(&claims.grant_id, now).await?.filter(Grant::is_live) else {
        return Ok(None);
    };
    let counts = clients::let_count(context, &grant, (&claims.client_id, claims.iat), now).await?;
    Ok(counts.then(|| (grant, Held::Jwt(Box::new(claims)))))
}

fn access_token(claims: Option<AccessClaims>) -> Introspection {
    claims.map_or(DEAD, |claims| Introspection::AccessToken {
        active: True,
        token_type: if claims.cnf.is_some() { "DPoP" } else { "Bearer" },
        claims: Box::new(claims),
    })
}

fn refresh_token(context: &Context, grant: Grant, token: &str, now: UnixTime) -> Option<Introspection> {
    if !grant.is_current_refresh(&Digest::of(token), now) {
        return None;
    }
    let refresh = grant.refresh?;
    Some(Introspection::RefreshToken {
        active: True,
        iss: context.config.issuer.as_str().to_owned(),
        sub: grant.subject,
        client_id: grant.client_id,
        scope: grant.scope.to_string(),
        exp: refresh.idle_until.min(refresh.absolute_until),
        iat: refresh.issued_at,
        cnf: refresh.jkt.map(|jkt| Confirmation { jkt }),
    })
}

// === impl Held ===

impl Held {
    /// The client that got it.
    pub(super) fn holder<'g>(&'g self, grant: &'g Grant) -> &'g str {
        match self {
            Self::Jwt(claims) => &claims.client_id,
            Self::Opaque(token) => opaque_token::holder(grant, token),
        }
    }
}

// === impl True, False ===

impl Serialize for True {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(true)
    }
}

impl Serialize for False {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(false)
    }
}
