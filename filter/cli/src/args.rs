//! What can be typed? Every command and flag, with its help.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Check, explain and render gateway policies.
#[derive(Debug, Parser)]
#[command(
    name = "wicketgate",
    version,
    about,
    after_help = "Exit codes:\n  0  done\n  1  the policy is refused, or explain's answer is not the expected one\n  2  wrong \
                  usage, or a file cannot be read or written\n\nPolicies are YAML or JSON. Their texts may hold ${NAME} \
                  and ${NAME:-default}, taken from the environment; $${ stands for a plain ${."
)]
pub(crate) struct Arguments {
    /// Write results and errors to standard output as one JSON object.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say whether a policy is sound, and everything that is wrong with it.
    #[command(
        after_help = "Examples:\n  wicketgate check policy.yaml\n  wicketgate check policy.yaml --json"
    )]
    Check(Check),
    /// Say what a policy answers to one request, which rule decides, and how every rule stands to it.
    #[command(after_help = EXPLAIN_HELP)]
    Explain(Explain),
    /// Write what Envoy or Istio takes: a policy becomes a filter configuration.
    #[command(after_help = RENDER_HELP)]
    Render(Render),
    /// Print the JSON Schema of policies, for editors.
    #[command(after_help = "Example:\n  wicketgate schema > config.schema.json")]
    Schema,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The policy.
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The policy.
    pub(crate) file: PathBuf,
    /// The request, a JSON file, or `-` for standard input.
    #[arg(long, value_name = "REQ.json")]
    pub(crate) request: PathBuf,
    /// The server that is asked, by name; wins over the request file.
    #[arg(long, value_name = "NAME")]
    pub(crate) server: Option<String>,
    /// Who asks: `anonymous`, or an object as under `principal`; wins over the request file.
    #[arg(long = "as", value_name = "WHO")]
    pub(crate) principal: Option<String>,
    /// Exit with 1 unless this is the verdict.
    #[arg(long, value_enum, value_name = "VERDICT")]
    pub(crate) expect: Option<Expected>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Expected {
    Allow,
    Challenge,
    Deny,
}

#[derive(Debug, Args)]
pub(crate) struct Render {
    /// The policy.
    pub(crate) file: PathBuf,
    /// What to write.
    #[arg(long, value_enum, value_name = "FORM")]
    pub(crate) to: Form,
    /// Where to write it, replaced as a whole; standard output if absent. JSON for a name that ends in .json, else YAML.
    #[arg(long, value_name = "PATH")]
    pub(crate) out: Option<PathBuf>,
    /// The filter's module: a path for ecds and envoy-filter, an URL (oci://, https://, file://) for wasmplugin.
    #[arg(long, value_name = "PATH")]
    pub(crate) wasm: Option<String>,
    /// Stay, and write again whenever the policy changes. A bad edit is reported and changes nothing.
    #[arg(long, requires = "out")]
    pub(crate) watch: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// A discovery response for `config_discovery` with `path_config_source`: a policy edit needs no restart.
    Ecds,
    /// An entry for `http_filters`.
    EnvoyFilter,
    /// Istio's WasmPlugin.
    Wasmplugin,
    /// The configuration as the filter reads it.
    Json,
}

const EXPLAIN_HELP: &str = r#"The request file:
  {
    "server": "notes",                     or "url": "https://mcp.example.com/notes";
                                           neither is needed where the policy has one server
    "principal": {"subject": "alice", "client_id": "c1", "scopes": ["mcp:read"],
                  "groups": [], "roles": [], "issuer": "https://as.example.com"},
                                           or "anonymous"
    "method": "tools/call", "tool": "get_note",
                                           or "prompt", "resource", "template", "task";
                                           or "message": {...}, a JSON-RPC message
    "arguments": {"id": "ideas"}           of a tool or prompt; none if absent
  }
A bare JSON-RPC message is a request file too; --as and --server say the rest.

Examples:
  wicketgate explain policy.yaml --request request.json
  echo '{"method": "tools/call", "tool": "get_note"}' |
    wicketgate explain policy.yaml --request - --as '{"subject": "alice", "scopes": ["mcp:read"]}'
  wicketgate explain policy.yaml --request request.json --expect deny"#;

const RENDER_HELP: &str = "Examples:
  wicketgate render policy.yaml --to ecds --wasm wicketgate.wasm --out ecds.yaml
  wicketgate render policy.yaml --to ecds --wasm wicketgate.wasm --out ecds.yaml --watch
  wicketgate render policy.yaml --to envoy-filter --wasm /etc/envoy/wicketgate.wasm
  wicketgate render policy.yaml --to wasmplugin --wasm oci://registry.example.com/wicketgate:1
  wicketgate render policy.yaml --to json

With --watch, PATH.status.json tells the state: {\"state\": \"current\" or \"refused\", \"digest\", \"errors\"}.";
