//! May a client act for somebody, because their employer's provider of identity says so? An ID-JAG:
//! draft-ietf-oauth-identity-assertion-authz-grant sections 3.1 and 4.4.1, as MCP's Enterprise-Managed Authorization has it.

use serde_json::Value;

use super::jwt::{self, Claims, Fault, Jwt, LEEWAY};
use super::upstream::Identity;
use crate::clock::UnixTime;
use crate::oauth::jwk::{Algorithm, KeySet};
use crate::oauth::scope::ScopeSet;

/// No other kind of JWT of the same issuer passes, and this one nowhere else (RFC 8725 section 3.11).
const TYPE: &str = "oauth-id-jag+jwt";
/// Seconds: how long ago it may have been issued, and how far ahead it may end. So long must a `jti` be remembered.
const LONGEST_LIFE: u64 = 20 * 60;
const LONGEST_JTI: usize = 255;
/// Claims that take rights away or share them out in a way that our tokens cannot say: to leave them out would give more.
const NOT_UNDERSTOOD: [&str; 2] = ["act", "authorization_details"];

/// What the assertion must fit.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) algorithms: &'a [Algorithm],
    /// The one tenant of an issuer that has several: `sub` is unique within it only.
    pub(super) tenant: Option<&'a str>,
    /// Ourselves.
    pub(super) audience: &'a str,
    /// Who presents it.
    pub(super) client_id: &'a str,
    pub(super) now: UnixTime,
}

/// What an assertion says that holds, and what must still be asked of it: was it used before, is the key of `jkt` shown?
pub(crate) struct Assertion {
    /// Whom it is about.
    pub(crate) identity: Identity,
    /// For which resource server.
    pub(crate) resource: String,
    /// What may be done there, if it says so.
    pub(crate) scope: Option<ScopeSet>,
    /// Thumbprint of the key that the client must hold, if it is bound to one.
    pub(crate) jkt: Option<String>,
    /// Names it; unique at its issuer.
    pub(crate) jti: String,
    /// Until then that must be remembered.
    pub(crate) remember_until: UnixTime,
}

/// Reads an assertion.
pub(super) fn read(text: &str, keys: &KeySet, expected: &Expected<'_>) -> Result<Assertion, Fault> {
    let Expected { issuer, algorithms, now, .. } = *expected;
    let common = jwt::Expected { issuer, algorithms, is_kind, oldest: LONGEST_LIFE, now };
    let jwt = Jwt::read(text, &common)?;
    judge(&jwt, expected).map_err(Fault::Claims)?;
    let scope = jwt.claims.optional_text("scope").map_err(Fault::Claims)?.map(ScopeSet::parse).transpose();
    let scope = scope.map_err(|_| Fault::Claims("scope"))?;
    let jti = jti(&jwt.claims).map_err(Fault::Claims)?;
    let resource = resource(&jwt.claims).ok_or(Fault::Claims("resource"))?;
    let jkt = bound_to(&jwt.claims).map_err(Fault::Claims)?;
    jwt.verify(keys, &common)?;
    let remember_until = UnixTime(jwt.expires_at.0.saturating_add(LEEWAY));
    let Jwt { subject, auth_time, claims, .. } = jwt;
    let identity = Identity { subject, claims: claims.into_map(), auth_time };
    Ok(Assertion { identity, resource, scope, jkt, jti, remember_until })
}

fn is_kind(typ: Option<&str>) -> bool {
    typ.is_some_and(|typ| typ.eq_ignore_ascii_case(TYPE))
}

/// The name of the first claim that does not fit is the error. `aud` is one text: an assertion for others, too, could be
/// presented by them.
fn judge(jwt: &Jwt<'_>, expected: &Expected<'_>) -> Result<(), &'static str> {
    let claims = &jwt.claims;
    if claims.text("aud")? != expected.audience {
        return Err("aud");
    }
    if claims.text("client_id")? != expected.client_id {
        return Err("client_id");
    }
    if jwt.expires_at.0 > expected.now.0.saturating_add(LONGEST_LIFE) {
        return Err("exp");
    }
    if claims.optional_text("tenant")? != expected.tenant {
        return Err("tenant");
    }
    match NOT_UNDERSTOOD.into_iter().find(|name| claims.get(name).is_some()) {
        Some(name) => Err(name),
        None => Ok(()),
    }
}

fn jti(claims: &Claims) -> Result<String, &'static str> {
    let jti = claims.text("jti")?;
    if jti.is_empty() || jti.len() > LONGEST_JTI { Err("jti") } else { Ok(jti.to_owned()) }
}

/// The draft lets it be a list; the token that comes of it is for one resource server (section 5.1 of the MCP extension).
fn resource(claims: &Claims) -> Option<String> {
    match claims.get("resource")? {
        Value::String(one) => Some(one.clone()),
        Value::Array(many) => match many.as_slice() {
            [Value::String(one)] => Some(one.clone()),
            _ => None,
        },
        _ => None,
    }
}

/// `cnf` (RFC 7800): of its members we know `jkt` alone.
fn bound_to(claims: &Claims) -> Result<Option<String>, &'static str> {
    match claims.get("cnf") {
        None => Ok(None),
        Some(Value::Object(members)) if members.len() == 1 => {
            let jkt = members.get("jkt").and_then(Value::as_str).ok_or("cnf")?;
            Ok(Some(jkt.to_owned()))
        }
        Some(_) => Err("cnf"),
    }
}
