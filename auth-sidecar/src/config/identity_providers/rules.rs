//! Whom of a provider's people do we let in, and which of their claims reach our tokens?

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::ConfigError;
use crate::secret::Digest;

/// What we make of a provider's claims.
#[derive(Clone, Debug, Serialize)]
pub struct Rules {
    /// `groups` of our tokens.
    pub groups: Option<Mapping>,
    /// `roles` of our tokens.
    pub roles: Option<Mapping>,
    /// `org` of our tokens.
    pub org: Option<Mapping>,
    /// Whom we let in.
    pub allow: Allow,
}

/// Where a claim of ours comes from, and which of its values.
#[derive(Clone, Debug, Serialize)]
pub struct Mapping {
    /// Whence.
    pub from: Claim,
    /// Its values, and what we call them; all, as they are called there, where it is empty.
    pub names: BTreeMap<String, String>,
    /// What is put before each.
    pub prefix: String,
}

/// A claim of the provider: a JSON pointer (RFC 6901).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Claim(String);

/// Whom we let in: everyone, or whoever fulfils one of the conditions.
#[derive(Clone, Debug, Serialize)]
pub struct Allow {
    /// Everyone whom the provider lets in.
    pub everyone: bool,
    /// By subject.
    pub subjects: Vec<String>,
    /// By a claim that is, or has among its elements, one of these texts.
    pub claims: Vec<(Claim, Vec<String>)>,
}

/// Mirrors the document.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawClaims {
    groups: Option<RawMapping>,
    roles: Option<RawMapping>,
    org: Option<RawMapping>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMapping {
    from: String,
    only: Option<Vec<String>>,
    names: Option<BTreeMap<String, String>>,
    #[serde(default)]
    prefix: String,
}

/// Mirrors the document.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawAllow {
    #[serde(default)]
    everyone: bool,
    subjects: Option<Vec<String>>,
    claims: Option<BTreeMap<String, Vec<String>>>,
    /// GitHub's numbers: names can be given up there and taken by others.
    users: Option<Vec<u64>>,
    orgs: Option<Vec<u64>>,
    teams: Option<Vec<u64>>,
}

// === impl Rules ===

impl Rules {
    pub(in crate::config) fn compile(
        claims: RawClaims,
        allow: RawAllow,
        is_github: bool,
        path: &str,
    ) -> Result<Self, ConfigError> {
        let allow = if is_github { allow.of_github(path)? } else { allow.of_oidc(path)? };
        if allow.everyone == (!allow.subjects.is_empty() || !allow.claims.is_empty()) {
            let why = "needs either `everyone: true` or at least one condition";
            return Err(ConfigError::new(format!("{path}.allow"), why));
        }
        let mapping = |key: &str, raw: Option<RawMapping>| {
            raw.map(|raw| raw.compile(is_github, &format!("{path}.claims.{key}"))).transpose()
        };
        Ok(Self {
            groups: mapping("groups", claims.groups)?,
            roles: mapping("roles", claims.roles)?,
            org: mapping("org", claims.org)?,
            allow,
        })
    }

    /// Whether anything depends on this claim.
    #[must_use]
    pub fn read(&self, pointer: &str) -> bool {
        self.mapped().any(|claim| claim.0 == pointer)
            || self.allow.claims.iter().any(|(claim, _)| claim.0 == pointer)
    }

    /// Claims that reach our tokens.
    pub fn mapped(&self) -> impl Iterator<Item = &Claim> {
        [&self.groups, &self.roles, &self.org].into_iter().flatten().map(|mapping| &mapping.from)
    }

    /// Changes whenever anything of them does: what was learned under other rules is not known any more.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&serde_json::to_string(self).unwrap_or_default())
    }
}

// === impl Claim ===

impl Claim {
    /// A name stands for the member of that name; what begins with a slash is a pointer.
    fn named(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() || text == "/" {
            return Err("must be the name of a claim, or a JSON pointer such as /realm_access/roles");
        }
        match text.starts_with('/') {
            true => Ok(Self(text.to_owned())),
            false => Ok(Self(format!("/{}", text.replace('~', "~0").replace('/', "~1")))),
        }
    }

    /// As a pointer.
    #[must_use]
    pub fn pointer(&self) -> &str {
        &self.0
    }

    /// The member of the whole that it lies in.
    #[must_use]
    pub fn first(&self) -> String {
        let first = self.0.split('/').nth(1).unwrap_or_default();
        first.replace("~1", "/").replace("~0", "~")
    }
}

// === impl RawMapping ===

impl RawMapping {
    fn compile(self, is_github: bool, path: &str) -> Result<Mapping, ConfigError> {
        let at = |key: &str, why: &str| ConfigError::new(format!("{path}.{key}"), why);
        if is_github && !["orgs", "teams"].contains(&self.from.as_str()) {
            return Err(at("from", "must be orgs or teams: their numbers"));
        }
        let names: Option<BTreeMap<String, String>> = match (self.only, self.names) {
            (Some(_), Some(_)) => return Err(at("only", "and names exclude each other")),
            (Some(only), None) => Some(only.into_iter().map(|value| (value.clone(), value)).collect()),
            (None, names) => names,
        };
        if names.as_ref().is_some_and(BTreeMap::is_empty) {
            return Err(at("names", "and only must name at least one value"));
        }
        let names = names.unwrap_or_default();
        if names.is_empty() && is_github {
            return Err(at("names", "is needed: what GitHub gives are numbers"));
        }
        Ok(Mapping {
            from: Claim::named(&self.from).map_err(|why| at("from", why))?,
            names,
            prefix: self.prefix,
        })
    }
}

// === impl RawAllow ===

impl RawAllow {
    fn of_oidc(self, path: &str) -> Result<Allow, ConfigError> {
        let at = |key: &str, why: &str| ConfigError::new(format!("{path}.allow.{key}"), why);
        for (key, given) in [("users", &self.users), ("orgs", &self.orgs), ("teams", &self.teams)] {
            if given.is_some() {
                return Err(at(key, "is for kind github"));
            }
        }
        let mut claims = Vec::new();
        for (name, values) in self.claims.unwrap_or_default() {
            if values.is_empty() {
                return Err(at(&format!("claims.{name}"), "must name at least one value"));
            }
            let claim = Claim::named(&name).map_err(|why| at(&format!("claims.{name}"), why))?;
            claims.push((claim, values));
        }
        Ok(Allow { everyone: self.everyone, subjects: self.subjects.unwrap_or_default(), claims })
    }

    fn of_github(self, path: &str) -> Result<Allow, ConfigError> {
        let at = |key: &str, why: &str| ConfigError::new(format!("{path}.allow.{key}"), why);
        for (key, given) in [("subjects", self.subjects.is_some()), ("claims", self.claims.is_some())] {
            if given {
                return Err(at(key, "is for kind oidc; GitHub has users, orgs and teams"));
            }
        }
        let texts = |numbers: Option<Vec<u64>>| -> Vec<String> {
            numbers.unwrap_or_default().iter().map(u64::to_string).collect()
        };
        let (orgs, teams) = (texts(self.orgs), texts(self.teams));
        let listed =
            [("/orgs", orgs), ("/teams", teams)].into_iter().filter(|(_, values)| !values.is_empty());
        let claims = listed.map(|(pointer, values)| (Claim(pointer.to_owned()), values)).collect();
        Ok(Allow { everyone: self.everyone, subjects: texts(self.users), claims })
    }
}
