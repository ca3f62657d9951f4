//! What did the operator ask for? One strict YAML document, compiled once; everything unknown is refused.
//!
//! Each file here holds one concern: the serde mirror of its part of the document (`Raw…`) and the compiled type that
//! cannot be wrong. Secrets stand in the document by reference only ([`secret_ref`]).

mod admin;
mod audit;
mod clients;
mod duration;
mod environment;
mod error;
mod external_issuers;
mod fetch;
mod identity_assertions;
mod identity_providers;
mod issuer;
mod lifetimes;
mod limits;
mod listen;
mod mcp_servers;
mod pages;
mod resources;
mod secret_ref;
mod security;
mod signing;
mod store;
mod telemetry;
mod token_exchange;
mod users;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

pub use self::admin::AdminPolicy;
pub use self::audit::AuditConfig;
pub(crate) use self::clients::admit as admit_client;
use self::environment::Overrides;
pub use self::error::ConfigError;
pub use self::external_issuers::{Check, ExternalIssuer, Introspection, TokenType};
pub use self::fetch::{CimdPolicy, FetchPolicy};
pub use self::identity_assertions::AssertionIssuer;
pub use self::identity_providers::{
    Allow, Claim, ClientSecret, Mapping, Rules, UpstreamConfig, UpstreamKind,
};
pub use self::issuer::Issuer;
pub(crate) use self::issuer::is_loopback;
pub use self::lifetimes::Lifetimes;
pub use self::limits::{GrantLimits, LoginLimits, RegistrationPolicy};
pub(crate) use self::listen::expiry;
pub use self::listen::{Listen, ListenTls, Listener};
pub use self::mcp_servers::{McpServer, McpServers};
pub use self::pages::PagesConfig;
pub use self::resources::{Resource, Resources};
pub use self::security::DpopPolicy;
pub use self::signing::Signing;
pub use self::store::{RedisConfig, StoreConfig, Tls, Topology};
pub use self::telemetry::{Otlp, TelemetryConfig};
pub use self::token_exchange::Exchange;
pub use self::users::{User, Verifier};
use crate::oauth::client::Client;
use crate::sealing::SealingKey;
use crate::secret::Digest;

/// The compiled configuration.
#[derive(Debug)]
pub struct Config {
    /// Of the document and what overrides it: tells whether two servers were told the same.
    pub digest: String,
    /// The variables that say otherwise than the document.
    pub overrides: Vec<String>,
    /// The issuer identifier, one constant everywhere.
    pub issuer: Issuer,
    /// The four listeners.
    pub listen: Listen,
    /// Who may use the API of the admin listener.
    pub admin: AdminPolicy,
    /// Where to write the addresses that were really bound.
    pub addresses_file: Option<PathBuf>,
    /// Where records are kept.
    pub store: StoreConfig,
    /// The audiences that may be asked for.
    pub resources: Resources,
    /// What tokens are signed with.
    pub signing: Signing,
    /// Seals what must be read again, such as signing keys.
    pub data_key: SealingKey,
    /// Dynamic client registration.
    pub registration: RegistrationPolicy,
    /// Clients whose id is the URL of their metadata document.
    pub cimd: CimdPolicy,
    /// Whence documents and keys of clients may be fetched.
    pub fetch: FetchPolicy,
    /// How often one may try to sign in.
    pub login: LoginLimits,
    /// How much one user may grant.
    pub grants: GrantLimits,
    /// How many proxies in front append to `X-Forwarded-For`; 0: the peer's address is the caller's.
    pub trusted_hops: usize,
    /// Whether every authorization request must be pushed.
    pub require_pushed: bool,
    /// Proofs of possession.
    pub dpop: DpopPolicy,
    /// Records of what happened.
    pub audit: AuditConfig,
    /// What the pages look like.
    pub pages: PagesConfig,
    /// Traces.
    pub telemetry: TelemetryConfig,
    /// How long everything lives.
    pub lifetimes: Lifetimes,
    /// Local users.
    pub users: Vec<User>,
    /// Providers of identity besides ourselves.
    pub identity_providers: Vec<UpstreamConfig>,
    /// Whose identity assertions count.
    pub identity_assertions: Vec<AssertionIssuer>,
    /// Whose access tokens count besides ours.
    pub external_issuers: Vec<ExternalIssuer>,
    /// Which MCP servers are asked whether they are well.
    pub mcp_servers: McpServers,
    /// Clients registered in advance.
    pub clients: Vec<Client>,
    /// Who may exchange tokens, and for what.
    pub exchanges: Vec<Exchange>,
    /// As which of them the gateway exchanges tokens, at the internal listener.
    pub gateway_client: Option<String>,
}

/// Mirrors the document.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    issuer: String,
    listen: listen::RawListen,
    #[serde(default)]
    admin: admin::RawAdmin,
    addresses_file: Option<PathBuf>,
    store: store::RawStore,
    resources: Vec<resources::RawResource>,
    #[serde(default)]
    signing: signing::RawSigning,
    data_key: secret_ref::SecretRef,
    #[serde(default)]
    registration: limits::RawRegistration,
    #[serde(default)]
    cimd: fetch::RawCimd,
    #[serde(default)]
    fetch: fetch::RawFetch,
    #[serde(default)]
    login: limits::RawLogin,
    #[serde(default)]
    grants: GrantLimits,
    #[serde(default)]
    forwarded: RawForwarded,
    #[serde(default)]
    require_pushed_authorization_requests: bool,
    #[serde(default)]
    dpop: DpopPolicy,
    #[serde(default)]
    audit: AuditConfig,
    #[serde(default)]
    pages: pages::RawPages,
    #[serde(default)]
    telemetry: telemetry::RawTelemetry,
    #[serde(default)]
    lifetimes: lifetimes::RawLifetimes,
    #[serde(default)]
    users: Vec<users::RawUser>,
    #[serde(default)]
    identity_providers: Vec<identity_providers::RawProvider>,
    #[serde(default)]
    identity_assertions: Vec<identity_assertions::RawIssuer>,
    #[serde(default)]
    external_issuers: Vec<external_issuers::RawExternalIssuer>,
    #[serde(default)]
    mcp_servers: mcp_servers::RawMcpServers,
    #[serde(default)]
    clients: Vec<clients::RawClient>,
    #[serde(default)]
    token_exchange: Vec<token_exchange::RawExchange>,
    gateway_client: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawForwarded {
    trusted_hops: usize,
}

// === impl Config ===

impl Config {
    /// Reads and compiles the document in `path`, with what the environment of this process says otherwise.
    ///
    /// # Errors
    /// [`ConfigError`] names the place in the document and never a secret.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::unreadable("", path, error))?;
        Self::parse_under(&text, std::env::vars_os())
    }

    /// Compiles a document.
    ///
    /// # Errors
    /// [`ConfigError`] names the place in the document and never a secret.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        Self::parse_under(text, std::iter::empty())
    }

    /// Compiles a document with what these variables say otherwise.
    ///
    /// # Errors
    /// [`ConfigError`] names the place in the document, and the variable where that is at fault, and never a secret.
    pub fn parse_under(
        text: &str,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        let mut overrides = Overrides::among(variables)?;
        let raw = match overrides.is_empty() {
            true => read(text),
            false => read_under(text, &mut overrides),
        };
        let digest = Digest::of(&format!("{text}{}", overrides.said())).encoded();
        let compiled = raw.and_then(|raw| raw.compile(digest, overrides.variables()));
        compiled.map_err(|error| overrides.blame(error))
    }
}

// === impl RawConfig ===

impl RawConfig {
    fn compile(self, digest: String, overrides: Vec<String>) -> Result<Config, ConfigError> {
        let raw = self;
        let resources = resources::compile(raw.resources)?;
        let signing = raw.signing.compile()?;
        let users = users::compile(raw.users)?;
        let clients = clients::compile(raw.clients, &resources, &users, &signing)?;
        let identity_providers = identity_providers::compile(raw.identity_providers, &users)?;
        let issuer = Issuer::parse(&raw.issuer).map_err(|why| ConfigError::new("issuer", why))?;
        let cimd = raw.cimd.compile();
        let known = identity_assertions::Known {
            issuer: issuer.as_str(),
            providers: &identity_providers,
            clients: &clients,
            users: &users,
            resources: &resources,
            cimd: cimd.enabled,
        };
        let identity_assertions = identity_assertions::compile(raw.identity_assertions, &known)?;
        let external_issuers =
            external_issuers::compile(raw.external_issuers, issuer.as_str(), &users, &resources)?;
        let exchanges = token_exchange::compile(raw.token_exchange, &clients, &resources)?;
        let listen = raw.listen.compile()?;
        Ok(Config {
            digest,
            overrides,
            issuer,
            admin: raw.admin.compile(listen.admin.address)?,
            listen,
            addresses_file: raw.addresses_file,
            store: raw.store.compile()?,
            data_key: SealingKey::from_base64(&raw.data_key.resolve("data_key")?)
                .map_err(|why| ConfigError::new("data_key", why.to_string()))?,
            registration: raw.registration.compile()?,
            cimd,
            fetch: raw.fetch.compile()?,
            login: raw.login.compile(),
            grants: raw.grants,
            trusted_hops: raw.forwarded.trusted_hops,
            require_pushed: raw.require_pushed_authorization_requests,
            dpop: raw.dpop,
            audit: raw.audit,
            pages: raw.pages.compile()?,
            telemetry: raw.telemetry.compile()?,
            lifetimes: raw.lifetimes.compile()?,
            gateway_client: token_exchange::gateway(raw.gateway_client, &exchanges)?,
            exchanges,
            identity_providers,
            identity_assertions,
            external_issuers,
            mcp_servers: raw.mcp_servers.compile()?,
            users,
            clients,
            signing,
            resources,
        })
    }
}

fn read(text: &str) -> Result<RawConfig, ConfigError> {
    let mut place = String::new();
    let read =
        serde_saphyr::with_deserializer_from_str_with_options(text, without_snippets(), |deserializer| {
            serde_path_to_error::deserialize(deserializer).map_err(|error| {
                place = error.path().to_string();
                error.into_inner()
            })
        });
    read.map_err(|error| ConfigError::new(place, error.to_string()))
}

/// The same by way of a value in which others can be put.
fn read_under(text: &str, overrides: &mut Overrides) -> Result<RawConfig, ConfigError> {
    let mut document: Value = serde_saphyr::from_str_with_options(text, without_snippets())
        .map_err(|error| ConfigError::new("", error.to_string()))?;
    overrides.apply(&mut document)?;
    loop {
        let error = match serde_path_to_error::deserialize(document.clone()) {
            Ok(raw) => return Ok(raw),
            Err(error) => error,
        };
        let place = error.path().to_string();
        if !overrides.take_as_text(&place, &mut document) {
            return Err(ConfigError::new(place, error.into_inner().to_string()));
        }
    }
}

/// Errors without the offending line: it may hold a secret written where a reference belongs.
fn without_snippets() -> serde_saphyr::Options {
    serde_saphyr::options! { with_snippet: false }
}

#[cfg(test)]
mod tests;
