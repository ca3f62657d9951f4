//! Whose access tokens does the gateway hear of besides ours? Issuers elsewhere, that sign them or want to be asked.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use url::Url;

use super::duration::Span;
use super::identity_providers::{self, RawAllow, RawClaims, RawMapping, conditions};
use super::secret_ref::SecretRef;
use super::{Claim, ClientSecret, ConfigError, Mapping, Resources, Rules, User};
use crate::clock::UnixTime;
use crate::oauth::jwk::Algorithm;
use crate::secret::Kind;

/// Without `max_age`: longer than access tokens usually live.
const USUAL_AGE: Span = Span::days(1);

/// An issuer of access tokens for our resource servers.
#[derive(Clone, Debug)]
pub struct ExternalIssuer {
    /// Names it in URLs and logs.
    pub id: String,
    /// `iss`, to the letter. With a subject it is an identity, the same as at a sign-in.
    pub issuer: String,
    /// How its tokens are judged.
    pub check: Check,
    /// By URL of a resource server of ours: the `aud` that means it.
    pub audiences: BTreeMap<String, Vec<String>>,
    /// Claims that must be, or have among their elements, one of these texts; all of them.
    pub required: Vec<(Claim, Vec<String>)>,
    /// Where scopes come from.
    pub scopes: Mapping,
    /// Where the client's id stands, if not in one of the usual places.
    pub client_from: Option<Claim>,
    /// How long ago a token may have been issued.
    pub max_age: Duration,
    /// What was issued before that does not count.
    pub issued_after: Option<UnixTime>,
    /// Whose tokens do not count.
    pub denied_subjects: Vec<String>,
    /// Whom we let in, and what we say of them.
    pub rules: Rules,
}

/// How the tokens of an issuer are judged.
#[derive(Clone, Debug)]
pub enum Check {
    /// By its keys.
    Keys {
        /// Where they are; `None` where discovery says so.
        jwks_uri: Option<Url>,
        /// What a token may be signed with.
        algorithms: Vec<Algorithm>,
        /// Which `typ` it has.
        token_type: TokenType,
    },
    /// By asking it (RFC 7662).
    Introspection(Introspection),
}

/// How an issuer is asked.
#[derive(Clone, Debug)]
pub struct Introspection {
    /// Where.
    pub url: Url,
    /// Who we are there.
    pub client_id: String,
    /// How we prove it.
    pub client_secret: ClientSecret,
    /// What its opaque tokens begin with; empty: it is asked about those that nobody else's prefix fits.
    pub prefix: String,
}

/// Which `typ` an access token has (RFC 8725 section 3.11), as at the gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum TokenType {
    /// RFC 9068 section 2.1.
    #[default]
    #[serde(rename = "at+jwt")]
    AccessToken,
    /// That, `JWT` or none.
    #[serde(rename = "JWT")]
    Plain,
}

/// Mirrors the document.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawExternalIssuer {
    id: String,
    issuer: String,
    jwks_uri: Option<String>,
    signing_algs: Option<Vec<Algorithm>>,
    token_type: Option<TokenType>,
    introspection: Option<RawIntrospection>,
    audiences: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    required_claims: BTreeMap<String, Vec<String>>,
    scopes: Option<RawMapping>,
    client_from: Option<String>,
    #[serde(default)]
    claims: RawClaims,
    allow: RawAllow,
    max_age: Option<Span>,
    issued_after: Option<UnixTime>,
    #[serde(default)]
    denied_subjects: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawIntrospection {
    url: String,
    client_id: String,
    client_secret: SecretRef,
    #[serde(default)]
    prefix: String,
}

pub(super) fn compile(
    raw: Vec<RawExternalIssuer>,
    ours: &str,
    users: &[User],
    resources: &Resources,
) -> Result<Vec<ExternalIssuer>, ConfigError> {
    let mut compiled: Vec<ExternalIssuer> = Vec::new();
    for (index, raw) in raw.into_iter().enumerate() {
        let path = format!("external_issuers[{index}]");
        let one = compile_one(raw, ours, resources, &path)?;
        let others = compiled.iter().map(|other| (other.id.as_str(), other.issuer.as_str()));
        identity_providers::is_another(&path, (&one.id, &one.issuer), others)?;
        compiled.push(one);
    }
    match compiled.is_empty() {
        true => Ok(compiled),
        false => identity_providers::nobody_is_two(users, "external_issuers").map(|()| compiled),
    }
}

fn compile_one(
    raw: RawExternalIssuer,
    ours: &str,
    resources: &Resources,
    path: &str,
) -> Result<ExternalIssuer, ConfigError> {
    let at = |key: &str, why: &str| ConfigError::new(format!("{path}.{key}"), why);
    identity_providers::admit_id(&raw.id).map_err(|why| at("id", why))?;
    identity_providers::admit(&raw.issuer).map_err(|why| at("issuer", why))?;
    if raw.issuer == ours {
        return Err(at("issuer", "is ours"));
    }
    let says_nothing = |values: &Vec<String>| values.is_empty() || values.iter().any(String::is_empty);
    if raw.audiences.is_empty() || raw.audiences.values().any(says_nothing) {
        return Err(at("audiences", "must name, for each resource server, what `aud` means it"));
    }
    if let Some(url) = raw.audiences.keys().find(|url| resources.exactly(url).is_none()) {
        return Err(at(&format!("audiences.{url}"), "is not among `resources`"));
    }
    let check = check(raw.introspection, raw.jwks_uri, raw.signing_algs, raw.token_type, path)?;
    let scopes = match raw.scopes {
        Some(scopes) => scopes.compile(false, &format!("{path}.scopes"))?,
        None => Mapping { from: usual_scopes(), names: BTreeMap::new(), prefix: String::new() },
    };
    let client_from = raw.client_from.as_deref().map(Claim::named).transpose();
    let max_age = raw.max_age.unwrap_or(USUAL_AGE).0;
    if !(Span::minutes(1).0..=Span::days(30).0).contains(&max_age) {
        return Err(at("max_age", "must lie between 60s and 30d"));
    }
    Ok(ExternalIssuer {
        id: raw.id,
        issuer: raw.issuer,
        check,
        audiences: raw.audiences,
        required: conditions(raw.required_claims, &format!("{path}.required_claims"))?,
        scopes,
        client_from: client_from.map_err(|why| at("client_from", why))?,
        max_age,
        issued_after: raw.issued_after,
        denied_subjects: raw.denied_subjects,
        rules: Rules::compile(raw.claims, raw.allow, false, path)?,
    })
}

fn check(
    introspection: Option<RawIntrospection>,
    jwks_uri: Option<String>,
    algorithms: Option<Vec<Algorithm>>,
    token_type: Option<TokenType>,
    path: &str,
) -> Result<Check, ConfigError> {
    let at = |key: &str, why: &str| ConfigError::new(format!("{path}.{key}"), why);
    let Some(introspection) = introspection else {
        let jwks_uri = jwks_uri.as_deref().map(identity_providers::admit).transpose();
        let algorithms = algorithms.unwrap_or_else(|| Algorithm::ALL.to_vec());
        if algorithms.is_empty() {
            return Err(at("signing_algs", "must name at least one"));
        }
        return Ok(Check::Keys {
            jwks_uri: jwks_uri.map_err(|why| at("jwks_uri", why))?,
            algorithms,
            token_type: token_type.unwrap_or_default(),
        });
    };
    for (key, given) in [
        ("jwks_uri", jwks_uri.is_some()),
        ("signing_algs", algorithms.is_some()),
        ("token_type", token_type.is_some()),
    ] {
        if given {
            return Err(at(key, "has no use beside introspection"));
        }
    }
    introspection.compile(&format!("{path}.introspection")).map(Check::Introspection)
}

fn usual_scopes() -> Claim {
    Claim::of_member("scope")
}

// === impl RawIntrospection ===

impl RawIntrospection {
    fn compile(self, path: &str) -> Result<Introspection, ConfigError> {
        let at = |key: &str, why: &str| ConfigError::new(format!("{path}.{key}"), why);
        let url = identity_providers::admit(&self.url).map_err(|why| at("url", why))?;
        identity_providers::admit_client_id(&self.client_id).map_err(|why| at("client_id", why))?;
        let is_ours = |kind: &Kind| {
            let ours = kind.prefix();
            !self.prefix.is_empty() && (ours.starts_with(&self.prefix) || self.prefix.starts_with(ours))
        };
        if Kind::ALL.iter().any(is_ours) {
            return Err(at("prefix", "is that of tokens of ours"));
        }
        let client_secret = ClientSecret::resolve(&self.client_secret, &format!("{path}.client_secret"))?;
        Ok(Introspection { url, client_id: self.client_id, client_secret, prefix: self.prefix })
    }
}
