//! Which MCP server stands behind the gateway? The sample one that we start, or one that is there already.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::timeout;
use url::{Host, Url};

use crate::process::Service;
use crate::{Failure, Result, layout};

/// Where an MCP server is: what Envoy must know of its URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Name or address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The path of its MCP endpoint, beginning with a slash.
    pub path: String,
}

// === impl Upstream ===

impl Upstream {
    /// Reads `http://HOST[:PORT]/PATH`.
    ///
    /// # Errors
    /// A sentence for another scheme, a query, a fragment or a login in the URL.
    pub fn parse(url: &str) -> Result<Self> {
        let refuse = |reason: &str| {
            Failure::new(format!("UPSTREAM={url} {reason}: give a URL such as http://127.0.0.1:3001/mcp."))
        };
        let parsed = Url::parse(url).map_err(|error| refuse(&format!("is not a URL ({error})")))?;
        match parsed.scheme() {
            "http" => {}
            "https" => {
                return Err(refuse(
                    "is https, and envoy/envoy.yaml speaks plain http to the server (a copy of it with a \
                     transport_socket on mcp_upstream can do that)",
                ));
            }
            _ => return Err(refuse("is not http")),
        }
        if parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(refuse("has a query or a fragment, which the route cannot add"));
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(refuse("holds a login, which would be ignored"));
        }
        let host = match parsed.host() {
            Some(Host::Domain(name)) => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            None => return Err(refuse("names no host")),
        };
        let port = parsed.port_or_known_default().unwrap_or(80);
        Ok(Self { host, port, path: parsed.path().to_owned() })
    }

    /// `host:port`, as the Host header says it.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Demands that somebody accepts connections there.
    ///
    /// # Errors
    /// A sentence that says nobody does.
    pub async fn require_reachable(&self) -> Result<()> {
        let attempt = TcpStream::connect((self.host.as_str(), self.port));
        let reason = match timeout(Duration::from_secs(5), attempt).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer within 5 s".to_owned(),
        };
        Err(Failure::new(format!(
            "the MCP server at {} does not accept connections ({reason}): start it first, or correct UPSTREAM.",
            self.authority()
        )))
    }
}

/// Starts the sample server on this port of loopback.
///
/// # Errors
/// It was not built or does not start.
pub fn start_sample(port: u16, state: &Path) -> Result<(Service, Upstream)> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut command = Command::new(layout::binary("wicketgate-sample-server")?);
    command.args(["--listen", &address.to_string()]);
    let service = Service::spawn("upstream", command, &state.join("upstream.log"))?;
    Ok((service, Upstream { host: "127.0.0.1".into(), port, path: "/mcp".into() }))
}

#[cfg(test)]
mod tests {
    use super::Upstream;

    #[test]
    fn urls_are_read_with_their_defaults() {
        let parsed =
            |url| Upstream::parse(url).map(|upstream| (upstream.authority(), upstream.path)).unwrap();
        assert_eq!(parsed("http://127.0.0.1:3001/mcp"), ("127.0.0.1:3001".into(), "/mcp".into()));
        assert_eq!(parsed("http://localhost/a/b"), ("localhost:80".into(), "/a/b".into()));
        assert_eq!(parsed("http://[::1]:9"), ("[::1]:9".into(), "/".into()));
    }

    #[test]
    fn what_cannot_be_done_is_said() {
        for (url, reason) in [
            ("127.0.0.1:3001", "is not a URL"),
            ("https://example.com/mcp", "is https"),
            ("http://h/mcp?key=1", "query"),
            ("http://u:p@h/mcp", "login"),
            ("ftp://h/mcp", "is not http"),
        ] {
            let refused = Upstream::parse(url).unwrap_err().to_string();
            assert!(refused.contains(reason) && refused.contains("http://127.0.0.1:3001/mcp"), "{refused}");
        }
    }

    #[tokio::test]
    async fn an_unreachable_server_is_named() {
        let port = crate::ports::free().unwrap();
        let upstream = Upstream::parse(&format!("http://127.0.0.1:{port}/mcp")).unwrap();
        let refused = upstream.require_reachable().await.unwrap_err().to_string();
        assert!(
            refused.contains(&format!("127.0.0.1:{port}")) && refused.contains("start it first"),
            "{refused}"
        );
    }
}
