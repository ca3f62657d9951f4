//! What can be typed after `wicketgate canary`?

use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct Canary {
    /// The MCP endpoint of one server, as its clients know it: https://mcp.example.com/mcp
    pub(crate) url: String,
    /// Certificates that the gateway's must lead to, PEM, besides those that this system trusts.
    #[arg(long, value_name = "FILE")]
    pub(crate) roots: Option<PathBuf>,
    /// The server is open to callers without a credential: that one of them is answered is fine.
    #[arg(long)]
    pub(crate) anonymous: bool,
    /// How many seconds an answer may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=300))]
    pub(crate) timeout: u64,
}

pub(super) const HELP: &str =
    "Two requests are sent, a `ping` each: one of a page that no policy names (Origin), which the filter refuses in words
that no server uses, and one without a credential, which must be answered with 401. Nothing else is asked, and what
passes does no harm. Where origins or addresses are refused before the filter, by a balancer say, ask Envoy itself.

Exit codes: 0 the filter is in the way; 1 it is not, or lets callers without a credential in; 2 no answer, or wrong usage.

Examples:
  wicketgate canary https://mcp.example.com/mcp
  wicketgate canary https://127.0.0.1:8443/mcp --roots ca.pem --json
  wicketgate canary http://127.0.0.1:8080/public --anonymous";
