//! What does an access token of another issuer say, in our words, and is it meant for this resource server?

use serde_json::{Map, Value};

use super::account_rules;
use super::id_token::is_plain;
use super::jwt::{self, Claims, Common, Fault, Jwt};
use super::upstream::Identity;
use crate::clock::UnixTime;
use crate::config::{Claim, ExternalIssuer, Resource, TokenType};
use crate::oauth::claims::{AccessClaims, Audience, Confirmation};
use crate::oauth::jwk::{Algorithm, KeySet};
use crate::secret::Digest;

/// Where issuers say which client a token was issued to: RFC 9068, OpenID Connect (Entra v2, Keycloak, Auth0, Google), Entra
/// v1, Okta.
const CLIENT_CLAIMS: [&str; 4] = ["client_id", "azp", "appid", "cid"];
/// Claims that tie an ID token to what came with it (OpenID Connect Core sections 3.1.3.6 and 3.3.2.11).
const ID_TOKEN_CLAIMS: [&str; 3] = ["at_hash", "c_hash", "s_hash"];
const MOST_AUDIENCES: usize = 512;
const LONGEST_NAME: usize = 255;

/// What a token says whose issuer stands by it: about whom, until when, and all claims.
pub(super) struct Said {
    common: Common,
    claims: Claims,
}

// === impl Said ===

impl Said {
    /// What a JWT says that one of the keys signed.
    pub(super) fn by_signature(
        text: &str,
        keys: &KeySet,
        config: &ExternalIssuer,
        (algorithms, token_type): (&[Algorithm], TokenType),
        now: UnixTime,
    ) -> Result<Self, Fault> {
        let is_kind = match token_type {
            TokenType::AccessToken => is_access_token,
            TokenType::Plain => is_access_token_or_plain,
        };
        let oldest = config.max_age.as_secs();
        let expected = jwt::Expected { issuer: &config.issuer, algorithms, is_kind, oldest, now };
        let jwt = Jwt::read(text, &expected)?;
        jwt.verify(keys, &expected)?;
        let Jwt { subject, auth_time, expires_at, claims, .. } = jwt;
        Ok(Self { common: Common { subject, auth_time, expires_at }, claims })
    }

    /// What the issuer answers of a token that is alive (RFC 7662 section 2.2). It speaks for itself, so it need not say `iss`.
    pub(super) fn by_answer(
        mut answer: Map<String, Value>,
        config: &ExternalIssuer,
        now: UnixTime,
    ) -> Result<Self, &'static str> {
        answer.entry("iss").or_insert_with(|| config.issuer.clone().into());
        let claims = Claims(answer);
        let common = claims.judge(&config.issuer, config.max_age.as_secs(), now)?;
        Ok(Self { common, claims })
    }

    /// When it ends.
    pub(super) fn expires_at(&self) -> UnixTime {
        self.common.expires_at
    }

    /// The claims of a token of ours that said the same, for this resource server; why there is none is the error.
    pub(super) fn for_resource(
        &self,
        config: &ExternalIssuer,
        resource: &Resource,
        token: &str,
    ) -> Result<AccessClaims, String> {
        let Self { common, claims } = self;
        let issued_at = self.judge(config, resource)?;
        let whole = Value::Object(claims.0.clone());
        let words = |none: account_rules::NoAccount| none.to_string();
        if !account_rules::hold(&config.required, &whole).map_err(words)? {
            return Err("a required claim".into());
        }
        let subject = common.subject.clone();
        let identity = Identity { subject, claims: claims.0.clone(), auth_time: common.auth_time };
        let account = account_rules::account(&config.rules, &config.issuer, &identity).map_err(words)?;
        let scope = account_rules::scope(&config.scopes, &whole).map_err(words)?;
        let digest = Digest::of(token).encoded();
        Ok(AccessClaims {
            iss: config.issuer.clone(),
            sub: account.subject,
            aud: Audience::One(resource.url.clone()),
            exp: common.expires_at,
            iat: issued_at,
            jti: name(claims.optional_text("jti")?, "jti")?.unwrap_or_else(|| digest.clone()),
            client_id: client(config.client_from.as_ref(), claims, &whole)?,
            scope: scope.and(&resource.scopes),
            grant_id: digest,
            grant_client_id: None,
            auth_time: common.auth_time,
            groups: account.groups,
            roles: account.roles,
            org: account.org,
            cnf: claims.bound_to()?.map(|jkt| Confirmation { jkt }),
        })
    }

    /// When it was issued, if it is an access token for this resource server that the operator has not withdrawn.
    fn judge(&self, config: &ExternalIssuer, resource: &Resource) -> Result<UnixTime, &'static str> {
        let claims = &self.claims;
        let none = Vec::new();
        let accepted = config.audiences.get(&resource.url).unwrap_or(&none);
        if !audiences(claims)?.iter().any(|named| accepted.iter().any(|one| one == named)) {
            return Err("aud");
        }
        if ID_TOKEN_CLAIMS.into_iter().any(|name| claims.get(name).is_some()) {
            return Err("it is an ID token");
        }
        claims.all_understood()?;
        let issued_at = UnixTime(claims.time("iat")?.ok_or("iat")?);
        if config.issued_after.is_some_and(|epoch| issued_at < epoch) {
            return Err("iat lies before issued_after");
        }
        match config.denied_subjects.contains(&self.common.subject) {
            true => Err("sub is denied"),
            false => Ok(issued_at),
        }
    }
}

fn is_access_token(typ: Option<&str>) -> bool {
    let kinds = ["at+jwt", "application/at+jwt"];
    typ.is_some_and(|typ| kinds.iter().any(|kind| typ.eq_ignore_ascii_case(kind)))
}

fn is_access_token_or_plain(typ: Option<&str>) -> bool {
    is_plain(typ) || is_access_token(typ)
}

/// `aud`: a text or a list of texts (RFC 7519 section 4.1.3).
fn audiences(claims: &Claims) -> Result<Vec<&str>, &'static str> {
    match claims.get("aud") {
        Some(Value::String(one)) => Ok(vec![one]),
        Some(Value::Array(many)) if many.len() <= MOST_AUDIENCES => {
            many.iter().map(Value::as_str).collect::<Option<_>>().ok_or("aud")
        }
        _ => Err("aud"),
    }
}

/// The client that it was issued to: where the operator says, else in one of the usual places; where several say it, all the
/// same.
fn client(from: Option<&Claim>, claims: &Claims, whole: &Value) -> Result<String, &'static str> {
    const WHY: &str = "it does not say which client it was issued to";
    if let Some(from) = from {
        return name(whole.pointer(from.pointer()).and_then(Value::as_str), WHY)?.ok_or(WHY);
    }
    let mut found: Option<&str> = None;
    for place in CLIENT_CLAIMS {
        let Some(said) = claims.optional_text(place)? else { continue };
        if found.is_some_and(|other| other != said) {
            return Err("its claims name different clients");
        }
        found = Some(said);
    }
    name(found, WHY)?.ok_or(WHY)
}

fn name(text: Option<&str>, why: &'static str) -> Result<Option<String>, &'static str> {
    let is_name =
        |text: &str| (1..=LONGEST_NAME).contains(&text.len()) && !text.chars().any(char::is_control);
    match text {
        Some(text) if !is_name(text) => Err(why),
        text => Ok(text.map(ToOwned::to_owned)),
    }
}
