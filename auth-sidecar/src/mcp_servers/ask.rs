//! How is an MCP server asked whether it is well? By `server/discover` (2026-07-28), and where it does not know that by
//! `initialize`, whose session is ended again. Nobody is asked but the host that the operator named: no redirect is followed, no
//! proxy used, no credential or cookie sent.

use std::sync::OnceLock;
use std::time::Duration;

use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tracing::Instrument as _;
use url::Url;

use super::answer::{Fault, read};
use crate::config::FetchPolicy;
use crate::fetch::client::confined;
use crate::telemetry::spans;

const ID: &str = "wicketgate-probe";
const MODERN: &str = "2026-07-28";
const LEGACY: &str = "2025-11-25";
const SESSION: &str = "mcp-session-id";

/// What a server answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spoken {
    /// `server/discover`.
    Discover,
    /// `initialize`.
    Initialize,
}

/// Asks.
pub(crate) struct Prober {
    /// Made when it is first needed; `None` where it cannot be made.
    http: OnceLock<Option<Client>>,
    ca: Option<Vec<u8>>,
}

// === impl Spoken ===

impl Spoken {
    pub(crate) const fn method(self) -> &'static str {
        match self {
            Self::Discover => "server/discover",
            Self::Initialize => "initialize",
        }
    }
}

// === impl Prober ===

impl Prober {
    pub(crate) fn new(policy: &FetchPolicy) -> Self {
        Self { http: OnceLock::new(), ca: policy.ca.clone() }
    }

    /// Asks the server at `url` first what it answered last, and within `longest` what else there is.
    pub(super) async fn ask(
        &self,
        url: &Url,
        first: Option<Spoken>,
        longest: Duration,
    ) -> Result<Spoken, Fault> {
        let http = self.http.get_or_init(|| self.client()).as_ref().ok_or(Fault::Unreachable)?;
        let asked = async {
            let order = match first {
                Some(Spoken::Initialize) => [Spoken::Initialize, Spoken::Discover],
                _ => [Spoken::Discover, Spoken::Initialize],
            };
            let mut fault = Fault::NoMcp;
            for spoken in order {
                let answer = match spoken {
                    Spoken::Discover => discover(http, url).await,
                    Spoken::Initialize => initialize(http, url).await,
                };
                match answer {
                    Ok(()) => return Ok(spoken),
                    // A server of the other era may fail at it in any way but these.
                    Err(Fault::Unreachable | Fault::Redirects | Fault::AsksForCredential) => {
                        return answer.map(|()| spoken);
                    }
                    Err(other) => fault = other,
                }
            }
            Err(fault)
        };
        let asked = asked.instrument(spans::fetch("POST", url));
        tokio::time::timeout(longest, asked).await.unwrap_or(Err(Fault::TimedOut))
    }

    fn client(&self) -> Option<Client> {
        let http = confined(self.ca.as_deref()).build();
        if let Err(error) = &http {
            tracing::error!(event = "no_mcp_server_can_be_asked", %error);
        }
        http.ok()
    }
}

async fn discover(http: &Client, url: &Url) -> Result<(), Fault> {
    let params = json!({"_meta": {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": us(),
    }});
    let request = message(http, url, "server/discover", &params)
        .header("mcp-protocol-version", MODERN)
        .header("mcp-method", "server/discover");
    let response = request.send().await.map_err(|_| Fault::Unreachable)?;
    let result = read(response, ID).await?;
    let speaks = result.get("supportedVersions").and_then(Value::as_array);
    speaks.filter(|versions| !versions.is_empty()).map(drop).ok_or(Fault::NoMcp)
}

async fn initialize(http: &Client, url: &Url) -> Result<(), Fault> {
    let params = json!({"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": us()});
    let response = message(http, url, "initialize", &params).send().await.map_err(|_| Fault::Unreachable)?;
    let session = response.headers().get(SESSION).cloned();
    let result = read(response, ID).await?;
    let version = result.get("protocolVersion").and_then(Value::as_str).ok_or(Fault::NoMcp)?;
    if let Some(session) = session {
        let request =
            http.delete(url.clone()).header(SESSION, session).header("mcp-protocol-version", version);
        // Servers may keep their sessions to themselves (405); they end them some day.
        drop(request.send().await);
    }
    Ok(())
}

fn message(http: &Client, url: &Url, method: &str, params: &Value) -> RequestBuilder {
    let body = json!({"jsonrpc": "2.0", "id": ID, "method": method, "params": params});
    http.post(url.clone())
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .body(body.to_string())
}

fn us() -> Value {
    json!({"name": "wicketgate-probe", "version": env!("CARGO_PKG_VERSION")})
}
