//! For whom may tokens be asked? The resource servers (RFC 8707) and the scopes of each.

use serde::Deserialize;
use url::Url;

use super::ConfigError;
use crate::oauth::openid::AccessTokenFormat;
use crate::oauth::scope::ScopeSet;

/// One resource server.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Its identifier, exactly as configured: this goes into `aud`.
    pub url: String,
    /// What may be granted for it.
    pub scopes: ScopeSet,
    /// What is asked for when a client names no scope.
    pub default_scopes: ScopeSet,
    /// What its access tokens are.
    pub access_tokens: AccessTokenFormat,
    /// Whether it is meant by requests that name none.
    is_default: bool,
    parsed: Url,
}

/// All resource servers.
#[derive(Clone, Debug)]
pub struct Resources(Vec<Resource>);

/// Mirrors the document.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawResource {
    url: String,
    #[serde(default)]
    scopes: Vec<String>,
    default_scopes: Option<Vec<String>>,
    #[serde(default)]
    access_tokens: AccessTokenFormat,
    #[serde(default)]
    default: bool,
}

// === impl Resource ===

impl Resource {
    /// Where its own metadata lies (RFC 9728 section 3.1): the well-known path stands before its own.
    #[must_use]
    pub fn metadata_url(&self) -> String {
        let path = self.parsed.path().trim_end_matches('/');
        let query = self.parsed.query().map(|query| format!("?{query}")).unwrap_or_default();
        let origin = self.parsed.origin().ascii_serialization();
        format!("{origin}/.well-known/oauth-protected-resource{path}{query}")
    }
}

// === impl Resources ===

impl Resources {
    /// The resource that `indicator` names (RFC 8707 section 2), compared as URLs: MCP clients may write scheme and
    /// host in upper case. Some add a slash at the end or take one away; where no resource has just this URL, that is borne.
    #[must_use]
    pub fn named(&self, indicator: &str) -> Option<&Resource> {
        let asked =
            Url::parse(indicator).ok().filter(|url| url.fragment().is_none() && is_absolute(indicator))?;
        let exact = self.0.iter().find(|resource| resource.parsed == asked);
        exact.or_else(|| {
            let asked = without_last_slash(&asked);
            self.0.iter().find(|resource| without_last_slash(&resource.parsed) == asked)
        })
    }

    /// The resource with exactly this identifier.
    #[must_use]
    pub fn exactly(&self, url: &str) -> Option<&Resource> {
        self.0.iter().find(|resource| resource.url == url)
    }

    /// The resource that serves requests for this authority and path: the one whose path is this one or stands before it, of
    /// several the longest. The scheme is the proxy's affair.
    #[must_use]
    pub fn serving(&self, authority: &str, path: &str) -> Option<&Resource> {
        // Dots, encodings and slashes that it may merge are the proxy's affair, too; what it forwards in another spelling is nobody's.
        let is_plain = path.starts_with('/')
            && !path.contains("//")
            && !path.split('/').any(|segment| matches!(segment, "." | ".."));
        let serving = |resource: &&Resource| {
            let asked = Url::parse(&format!("{}://{authority}", resource.parsed.scheme())).ok();
            let is_host = asked.is_some_and(|asked| {
                asked.origin() == resource.parsed.origin()
                    && asked.username().is_empty()
                    && asked.path() == "/"
            });
            let below = path.strip_prefix(resource.parsed.path().trim_end_matches('/'));
            is_host && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let all = self.0.iter().filter(|_| is_plain && !path.contains(['%', '\\']));
        all.filter(serving).max_by_key(|resource| resource.parsed.path().len())
    }

    /// What a request without an indicator means: the default (RFC 8707 section 2), or the only one there is.
    #[must_use]
    pub fn implied(&self) -> Option<&Resource> {
        match self.0.as_slice() {
            [one] => Some(one),
            several => several.iter().find(|resource| resource.is_default),
        }
    }

    /// Every scope of every resource, for the metadata document.
    #[must_use]
    pub fn all_scopes(&self) -> ScopeSet {
        self.0.iter().flat_map(|resource| resource.scopes.iter()).collect()
    }
}

/// RFC 3986 section 4.3, of what has an authority. Parsers of URLs also take white space, backslashes and other numbers of slashes.
fn is_absolute(uri: &str) -> bool {
    let authority = uri.split_once("://").map(|(_, rest)| rest);
    uri.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
        && authority.is_some_and(|rest| !rest.starts_with('/'))
}

fn without_last_slash(url: &Url) -> Url {
    let mut url = url.clone();
    let path = url.path().strip_suffix('/').map(ToOwned::to_owned);
    path.into_iter().for_each(|path| url.set_path(&path));
    url
}

pub(super) fn compile(raw: Vec<RawResource>) -> Result<Resources, ConfigError> {
    let mut resources: Vec<Resource> = Vec::new();
    for (index, raw) in raw.into_iter().enumerate() {
        let resource = compile_one(raw, &format!("resources[{index}]"))?;
        if resources.iter().any(|other| other.parsed == resource.parsed) {
            return Err(ConfigError::new(format!("resources[{index}].url"), "is listed twice"));
        }
        if resource.is_default && resources.iter().any(|other| other.is_default) {
            return Err(ConfigError::new(
                format!("resources[{index}].default"),
                "is true of another one, too",
            ));
        }
        resources.push(resource);
    }
    if resources.is_empty() {
        return Err(ConfigError::new("resources", "at least one resource server is needed"));
    }
    Ok(Resources(resources))
}

fn compile_one(raw: RawResource, path: &str) -> Result<Resource, ConfigError> {
    let bad_url = |why| ConfigError::new(format!("{path}.url"), why);
    let parsed = Url::parse(&raw.url).map_err(|_| bad_url("must be an absolute URL"))?;
    if !matches!(parsed.scheme(), "https" | "http") || parsed.fragment().is_some() {
        return Err(bad_url("must be http or https and have no fragment (RFC 8707 section 2)"));
    }
    let read = |key: &str, list: &[String]| {
        ScopeSet::from_list(list).map_err(|why| ConfigError::new(format!("{path}.{key}"), why))
    };
    let scopes = read("scopes", &raw.scopes)?;
    let default_scopes = match &raw.default_scopes {
        Some(list) => read("default_scopes", list)?,
        None => scopes.clone(),
    };
    if !default_scopes.is_subset_of(&scopes) {
        return Err(ConfigError::new(format!("{path}.default_scopes"), "must be among `scopes`"));
    }
    Ok(Resource {
        url: raw.url,
        scopes,
        default_scopes,
        access_tokens: raw.access_tokens,
        is_default: raw.default,
        parsed,
    })
}
