//! Which MCP servers are asked whether they are well, and how often? A registry for people: nothing is routed or decided by it.

use std::time::Duration;

use serde::Deserialize;
use url::Url;

use super::ConfigError;
use super::duration::Span;

/// More than one page of a status is read by nobody; each is a task and two series.
const MOST: usize = 64;
/// Of a name: it is a label.
const LONGEST_NAME: usize = 64;

/// The servers that are asked.
#[derive(Clone, Debug)]
pub struct McpServers {
    /// How often each.
    pub every: Duration,
    /// How long an answer may take, from the look-up of the name to its last byte.
    pub timeout: Duration,
    /// After so many failures in a row a server is ill.
    pub ill: u32,
    /// After so many answers in a row it is well again.
    pub well: u32,
    /// Which.
    pub servers: Vec<McpServer>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct McpServer {
    /// In `/status`, metrics and the log.
    pub name: String,
    /// Its MCP endpoint, as we reach it: not by the gateway, which would ask for a token.
    pub url: Url,
}

/// Mirrors the document.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawMcpServers {
    every: Span,
    timeout: Span,
    ill: u32,
    well: u32,
    servers: Vec<RawMcpServer>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMcpServer {
    name: String,
    url: String,
}

// === impl RawMcpServers ===

impl Default for RawMcpServers {
    fn default() -> Self {
        Self { every: Span::seconds(30), timeout: Span::seconds(5), ill: 3, well: 1, servers: Vec::new() }
    }
}

impl RawMcpServers {
    pub(super) fn compile(self) -> Result<McpServers, ConfigError> {
        let at = |key: &str, why: &str| ConfigError::new(format!("mcp_servers.{key}"), why);
        if !(Span::seconds(5).0..=Span::hours(1).0).contains(&self.every.0) {
            return Err(at("every", "must lie between 5s and 1h"));
        }
        if !(Span::seconds(1).0..=Span::seconds(30).0).contains(&self.timeout.0) {
            return Err(at("timeout", "must lie between 1s and 30s"));
        }
        for (key, value) in [("ill", self.ill), ("well", self.well)] {
            if !(1..=100).contains(&value) {
                return Err(at(key, "must lie between 1 and 100"));
            }
        }
        if self.servers.len() > MOST {
            return Err(at("servers", "must be 64 at most"));
        }
        let mut servers: Vec<McpServer> = Vec::new();
        for (index, raw) in self.servers.into_iter().enumerate() {
            let server = raw.compile(&format!("mcp_servers.servers[{index}]"))?;
            if servers.iter().any(|other| other.name == server.name) {
                return Err(at(&format!("servers[{index}].name"), "is that of another one, too"));
            }
            servers.push(server);
        }
        Ok(McpServers {
            every: self.every.0,
            timeout: self.timeout.0,
            ill: self.ill,
            well: self.well,
            servers,
        })
    }
}

// === impl RawMcpServer ===

impl RawMcpServer {
    fn compile(self, path: &str) -> Result<McpServer, ConfigError> {
        let at = |key: &str, why: &str| ConfigError::new(format!("{path}.{key}"), why);
        // As the policy of the gateway has it.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if !(1..=LONGEST_NAME).contains(&self.name.len()) || !self.name.bytes().all(plain) {
            return Err(at("name", "must be 1 to 64 letters, digits, `_`, `-` and `.`"));
        }
        let url = Url::parse(&self.url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let url = url.ok_or_else(|| at("url", "must be an absolute URL of http or https"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(at("url", "must hold no user name or password"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(at("url", "must have neither query nor fragment"));
        }
        Ok(McpServer { name: self.name, url })
    }
}
