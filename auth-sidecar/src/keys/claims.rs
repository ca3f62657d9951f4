//! How do our claims lie in a JWT? The registered ones where jwt-simple has them, the others beside.

use jwt_simple::prelude::{Audiences, Duration, JWTClaims};
use serde::{Deserialize, Serialize};

use crate::clock::UnixTime;
use crate::oauth::claims::{AccessClaims, Audience, Confirmation, IdClaims};
use crate::oauth::scope::ScopeSet;

/// The claims of an access token that are not registered ones.
#[derive(Serialize, Deserialize)]
pub(super) struct PrivateClaims {
    client_id: String,
    #[serde(default, skip_serializing_if = "ScopeSet::is_empty")]
    scope: ScopeSet,
    grant_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    grant_client_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    auth_time: Option<UnixTime>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    groups: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    roles: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    org: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cnf: Option<Confirmation>,
}

/// The claims of an ID token that are not registered ones.
#[derive(Serialize, Deserialize)]
pub(super) struct PrivateIdClaims {
    auth_time: UnixTime,
    at_hash: String,
}

/// What an issuer says now, of nobody and to nobody in particular.
pub(super) fn statement<C>(issuer: &str, says: C, now: UnixTime) -> JWTClaims<C> {
    JWTClaims {
        issued_at: Some(Duration::from_secs(now.0)),
        expires_at: None,
        invalid_before: None,
        issuer: Some(issuer.to_owned()),
        subject: None,
        audiences: None,
        jwt_id: None,
        nonce: None,
        custom: says,
    }
}

pub(super) fn to_jwt(claims: AccessClaims) -> JWTClaims<PrivateClaims> {
    JWTClaims {
        issued_at: Some(Duration::from_secs(claims.iat.0)),
        expires_at: Some(Duration::from_secs(claims.exp.0)),
        invalid_before: None,
        issuer: Some(claims.iss),
        subject: Some(claims.sub),
        audiences: Some(match claims.aud {
            Audience::One(one) => Audiences::AsString(one),
            Audience::Many(many) => Audiences::AsSet(many.into_iter().collect()),
        }),
        jwt_id: Some(claims.jti),
        nonce: None,
        custom: PrivateClaims {
            client_id: claims.client_id,
            scope: claims.scope,
            grant_id: claims.grant_id,
            grant_client_id: claims.grant_client_id,
            auth_time: claims.auth_time,
            groups: claims.groups,
            roles: claims.roles,
            org: claims.org,
            cnf: claims.cnf,
        },
    }
}

/// `None` when a claim is missing that every token of ours has.
pub(super) fn from_jwt(claims: JWTClaims<PrivateClaims>) -> Option<AccessClaims> {
    let aud = match claims.audiences? {
        Audiences::AsString(one) => Audience::One(one),
        Audiences::AsSet(many) => {
            let mut many: Vec<String> = many.into_iter().collect();
            many.sort_unstable();
            Audience::Many(many)
        }
    };
    Some(AccessClaims {
        iss: claims.issuer?,
        sub: claims.subject?,
        aud,
        exp: UnixTime(claims.expires_at?.as_secs()),
        iat: UnixTime(claims.issued_at?.as_secs()),
        jti: claims.jwt_id?,
        client_id: claims.custom.client_id,
        scope: claims.custom.scope,
        grant_id: claims.custom.grant_id,
        grant_client_id: claims.custom.grant_client_id,
        auth_time: claims.custom.auth_time,
        groups: claims.custom.groups,
        roles: claims.custom.roles,
        org: claims.custom.org,
        cnf: claims.custom.cnf,
    })
}

pub(super) fn to_id_jwt(claims: IdClaims) -> JWTClaims<PrivateIdClaims> {
    JWTClaims {
        issued_at: Some(Duration::from_secs(claims.iat.0)),
        expires_at: Some(Duration::from_secs(claims.exp.0)),
        invalid_before: None,
        issuer: Some(claims.iss),
        subject: Some(claims.sub),
        audiences: Some(Audiences::AsString(claims.aud)),
        jwt_id: None,
        nonce: claims.nonce,
        custom: PrivateIdClaims { auth_time: claims.auth_time, at_hash: claims.at_hash },
    }
}
