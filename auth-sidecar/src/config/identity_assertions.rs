//! Whose word lets clients act for people who have not signed in here? Issuers of identity assertions (ID-JAG): a provider of
//! `identity_providers`, or one of which no more is known than its keys.

use serde::Deserialize;
use url::Url;

use super::identity_providers::{self, RawAllow, RawClaims};
use super::{ConfigError, Resources, Rules, UpstreamConfig, UpstreamKind, User};
use crate::oauth::client::{Client, GrantType};
use crate::oauth::jwk::Algorithm;
use crate::oauth::metadata_document;

const LONGEST_TENANT: usize = 255;

/// An issuer of identity assertions.
#[derive(Clone, Debug)]
pub struct AssertionIssuer {
    /// `iss`, to the letter. With a subject it is an identity, the same as at a sign-in.
    pub issuer: String,
    /// Where its keys are; `None` where discovery says so.
    pub jwks_uri: Option<Url>,
    /// What an assertion may be signed with.
    pub algorithms: Vec<Algorithm>,
    /// `tenant`, of an issuer that has several.
    pub tenant: Option<String>,
    /// For which resource servers it may speak: their URLs.
    pub resources: Vec<String>,
    /// Which clients may present its assertions besides those of `clients`: URLs of metadata documents.
    pub published_clients: Vec<String>,
    /// Whom we let in, and what our tokens say.
    pub rules: Rules,
}

/// What else is configured.
pub(super) struct Known<'a> {
    pub(super) issuer: &'a str,
    pub(super) providers: &'a [UpstreamConfig],
    pub(super) clients: &'a [Client],
    pub(super) users: &'a [User],
    pub(super) resources: &'a Resources,
    pub(super) cimd: bool,
}

/// Mirrors the document.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawIssuer {
    /// The id of an identity provider; all but `tenant` and `resources` is then that one's.
    provider: Option<String>,
    issuer: Option<String>,
    jwks_uri: Option<String>,
    signing_algs: Option<Vec<Algorithm>>,
    claims: Option<RawClaims>,
    allow: Option<RawAllow>,
    tenant: Option<String>,
    resources: Vec<String>,
    #[serde(default)]
    published_clients: Vec<String>,
}

// === impl AssertionIssuer ===

impl AssertionIssuer {
    /// Whether this client, which publishes itself, may present its assertions.
    #[must_use]
    pub fn admits_published(&self, id: &str) -> bool {
        self.published_clients.iter().any(|one| one == id)
    }
}

pub(super) fn compile(raw: Vec<RawIssuer>, known: &Known<'_>) -> Result<Vec<AssertionIssuer>, ConfigError> {
    let mut compiled: Vec<AssertionIssuer> = Vec::new();
    for (index, raw) in raw.into_iter().enumerate() {
        let path = format!("identity_assertions[{index}]");
        let one = compile_one(raw, known, &path)?;
        if compiled.iter().any(|other| other.issuer == one.issuer) {
            return Err(ConfigError::new(path, "is the same issuer as another one"));
        }
        compiled.push(one);
    }
    if compiled.is_empty() {
        let waits = |client: &Client| client.may(GrantType::JwtBearer);
        return match known.clients.iter().position(waits) {
            Some(index) => {
                let why = "whose assertions count must stand in `identity_assertions`";
                Err(ConfigError::new(format!("clients[{index}].grant_types"), why))
            }
            None => Ok(compiled),
        };
    }
    identity_providers::nobody_is_two(known.users, "identity_assertions")?;
    Ok(compiled)
}

fn compile_one(mut raw: RawIssuer, known: &Known<'_>, path: &str) -> Result<AssertionIssuer, ConfigError> {
    let at = |key: &str, why: &str| ConfigError::new(format!("{path}.{key}"), why);
    if let Some(index) = raw.resources.iter().position(|url| known.resources.exactly(url).is_none()) {
        return Err(at(&format!("resources[{index}]"), "is not among `resources`"));
    }
    if raw.resources.is_empty() {
        return Err(at("resources", "must name at least one"));
    }
    let tenant = raw.tenant.take();
    if tenant.as_ref().is_some_and(|tenant| tenant.is_empty() || tenant.len() > LONGEST_TENANT) {
        return Err(at("tenant", "must be 1 to 255 characters"));
    }
    let resources = std::mem::take(&mut raw.resources);
    let published_clients = published(std::mem::take(&mut raw.published_clients), known.cimd, path)?;
    let provider = raw.provider.take();
    let key = if provider.is_some() { "provider" } else { "issuer" };
    let one = match provider {
        Some(id) => of_provider(&raw, &id, known.providers, path)?,
        None => of_its_own(raw, known.providers, path)?,
    };
    // "Cross-Domain Use" among the draft's security considerations: what we say ourselves is no grant for more.
    match one.issuer == known.issuer {
        true => Err(at(key, "is ours")),
        false => Ok(AssertionIssuer { tenant, resources, published_clients, ..one }),
    }
}

/// The operator names them: whoever publishes a document is a client, and none of those need be trusted with this.
fn published(ids: Vec<String>, cimd: bool, path: &str) -> Result<Vec<String>, ConfigError> {
    for (index, id) in ids.iter().enumerate() {
        let at = |why: &str| ConfigError::new(format!("{path}.published_clients[{index}]"), why);
        metadata_document::admit_url(id).map_err(at)?;
        if ids.iter().take(index).any(|other| other == id) {
            return Err(at("is listed twice"));
        }
    }
    match ids.is_empty() || cimd {
        true => Ok(ids),
        false => Err(ConfigError::new(format!("{path}.published_clients"), "needs `cimd.enabled`")),
    }
}

fn of_provider(
    raw: &RawIssuer,
    id: &str,
    providers: &[UpstreamConfig],
    path: &str,
) -> Result<AssertionIssuer, ConfigError> {
    let at = |key: &str, why: &str| ConfigError::new(format!("{path}.{key}"), why);
    for (key, given) in [
        ("issuer", raw.issuer.is_some()),
        ("jwks_uri", raw.jwks_uri.is_some()),
        ("signing_algs", raw.signing_algs.is_some()),
        ("claims", raw.claims.is_some()),
        ("allow", raw.allow.is_some()),
    ] {
        if given {
            return Err(at(key, "is that of the provider"));
        }
    }
    let provider = providers.iter().find(|one| one.id == id);
    match provider.map(|one| (one, &one.kind)) {
        Some((one, UpstreamKind::Oidc { algorithms, .. })) => Ok(AssertionIssuer {
            issuer: one.issuer.clone(),
            jwks_uri: None,
            algorithms: algorithms.clone(),
            tenant: None,
            resources: Vec::new(),
            published_clients: Vec::new(),
            rules: one.rules.clone(),
        }),
        _ => Err(at("provider", "is not the id of an identity provider of kind oidc")),
    }
}

fn of_its_own(
    raw: RawIssuer,
    providers: &[UpstreamConfig],
    path: &str,
) -> Result<AssertionIssuer, ConfigError> {
    let at = |key: &str, why: &str| ConfigError::new(format!("{path}.{key}"), why);
    let issuer = raw.issuer.ok_or_else(|| at("issuer", "or provider is needed"))?;
    identity_providers::admit(&issuer).map_err(|why| at("issuer", why))?;
    if providers.iter().any(|one| one.issuer == issuer) {
        return Err(at("issuer", "is that of an identity provider: name it as `provider`"));
    }
    let jwks_uri = raw.jwks_uri.ok_or_else(|| at("jwks_uri", "is needed beside issuer"))?;
    let jwks_uri = identity_providers::admit(&jwks_uri).map_err(|why| at("jwks_uri", why))?;
    let algorithms = raw.signing_algs.unwrap_or_else(|| Algorithm::ALL.to_vec());
    if algorithms.is_empty() {
        return Err(at("signing_algs", "must name at least one"));
    }
    let allow = raw.allow.ok_or_else(|| at("allow", "is needed beside issuer"))?;
    let rules = Rules::compile(raw.claims.unwrap_or_default(), allow, false, path)?;
    let (tenant, resources, published_clients) = (None, Vec::new(), Vec::new());
    let jwks_uri = Some(jwks_uri);
    Ok(AssertionIssuer { issuer, jwks_uri, algorithms, tenant, resources, published_clients, rules })
}
