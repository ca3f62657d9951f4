//! Who else may say who somebody is? OpenID Connect providers and GitHub.

mod rules;
#[cfg(test)]
pub(super) mod tests;

use std::time::Duration;

use serde::Deserialize;
use url::Url;
use zeroize::Zeroizing;

pub use self::rules::{Allow, Claim, Mapping, Rules};
pub(super) use self::rules::{RawAllow, RawClaims, RawMapping, conditions};
use super::duration::Span;
use super::issuer::is_loopback;
use super::secret_ref::SecretRef;
use super::{ConfigError, User};
use crate::oauth::jwk::Algorithm;

const GITHUB: &str = "https://github.com";
const GITHUB_API: &str = "https://api.github.com";
/// Without `remember_for`: so long may somebody who has left go on refreshing.
const REMEMBERED: Span = Span::days(7);

/// A provider of identity besides ourselves.
#[derive(Clone, Debug)]
pub struct UpstreamConfig {
    /// Names it in URLs and logs.
    pub id: String,
    /// What its button says.
    pub label: String,
    /// The issuer: OpenID Connect's, or the base URL of GitHub. With a subject it is an identity.
    pub issuer: String,
    /// Who we are there.
    pub client_id: String,
    /// How we prove it.
    pub client_secret: ClientSecret,
    /// What we ask for.
    pub scopes: Vec<String>,
    /// Whom we let in, and what our tokens say.
    pub rules: Rules,
    /// How old may be what we learned when somebody signed in.
    pub remember_for: Duration,
    /// What is particular to its kind.
    pub kind: UpstreamKind,
}

/// What is particular to a kind of provider.
#[derive(Clone, Debug)]
pub enum UpstreamKind {
    /// OpenID Connect, by discovery.
    Oidc {
        /// What an ID token may be signed with.
        algorithms: Vec<Algorithm>,
        /// Whether claims that the ID token lacks are asked for at the UserInfo endpoint.
        userinfo: bool,
        /// The `prompt` for a client that wants the user to sign in anew.
        prompt: &'static str,
    },
    /// GitHub's OAuth apps.
    Github {
        /// The base of its API.
        api: Url,
    },
}

/// The secret of our client at a provider. `Debug` shows nothing.
#[derive(Clone)]
pub struct ClientSecret(Zeroizing<String>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawKind {
    Oidc,
    Github,
}

/// What such a provider is asked for when somebody must sign in anew.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawSignInAgain {
    #[default]
    Login,
    SelectAccount,
}

/// Mirrors the document.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawProvider {
    id: String,
    kind: RawKind,
    label: Option<String>,
    /// OpenID Connect: the issuer, to the letter.
    issuer: Option<String>,
    /// GitHub Enterprise Server: where it is.
    base_url: Option<String>,
    api_url: Option<String>,
    client_id: String,
    client_secret: SecretRef,
    scopes: Option<Vec<String>>,
    signing_algs: Option<Vec<Algorithm>>,
    userinfo: Option<bool>,
    sign_in_again: Option<RawSignInAgain>,
    #[serde(default)]
    claims: RawClaims,
    allow: RawAllow,
    remember_for: Option<Span>,
}

// === impl ClientSecret ===

impl ClientSecret {
    pub(super) fn resolve(reference: &SecretRef, path: &str) -> Result<Self, ConfigError> {
        reference.resolve(path).map(Self)
    }

    /// The secret in clear: for the provider, and for nobody else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientSecret(..)")
    }
}

pub(super) fn compile(raw: Vec<RawProvider>, users: &[User]) -> Result<Vec<UpstreamConfig>, ConfigError> {
    let mut compiled: Vec<UpstreamConfig> = Vec::new();
    for (index, raw) in raw.into_iter().enumerate() {
        let path = format!("identity_providers[{index}]");
        let one = compile_one(raw, &path)?;
        let others = compiled.iter().map(|other| (other.id.as_str(), other.issuer.as_str()));
        is_another(&path, (&one.id, &one.issuer), others)?;
        compiled.push(one);
    }
    match compiled.is_empty() {
        true => Ok(compiled),
        false => nobody_is_two(users, "identity_providers").map(|()| compiled),
    }
}

/// Two sets of rules for the same people would be one set too many. Of each are told id and issuer.
pub(super) fn is_another<'a>(
    path: &str,
    (id, issuer): (&str, &str),
    mut others: impl Iterator<Item = (&'a str, &'a str)> + Clone,
) -> Result<(), ConfigError> {
    if others.clone().any(|(other, _)| other == id) {
        return Err(ConfigError::new(format!("{path}.id"), "is listed twice"));
    }
    match others.any(|(_, other)| other == issuer) {
        true => Err(ConfigError::new(path, "is the same issuer as another one")),
        false => Ok(()),
    }
}

/// A URL as a name could be the subject of somebody at a provider.
pub(super) fn nobody_is_two(users: &[User], beside: &str) -> Result<(), ConfigError> {
    let is_taken = |user: &User| user.name.starts_with("https:") || user.name.starts_with("http:");
    match users.iter().position(is_taken) {
        Some(index) => {
            let why = format!("must not be a URL beside {beside}");
            Err(ConfigError::new(format!("users[{index}].name"), why))
        }
        None => Ok(()),
    }
}

fn compile_one(raw: RawProvider, path: &str) -> Result<UpstreamConfig, ConfigError> {
    let at = |key: &str, why: &str| ConfigError::new(format!("{path}.{key}"), why);
    admit_id(&raw.id).map_err(|why| at("id", why))?;
    let label = raw.label.clone().unwrap_or_else(|| raw.id.clone());
    if label.is_empty() || label.len() > 64 || label.chars().any(char::is_control) {
        return Err(at("label", "must be 1 to 64 printable characters"));
    }
    admit_client_id(&raw.client_id).map_err(|why| at("client_id", why))?;
    let (issuer, kind) = match raw.kind {
        RawKind::Oidc => oidc(&raw, path)?,
        RawKind::Github => github(&raw, path)?,
    };
    let is_github = raw.kind == RawKind::Github;
    let rules = Rules::compile(raw.claims, raw.allow, is_github, path)?;
    let scopes = raw.scopes.unwrap_or_else(|| usual_scopes(is_github, &rules));
    if !is_github && !scopes.iter().any(|scope| scope == "openid") {
        return Err(at("scopes", "must have openid: without it there is no ID token"));
    }
    if let Some(index) =
        scopes.iter().position(|scope| scope.is_empty() || scope.contains(char::is_whitespace))
    {
        return Err(at(&format!("scopes[{index}]"), "must be one word"));
    }
    let remember_for = raw.remember_for.unwrap_or(REMEMBERED).0;
    if remember_for < Span::minutes(1).0 || remember_for > Span::days(365).0 {
        return Err(at("remember_for", "must lie between 60s and 31536000s"));
    }
    let client_secret = ClientSecret::resolve(&raw.client_secret, &format!("{path}.client_secret"))?;
    let (id, client_id) = (raw.id, raw.client_id);
    Ok(UpstreamConfig { id, label, issuer, client_id, client_secret, scopes, rules, remember_for, kind })
}

fn oidc(raw: &RawProvider, path: &str) -> Result<(String, UpstreamKind), ConfigError> {
    let at = |key: &str, why: &str| ConfigError::new(format!("{path}.{key}"), why);
    for (key, given) in [("base_url", raw.base_url.is_some()), ("api_url", raw.api_url.is_some())] {
        if given {
            return Err(at(key, "is for kind github"));
        }
    }
    let issuer = raw.issuer.as_deref().ok_or_else(|| at("issuer", "is needed for kind oidc"))?;
    admit(issuer).map_err(|why| at("issuer", why))?;
    let algorithms = raw.signing_algs.clone().unwrap_or_else(|| Algorithm::ALL.to_vec());
    if algorithms.is_empty() {
        return Err(at("signing_algs", "must name at least one"));
    }
    let prompt = match raw.sign_in_again.unwrap_or_default() {
        RawSignInAgain::Login => "login",
        RawSignInAgain::SelectAccount => "select_account",
    };
    let userinfo = raw.userinfo.unwrap_or_default();
    Ok((issuer.to_owned(), UpstreamKind::Oidc { algorithms, userinfo, prompt }))
}

fn github(raw: &RawProvider, path: &str) -> Result<(String, UpstreamKind), ConfigError> {
    let at = |key: &str, why: &str| ConfigError::new(format!("{path}.{key}"), why);
    for (key, given) in [
        ("issuer", raw.issuer.is_some()),
        ("signing_algs", raw.signing_algs.is_some()),
        ("userinfo", raw.userinfo.is_some()),
        ("sign_in_again", raw.sign_in_again.is_some()),
    ] {
        if given {
            return Err(at(key, "is for kind oidc"));
        }
    }
    let base = raw.base_url.as_deref().unwrap_or(GITHUB);
    admit(base).map_err(|why| at("base_url", why))?;
    if base.ends_with('/') {
        return Err(at("base_url", "must not end with a slash"));
    }
    let api = match (&raw.api_url, base) {
        (Some(api), _) => api.clone(),
        (None, GITHUB) => GITHUB_API.to_owned(),
        (None, enterprise) => format!("{enterprise}/api/v3"),
    };
    let api = admit(&api).map_err(|why| at("api_url", why))?;
    Ok((base.to_owned(), UpstreamKind::Github { api }))
}

/// Organizations and teams can be read with a scope of GitHub's own; the id of a user needs none.
fn usual_scopes(is_github: bool, rules: &Rules) -> Vec<String> {
    match is_github {
        false => vec!["openid".to_owned()],
        true if rules.read("/orgs") || rules.read("/teams") => vec!["read:org".to_owned()],
        true => Vec::new(),
    }
}

/// What names somebody else in URLs and logs of ours.
pub(super) fn admit_id(id: &str) -> Result<(), &'static str> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    match (1..=32).contains(&id.len()) && id.bytes().all(plain) {
        true => Ok(()),
        false => Err("must be 1 to 32 lower-case letters, digits and hyphens"),
    }
}

/// Who we are at somebody else's.
pub(super) fn admit_client_id(id: &str) -> Result<(), &'static str> {
    match !id.is_empty() && id.bytes().all(|byte| (0x20..=0x7e).contains(&byte)) {
        true => Ok(()),
        false => Err("must be printable ASCII characters"),
    }
}

/// An identifier and base URL of a provider. Kept to the letter: it is compared byte for byte.
pub(super) fn admit(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "must be an absolute URL")?;
    if !(url.scheme() == "https" || url.scheme() == "http" && is_loopback(&url)) {
        return Err("must be https, or http on a loopback host (127.0.0.1, [::1], localhost)");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must have neither query nor fragment");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must hold no user name or password");
    }
    Ok(url)
}
